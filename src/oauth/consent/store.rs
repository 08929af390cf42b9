use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Consent;
use crate::{
    db::schema::consents,
    types::{ClientId, Fault, Scope, ScopeSet, UserId},
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = consents, check_for_backend(diesel::pg::Pg))]
struct Row {
    client_id: Uuid,
    scopes: Vec<String>,
    declined: Vec<String>,
    presentation: Vec<u8>,
    granted_at: OffsetDateTime,
    last_used_at: OffsetDateTime,
}

impl TryFrom<Row> for Consent {
    type Error = Fault;

    fn try_from(row: Row) -> Result<Self, Fault> {
        let client_id = ClientId::from_uuid(row.client_id);
        let read = |scopes: &[String], column| {
            scopes
                .iter()
                .map(|scope| scope.parse::<Scope>())
                .collect::<Result<ScopeSet, _>>()
                .map_err(|_cause| Fault::inconsistent("consents", column, client_id))
        };
        Ok(Self {
            client_id,
            scopes: read(&row.scopes, "scopes")?,
            declined: read(&row.declined, "declined")?,
            presentation: row.presentation,
            granted_at: row.granted_at,
            last_used_at: row.last_used_at,
        })
    }
}

pub(in crate::oauth) async fn find(
    connection: &mut AsyncPgConnection,
    user: UserId,
    client: ClientId,
) -> Result<Option<Consent>, Fault> {
    let row = consents::table
        .find((user.uuid(), client.uuid()))
        .select(Row::as_select())
        .first(connection)
        .await
        .optional()?;
    row.map(Consent::try_from).transpose()
}

/// All that a person has allowed, last used first.
pub(in crate::oauth) async fn of_user(
    connection: &mut AsyncPgConnection,
    user: UserId,
) -> Result<Vec<Consent>, Fault> {
    let rows = consents::table
        .filter(consents::user_id.eq(user.uuid()))
        .order(consents::last_used_at.desc())
        .select(Row::as_select())
        .load(connection)
        .await?;
    rows.into_iter().map(Consent::try_from).collect()
}

/// The consent as it stands, with its row held against others until the transaction ends; an empty one is made where
/// there is none.
pub(super) async fn hold(
    connection: &mut AsyncPgConnection,
    user: UserId,
    client: ClientId,
    presentation: &[u8],
    now: OffsetDateTime,
) -> Result<Consent, Fault> {
    let nothing = Vec::<String>::new();
    diesel::insert_into(consents::table)
        .values((
            consents::user_id.eq(user.uuid()),
            consents::client_id.eq(client.uuid()),
            consents::scopes.eq(&nothing),
            consents::declined.eq(&nothing),
            consents::presentation.eq(presentation),
            consents::granted_at.eq(now),
            consents::last_used_at.eq(now),
        ))
        .on_conflict((consents::user_id, consents::client_id))
        .do_update()
        .set(consents::last_used_at.eq(now))
        .returning(Row::as_returning())
        .get_result(connection)
        .await?
        .try_into()
}

/// Writes what is allowed from now on; when it was first allowed stays.
pub(super) async fn replace(
    connection: &mut AsyncPgConnection,
    user: UserId,
    client: ClientId,
    scopes: &ScopeSet,
    declined: &ScopeSet,
    presentation: &[u8],
) -> Result<(), Fault> {
    diesel::update(consents::table.find((user.uuid(), client.uuid())))
        .set((
            consents::scopes.eq(scopes.to_strings()),
            consents::declined.eq(declined.to_strings()),
            consents::presentation.eq(presentation),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes that the app signed the person in again.
pub(in crate::oauth) async fn touch(
    connection: &mut AsyncPgConnection,
    user: UserId,
    client: ClientId,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    diesel::update(consents::table.find((user.uuid(), client.uuid())))
        .set(consents::last_used_at.eq(now))
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes a consent; codes that were given under it can no longer be redeemed.
pub(in crate::oauth) async fn remove(
    connection: &mut AsyncPgConnection,
    user: UserId,
    client: ClientId,
) -> Result<bool, Fault> {
    Ok(diesel::delete(consents::table.find((user.uuid(), client.uuid())))
        .execute(connection)
        .await?
        == 1)
}

/// Removes all that a person has allowed, and says to whom.
pub(in crate::oauth) async fn remove_all(
    connection: &mut AsyncPgConnection,
    user: UserId,
) -> Result<Vec<ClientId>, Fault> {
    let clients: Vec<Uuid> = diesel::delete(consents::table.filter(consents::user_id.eq(user.uuid())))
        .returning(consents::client_id)
        .get_results(connection)
        .await?;
    Ok(clients.into_iter().map(ClientId::from_uuid).collect())
}

/// Takes a scope out of all that people have allowed these clients, or denied them. The rows are held against
/// redemptions first, so that none goes by what was there before.
pub(in crate::oauth) async fn drop_scope(
    connection: &mut AsyncPgConnection,
    name: &str,
    clients: &[ClientId],
) -> Result<(), Fault> {
    use diesel::dsl::array_remove;

    let clients: Vec<Uuid> = clients.iter().map(|id| id.uuid()).collect();
    let with_it = || {
        let allowed = consents::scopes.contains(vec![name]);
        let declined = consents::declined.contains(vec![name]);
        consents::table
            .filter(consents::client_id.eq_any(&clients))
            .filter(allowed.or(declined))
    };
    let _held: Vec<Uuid> = with_it()
        .order((consents::user_id, consents::client_id))
        .select(consents::user_id)
        .for_update()
        .load(connection)
        .await?;
    diesel::update(with_it())
        .set((
            consents::scopes.eq(array_remove(consents::scopes, name)),
            consents::declined.eq(array_remove(consents::declined, name)),
        ))
        .execute(connection)
        .await?;
    Ok(())
}
