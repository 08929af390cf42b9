use diesel::{
    prelude::*,
    sql_types::{Binary, Bool},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    super::model::{Session, User},
    users::UserRow,
};
use crate::{
    db::schema::{sessions, users},
    types::{Fault, SessionId, UserId},
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions, check_for_backend(diesel::pg::Pg))]
struct SessionRow {
    id: Uuid,
    user_id: Uuid,
    authenticated_at: OffsetDateTime,
    last_seen_at: OffsetDateTime,
    expires_at: OffsetDateTime,
}

impl From<SessionRow> for Session {
    fn from(row: SessionRow) -> Self {
        Self {
            id: SessionId::from_uuid(row.id),
            user_id: UserId::from_uuid(row.user_id),
            authenticated_at: row.authenticated_at,
            last_seen_at: row.last_seen_at,
            expires_at: row.expires_at,
        }
    }
}

/// The live session whose cookie has this digest, with its person; none of those who are blocked.
pub(in super::super) async fn signed_in(
    connection: &mut AsyncPgConnection,
    token_hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<(Session, User)>, Fault> {
    let row: Option<(SessionRow, UserRow)> = sessions::table
        .inner_join(users::table)
        .filter(sessions::token_hash.eq(token_hash.as_slice()))
        .filter(sessions::expires_at.gt(now))
        .filter(users::blocked_at.is_null())
        .select((SessionRow::as_select(), UserRow::as_select()))
        .first(connection)
        .await
        .optional()?;
    row.map(|(session, user)| Ok((session.into(), user.try_into()?)))
        .transpose()
}

/// Holds a session against its end until the transaction ends; false if it has ended.
pub(in super::super) async fn hold_session(
    connection: &mut AsyncPgConnection,
    id: SessionId,
) -> Result<bool, Fault> {
    let found: Option<Uuid> = sessions::table
        .find(id.uuid())
        .select(sessions::id)
        .for_key_share()
        .first(connection)
        .await
        .optional()?;
    Ok(found.is_some())
}

/// Writes down that a session is in use, and puts off its end.
pub(in super::super) async fn touch(
    connection: &mut AsyncPgConnection,
    id: SessionId,
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<(), Fault> {
    diesel::update(sessions::table.find(id.uuid()))
        .filter(sessions::last_seen_at.lt(now))
        .set((
            sessions::last_seen_at.eq(now),
            sessions::expires_at.eq(expires_at),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// What of a session is at rest beside its entity.
pub(in super::super) struct Sealed {
    pub(in super::super) token_hash: [u8; 32],
    pub(in super::super) context: Vec<u8>,
}

pub(in super::super) async fn insert_session(
    connection: &mut AsyncPgConnection,
    session: &Session,
    sealed: &Sealed,
) -> Result<(), Fault> {
    diesel::insert_into(sessions::table)
        .values((
            sessions::id.eq(session.id.uuid()),
            sessions::user_id.eq(session.user_id.uuid()),
            sessions::token_hash.eq(sealed.token_hash.as_slice()),
            sessions::context_sealed.eq(&sealed.context),
            sessions::authenticated_at.eq(session.authenticated_at),
            sessions::last_seen_at.eq(session.last_seen_at),
            sessions::expires_at.eq(session.expires_at),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Gives a session a new cookie after its person has shown again who they are; false if it has ended, or
/// another request was first, since `was` was read.
pub(in super::super) async fn renew_session(
    connection: &mut AsyncPgConnection,
    session: &Session,
    was: &[u8; 32],
    sealed: &Sealed,
) -> Result<bool, Fault> {
    let renewed = diesel::update(sessions::table.find(session.id.uuid()))
        .filter(sessions::user_id.eq(session.user_id.uuid()))
        .filter(sessions::token_hash.eq(was.as_slice()))
        .set((
            sessions::token_hash.eq(sealed.token_hash.as_slice()),
            sessions::context_sealed.eq(&sealed.context),
            sessions::authenticated_at.eq(session.authenticated_at),
            sessions::last_seen_at.eq(session.last_seen_at),
            sessions::expires_at.eq(session.expires_at),
        ))
        .execute(connection)
        .await?;
    Ok(renewed == 1)
}

/// A person's live sessions with their sealed contexts, the last used first.
pub(in super::super) async fn sessions(
    connection: &mut AsyncPgConnection,
    user: UserId,
    now: OffsetDateTime,
) -> Result<Vec<(Session, Vec<u8>)>, Fault> {
    let rows: Vec<(SessionRow, Vec<u8>)> = sessions::table
        .filter(sessions::user_id.eq(user.uuid()))
        .filter(sessions::expires_at.gt(now))
        .order(sessions::last_seen_at.desc())
        .select((SessionRow::as_select(), sessions::context_sealed))
        .load(connection)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(session, context)| (session.into(), context))
        .collect())
}

/// Which of a person's sessions.
#[derive(Clone, Copy)]
pub(in super::super) enum Which {
    One(SessionId),
    AllBut(SessionId),
    All,
}

/// Ends sessions; returns those that it ended.
pub(in super::super) async fn delete_sessions(
    connection: &mut AsyncPgConnection,
    user: UserId,
    which: Which,
) -> Result<Vec<SessionId>, Fault> {
    let mut target = diesel::delete(sessions::table)
        .filter(sessions::user_id.eq(user.uuid()))
        .into_boxed();
    target = match which {
        Which::One(id) => target.filter(sessions::id.eq(id.uuid())),
        Which::AllBut(id) => target.filter(sessions::id.ne(id.uuid())),
        Which::All => target,
    };
    let ids: Vec<Uuid> = target.returning(sessions::id).get_results(connection).await?;
    Ok(ids.into_iter().map(SessionId::from_uuid).collect())
}

/// Up to `most` sessions after `after`, by id, whose context another key sealed than the one whose id these
/// bytes are.
pub(in super::super) async fn sealed_with_older_keys(
    connection: &mut AsyncPgConnection,
    key_id: [u8; 4],
    after: Option<SessionId>,
    most: i64,
) -> Result<Vec<(SessionId, Vec<u8>)>, Fault> {
    let after = after.map_or_else(Uuid::nil, SessionId::uuid);
    let rows: Vec<(Uuid, Vec<u8>)> = sessions::table
        .filter(sessions::id.gt(after))
        .filter(
            diesel::dsl::sql::<Bool>("substring(context_sealed from 1 for 4) <> ")
                .bind::<Binary, _>(key_id.to_vec()),
        )
        .order(sessions::id)
        .limit(most)
        .select((sessions::id, sessions::context_sealed))
        .load(connection)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, sealed)| (SessionId::from_uuid(id), sealed))
        .collect())
}

/// Replaces a sealed context by the same one, sealed anew; unless the session was renewed meanwhile.
pub(in super::super) async fn replace_context(
    connection: &mut AsyncPgConnection,
    id: SessionId,
    was: &[u8],
    sealed: &[u8],
) -> Result<bool, Fault> {
    let replaced = diesel::update(sessions::table.find(id.uuid()))
        .filter(sessions::context_sealed.eq(was))
        .set(sessions::context_sealed.eq(sealed))
        .execute(connection)
        .await?;
    Ok(replaced == 1)
}
