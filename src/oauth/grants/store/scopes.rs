use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    db::schema::grants,
    types::{ClientId, Fault},
};

/// Takes a scope out of what these clients hold: their next tokens are without it.
pub(in crate::oauth) async fn drop_scope(
    connection: &mut AsyncPgConnection,
    name: &str,
    clients: &[ClientId],
) -> Result<(), Fault> {
    use diesel::dsl::array_remove;

    let clients: Vec<Uuid> = clients.iter().map(|id| id.uuid()).collect();
    diesel::update(
        grants::table
            .filter(grants::client_id.eq_any(clients))
            .filter(grants::scopes.contains(vec![name])),
    )
    .set(grants::scopes.eq(array_remove(grants::scopes, name)))
    .execute(connection)
    .await?;
    Ok(())
}
