use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    db::schema::{apps, clients},
    oauth::clients::ClientKind,
    scopes::Audience,
    types::{AccountId, ClientId, Fault},
};

/// Takes a scope out of the ceiling of every client that `audience` does not admit (none admits nobody), and says whose
/// that was.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn drop_scope(
    connection: &mut AsyncPgConnection,
    name: &str,
    audience: Option<Audience>,
) -> Result<Vec<ClientId>, Fault> {
    use diesel::dsl::array_remove;

    let holders: Vec<(Uuid, String, bool)> = clients::table
        .filter(clients::scopes.contains(vec![name]))
        .order(clients::id)
        .select((clients::id, clients::kind, clients::first_party))
        .for_no_key_update()
        .load(connection)
        .await?;
    let mut ids = Vec::new();
    for (id, kind, first_party) in holders {
        let kind: ClientKind = kind
            .parse()
            .map_err(|_cause| Fault::inconsistent("clients", "kind", ClientId::from_uuid(id)))?;
        if !audience.is_some_and(|audience| audience.admits(kind == ClientKind::Confidential, first_party)) {
            ids.push(id);
        }
    }
    diesel::update(clients::table.filter(clients::id.eq_any(&ids)))
        .set((
            clients::scopes.eq(array_remove(clients::scopes, name)),
            clients::optional_scopes.eq(array_remove(clients::optional_scopes, name)),
        ))
        .execute(connection)
        .await?;
    Ok(ids.into_iter().map(ClientId::from_uuid).collect())
}

/// Whose these clients are, and their names.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn named(
    connection: &mut AsyncPgConnection,
    ids: &[ClientId],
) -> Result<Vec<(ClientId, AccountId, String)>, Fault> {
    let rows: Vec<(Uuid, Uuid, String)> = clients::table
        .inner_join(apps::table)
        .filter(clients::id.eq_any(ids.iter().map(|id| id.uuid())))
        .order(clients::id)
        .select((clients::id, apps::account_id, clients::name))
        .load(connection)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, account, name)| (ClientId::from_uuid(id), AccountId::from_uuid(account), name))
        .collect())
}
