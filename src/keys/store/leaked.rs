//! Keys by values that somebody found.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    db::schema::{api_keys, regenerated_values},
    keys::ValueOf,
    types::{ApiKeyId, AppId, Fault},
};

/// Keys by the digests of the values that they have, or had before they were regenerated.
pub(in crate::keys) async fn by_values(
    connection: &mut AsyncPgConnection,
    tags: Vec<&[u8]>,
) -> Result<HashMap<Vec<u8>, ValueOf>, Fault> {
    let now = api_keys::table
        .filter(api_keys::mac.eq_any(tags.clone()))
        .select((api_keys::mac, api_keys::id, api_keys::app_id));
    let before = regenerated_values::table
        .inner_join(api_keys::table)
        .filter(regenerated_values::mac.eq_any(tags))
        .select((regenerated_values::mac, api_keys::id, api_keys::app_id));
    let rows: Vec<(Vec<u8>, Uuid, Option<Uuid>)> = now.union_all(before).load(connection).await?;
    Ok(rows
        .into_iter()
        .map(|(tag, key, app)| {
            let of = ValueOf {
                key: ApiKeyId::from_uuid(key),
                app: app.map(AppId::from_uuid),
            };
            (tag, of)
        })
        .collect())
}
