mod cleanup;
mod leaked;
mod scopes;

pub(in crate::oauth) use cleanup::{delete_ended, reseal_contexts};
pub(in crate::oauth) use leaked::{hold_all, parties};
pub(in crate::oauth) use scopes::drop_scope;

use diesel::{prelude::*, sql_types};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Fingerprint, Grant, RevokedReason};
use crate::{
    audit::{self, Record},
    crypto::KeyId,
    db::{
        Prepared, Together,
        schema::{clients, consents, grants, sessions, users},
    },
    types::{AppId, ClientId, CodeId, Fault, GrantId, Scope, ScopeSet, SessionId, UserId},
    webhooks::Telling,
};

diesel::define_sql_function! {
    /// The earlier of two times, or the one that there is. Typed, because a statement with SQL text in it would be
    /// prepared anew each time.
    fn least(one: sql_types::Timestamptz, other: sql_types::Nullable<sql_types::Timestamptz>) -> sql_types::Timestamptz;
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = grants, check_for_backend(diesel::pg::Pg))]
struct Row {
    id: Uuid,
    client_id: Uuid,
    user_id: Uuid,
    session_id: Uuid,
    scopes: Vec<String>,
    redirect_host: String,
    authenticated_at: OffsetDateTime,
    generation: i32,
    rotated_at: OffsetDateTime,
    refreshes: i64,
    context_mac: Vec<u8>,
    context_sealed: Vec<u8>,
    created_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    revoked_at: Option<OffsetDateTime>,
}

fn scope_set(scopes: &[String], id: Uuid) -> Result<ScopeSet, Fault> {
    scopes
        .iter()
        .map(|scope| scope.parse::<Scope>())
        .collect::<Result<_, _>>()
        .map_err(|_cause| Fault::inconsistent("grants", "scopes", GrantId::from_uuid(id)))
}

impl TryFrom<Row> for Grant {
    type Error = Fault;

    fn try_from(row: Row) -> Result<Self, Fault> {
        Ok(Self {
            scopes: scope_set(&row.scopes, row.id)?,
            id: GrantId::from_uuid(row.id),
            client_id: ClientId::from_uuid(row.client_id),
            user_id: UserId::from_uuid(row.user_id),
            session_id: SessionId::from_uuid(row.session_id),
            redirect_host: row.redirect_host,
            authenticated_at: row.authenticated_at,
            generation: row.generation,
            rotated_at: row.rotated_at,
            refreshes: row.refreshes,
            context_mac: row.context_mac,
            context_sealed: row.context_sealed,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        })
    }
}

/// A grant that is about to be.
pub(in crate::oauth) struct NewGrant<'n> {
    pub(in crate::oauth) id: GrantId,
    pub(in crate::oauth) code_id: CodeId,
    pub(in crate::oauth) client_id: ClientId,
    pub(in crate::oauth) user_id: UserId,
    pub(in crate::oauth) session_id: SessionId,
    pub(in crate::oauth) scopes: &'n ScopeSet,
    pub(in crate::oauth) redirect_host: &'n str,
    pub(in crate::oauth) authenticated_at: OffsetDateTime,
    pub(in crate::oauth) fingerprint: &'n Fingerprint,
    pub(in crate::oauth) consented_at: OffsetDateTime,
    pub(in crate::oauth) now: OffsetDateTime,
    pub(in crate::oauth) expires_at: OffsetDateTime,
    pub(in crate::oauth) ends_at: Option<OffsetDateTime>,
    /// Of its refresh token, if it gets one.
    pub(in crate::oauth) refresh_key: Option<KeyId>,
}

/// Inserts the grant of a code with its record, and tells the app's webhooks, if the code was not redeemed before, the person is not blocked, their
/// session has not ended, and the consent that it came of (that one, not a later one: times are compared for being the
/// same, never for which is earlier, as clocks step back) still stands and covers it. The rows of consent and session
/// are locked against removal until the grant is there, so a withdrawal that runs beside this one either sees the grant
/// or prevents it.
pub(in crate::oauth) async fn insert(
    connection: &mut AsyncPgConnection,
    new: &NewGrant<'_>,
    record: &Record,
    telling: &Telling,
) -> Result<bool, Fault> {
    // In the order in which a client's deletion locks them: the client, then what hangs on it.
    let consented = clients::table
        .inner_join(consents::table.inner_join(users::table.inner_join(sessions::table)))
        .filter(consents::user_id.eq(new.user_id.uuid()))
        .filter(consents::client_id.eq(new.client_id.uuid()))
        .filter(consents::granted_at.eq(new.consented_at))
        .filter(consents::scopes.contains(new.scopes.to_strings()))
        .filter(users::blocked_at.is_null())
        .filter(sessions::id.eq(new.session_id.uuid()));
    let row = (
        new.id.uuid().into_sql::<sql_types::Uuid>(),
        new.code_id.uuid().into_sql::<sql_types::Uuid>(),
        consents::client_id,
        consents::user_id,
        sessions::id,
        new.scopes
            .to_strings()
            .into_sql::<sql_types::Array<sql_types::Text>>(),
        new.redirect_host.into_sql::<sql_types::Text>(),
        new.authenticated_at.into_sql::<sql_types::Timestamptz>(),
        0.into_sql::<sql_types::Integer>(),
        new.refresh_key
            .map(|key| key.0)
            .into_sql::<sql_types::Nullable<sql_types::Integer>>(),
        new.now.into_sql::<sql_types::Timestamptz>(),
        0_i64.into_sql::<sql_types::BigInt>(),
        new.fingerprint.mac.as_slice().into_sql::<sql_types::Binary>(),
        new.fingerprint.sealed.as_slice().into_sql::<sql_types::Binary>(),
        new.now.into_sql::<sql_types::Timestamptz>(),
        new.expires_at.into_sql::<sql_types::Timestamptz>(),
        new.ends_at
            .into_sql::<sql_types::Nullable<sql_types::Timestamptz>>(),
    );
    let insertion = diesel::insert_into(grants::table)
        .values(consented.select(row).for_key_share())
        .into_columns((
            grants::id,
            grants::code_id,
            grants::client_id,
            grants::user_id,
            grants::session_id,
            grants::scopes,
            grants::redirect_host,
            grants::authenticated_at,
            grants::generation,
            grants::refresh_key_id,
            grants::rotated_at,
            grants::refreshes,
            grants::context_mac,
            grants::context_sealed,
            grants::created_at,
            grants::expires_at,
            grants::ends_at,
        ))
        .on_conflict(grants::code_id)
        .do_nothing()
        .returning(grants::id);
    let inserted = Prepared(Together {
        act: insertion,
        record: audit::insertion(record, Together::IF_DONE),
        more: telling.parts(),
    })
    .execute(connection)
    .await?;
    Ok(inserted == 1)
}

/// What the next generation is made with.
#[derive(Clone, Copy, Debug)]
pub(in crate::oauth) struct Next {
    pub(in crate::oauth) key: KeyId,
    pub(in crate::oauth) now: OffsetDateTime,
    pub(in crate::oauth) until: OffsetDateTime,
}

/// What a rotation hands on.
#[derive(Clone, Debug)]
pub(in crate::oauth) struct Rotated {
    pub(in crate::oauth) user_id: UserId,
    pub(in crate::oauth) session_id: SessionId,
    pub(in crate::oauth) scopes: ScopeSet,
    pub(in crate::oauth) authenticated_at: OffsetDateTime,
}

/// The rotation: one statement that only the holder of the current generation can win. `expires_at` slides
/// to `until`, but never past the absolute end. A use from another address or program does not pass here: it must leave
/// a record; nor does one of which nothing is left under the client's `ceiling`: there would be no successor to give.
pub(in crate::oauth) async fn rotate(
    connection: &mut AsyncPgConnection,
    id: GrantId,
    generation: i32,
    client: ClientId,
    ceiling: &ScopeSet,
    context_mac: &[u8],
    next: Next,
) -> Result<Option<Rotated>, Fault> {
    let Next { key, now, until } = next;
    let rotation = Prepared(
        diesel::update(
            grants::table
                .find(id.uuid())
                .filter(grants::generation.eq(generation))
                .filter(grants::client_id.eq(client.uuid()))
                .filter(grants::revoked_at.is_null())
                .filter(grants::expires_at.gt(now))
                .filter(grants::scopes.overlaps_with(ceiling.to_strings()))
                .filter(grants::context_mac.eq(context_mac)),
        )
        .set((
            grants::generation.eq(grants::generation + 1),
            grants::refresh_key_id.eq(key.0),
            grants::rotated_at.eq(now),
            grants::refreshes.eq(grants::refreshes + 1),
            grants::expires_at.eq(least(until, grants::ends_at)),
        ))
        .returning((
            grants::user_id,
            grants::session_id,
            grants::scopes,
            grants::authenticated_at,
        )),
    );
    let row: Option<(Uuid, Uuid, Vec<String>, OffsetDateTime)> =
        rotation.get_result(connection).await.optional()?;
    row.map(|(user, session, scopes, authenticated_at)| {
        Ok(Rotated {
            user_id: UserId::from_uuid(user),
            session_id: SessionId::from_uuid(session),
            scopes: scope_set(&scopes, id.uuid())?,
            authenticated_at,
        })
    })
    .transpose()
}

/// Lets the row follow its client to another address or program.
pub(in crate::oauth) async fn move_to(
    connection: &mut AsyncPgConnection,
    id: GrantId,
    fingerprint: &Fingerprint,
) -> Result<(), Fault> {
    diesel::update(grants::table.find(id.uuid()))
        .set((
            grants::context_mac.eq(&fingerprint.mac),
            grants::context_sealed.eq(&fingerprint.sealed),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

pub(in crate::oauth) async fn find(
    connection: &mut AsyncPgConnection,
    id: GrantId,
) -> Result<Option<Grant>, Fault> {
    let row = grants::table
        .find(id.uuid())
        .select(Row::as_select())
        .first(connection)
        .await
        .optional()?;
    row.map(Grant::try_from).transpose()
}

/// The grant, with its row locked until the transaction ends.
pub(in crate::oauth) async fn lock(
    connection: &mut AsyncPgConnection,
    id: GrantId,
) -> Result<Option<Grant>, Fault> {
    let row = grants::table
        .find(id.uuid())
        .select(Row::as_select())
        .for_no_key_update()
        .first(connection)
        .await
        .optional()?;
    row.map(Grant::try_from).transpose()
}

/// The grant that a code has given.
pub(in crate::oauth) async fn by_code(
    connection: &mut AsyncPgConnection,
    code: CodeId,
) -> Result<Option<Grant>, Fault> {
    let row = grants::table
        .filter(grants::code_id.eq(code.uuid()))
        .select(Row::as_select())
        .first(connection)
        .await
        .optional()?;
    row.map(Grant::try_from).transpose()
}

/// Which grants are taken back together, expired ones among them: an access token can outlive its grant's time.
#[derive(Clone, Copy)]
pub(in crate::oauth) enum Which<'g> {
    One(GrantId),
    These(&'g [GrantId]),
    /// All that a person gave.
    Of(UserId),
    /// What they gave to one client.
    To(UserId, ClientId),
}

/// A grant that is taken back, and the app that its client belongs to.
#[derive(Clone, Debug)]
pub(in crate::oauth) struct Taken {
    pub(in crate::oauth) id: GrantId,
    pub(in crate::oauth) client: ClientId,
    pub(in crate::oauth) app: AppId,
    pub(in crate::oauth) user: UserId,
    pub(in crate::oauth) scopes: ScopeSet,
}

/// The columns of a [`TakenRow`].
const TAKEN: (
    grants::id,
    grants::client_id,
    clients::app_id,
    grants::user_id,
    grants::scopes,
) = (
    grants::id,
    grants::client_id,
    clients::app_id,
    grants::user_id,
    grants::scopes,
);

type TakenRow = (Uuid, Uuid, Uuid, Uuid, Vec<String>);

impl TryFrom<TakenRow> for Taken {
    type Error = Fault;

    fn try_from((id, client, app, user, scopes): TakenRow) -> Result<Self, Fault> {
        Ok(Self {
            scopes: scope_set(&scopes, id)?,
            id: GrantId::from_uuid(id),
            client: ClientId::from_uuid(client),
            app: AppId::from_uuid(app),
            user: UserId::from_uuid(user),
        })
    }
}

/// Marks those that are not revoked yet as revoked, and says which they were.
pub(in crate::oauth) async fn revoke(
    connection: &mut AsyncPgConnection,
    which: Which<'_>,
    reason: RevokedReason,
    now: OffsetDateTime,
) -> Result<Vec<Taken>, Fault> {
    let standing = diesel::update(grants::table)
        .filter(grants::revoked_at.is_null())
        .set((
            grants::revoked_at.eq(now),
            grants::revoked_reason.eq(reason.name()),
        ))
        .into_boxed();
    let standing = match which {
        Which::One(id) => standing.filter(grants::id.eq(id.uuid())),
        Which::These(ids) => {
            standing.filter(grants::id.eq_any(ids.iter().map(|id| id.uuid()).collect::<Vec<_>>()))
        }
        Which::Of(user) => standing.filter(grants::user_id.eq(user.uuid())),
        Which::To(user, client) => standing
            .filter(grants::user_id.eq(user.uuid()))
            .filter(grants::client_id.eq(client.uuid())),
    };
    let revoked: Vec<Uuid> = standing.returning(grants::id).get_results(connection).await?;
    if revoked.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<TakenRow> = grants::table
        .inner_join(clients::table)
        .filter(grants::id.eq_any(revoked))
        .order(grants::id)
        .select(TAKEN)
        .load(connection)
        .await?;
    rows.into_iter().map(Taken::try_from).collect()
}

/// The grants of a client that are neither revoked nor expired.
pub(in crate::oauth) async fn live_of_client(
    connection: &mut AsyncPgConnection,
    client: ClientId,
    now: OffsetDateTime,
) -> Result<Vec<Taken>, Fault> {
    let rows: Vec<TakenRow> = grants::table
        .inner_join(clients::table)
        .filter(grants::client_id.eq(client.uuid()))
        .filter(grants::revoked_at.is_null())
        .filter(grants::expires_at.gt(now))
        .order(grants::id)
        .select(TAKEN)
        .load(connection)
        .await?;
    rows.into_iter().map(Taken::try_from).collect()
}

/// The live grants of a person, with what each client has.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn live_of_user(
    connection: &mut AsyncPgConnection,
    user: UserId,
    now: OffsetDateTime,
) -> Result<Vec<Grant>, Fault> {
    let rows = grants::table
        .filter(grants::user_id.eq(user.uuid()))
        .filter(grants::revoked_at.is_null())
        .filter(grants::expires_at.gt(now))
        .order(grants::rotated_at.desc())
        .select(Row::as_select())
        .load(connection)
        .await?;
    rows.into_iter().map(Grant::try_from).collect()
}
