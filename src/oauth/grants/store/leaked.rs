//! Grants whose refresh tokens somebody found.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    db::schema::grants,
    types::{ClientId, Fault, GrantId, UserId},
};

/// Holds several in one order until the transaction ends.
pub(in crate::oauth) async fn hold_all(
    connection: &mut AsyncPgConnection,
    ids: &[GrantId],
) -> Result<(), Fault> {
    let _held: Vec<Uuid> = grants::table
        .filter(grants::id.eq_any(ids.iter().map(|id| id.uuid())))
        .order(grants::id)
        .select(grants::id)
        .for_no_key_update()
        .load(connection)
        .await?;
    Ok(())
}

/// The client and the person of each of these grants; those that are gone are not named.
pub(in crate::oauth) async fn parties(
    connection: &mut AsyncPgConnection,
    ids: &[GrantId],
) -> Result<HashMap<GrantId, (ClientId, UserId)>, Fault> {
    let rows: Vec<(Uuid, Uuid, Uuid)> = grants::table
        .filter(grants::id.eq_any(ids.iter().map(|id| id.uuid())))
        .select((grants::id, grants::client_id, grants::user_id))
        .load(connection)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, client, user)| {
            let parties = (ClientId::from_uuid(client), UserId::from_uuid(user));
            (GrantId::from_uuid(id), parties)
        })
        .collect())
}
