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
    presentation: Vec<u8>,
    granted_at: OffsetDateTime,
    last_used_at: OffsetDateTime,
}

impl TryFrom<Row> for Consent {
    type Error = Fault;

    fn try_from(row: Row) -> Result<Self, Fault> {
        let client_id = ClientId::from_uuid(row.client_id);
        Ok(Self {
            client_id,
            scopes: row
                .scopes
                .iter()
                .map(|scope| scope.parse::<Scope>())
                .collect::<Result<_, _>>()
                .map_err(|_cause| Fault::inconsistent("consents", "scopes", client_id))?,
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

/// Remembers what was allowed. `scopes` stand in place of those from before; when it was first allowed stays.
pub(in crate::oauth) async fn remember(
    connection: &mut AsyncPgConnection,
    user: UserId,
    client: ClientId,
    scopes: &ScopeSet,
    presentation: &[u8],
    now: OffsetDateTime,
) -> Result<(), Fault> {
    diesel::insert_into(consents::table)
        .values((
            consents::user_id.eq(user.uuid()),
            consents::client_id.eq(client.uuid()),
            consents::scopes.eq(scopes.to_strings()),
            consents::presentation.eq(presentation),
            consents::granted_at.eq(now),
            consents::last_used_at.eq(now),
        ))
        .on_conflict((consents::user_id, consents::client_id))
        .do_update()
        .set((
            consents::scopes.eq(scopes.to_strings()),
            consents::presentation.eq(presentation),
            consents::last_used_at.eq(now),
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
