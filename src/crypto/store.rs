use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;

use super::{KeyId, Purpose, keyring::KeyRecord};
use crate::{db::schema::derived_keys, types::Fault};

pub(super) async fn all(connection: &mut AsyncPgConnection) -> Result<Vec<KeyRecord>, Fault> {
    let rows: Vec<(i32, String, i32, String, OffsetDateTime, Option<OffsetDateTime>)> = derived_keys::table
        .order(derived_keys::id)
        .load(connection)
        .await?;
    // A purpose that this build does not know belongs to a newer one beside it.
    Ok(rows
        .into_iter()
        .filter_map(|(id, purpose, version, master_key_id, active_from, retired_at)| {
            Some(KeyRecord {
                id: KeyId(id),
                purpose: Purpose::named(&purpose)?,
                version,
                master_key_id,
                active_from,
                retired_at,
            })
        })
        .collect())
}

/// Adds a version; if another node has added the same one, there is nothing to do.
pub(super) async fn insert(
    connection: &mut AsyncPgConnection,
    purpose: Purpose,
    version: i32,
    master_key_id: &str,
    active_from: OffsetDateTime,
) -> Result<(), Fault> {
    diesel::insert_into(derived_keys::table)
        .values((
            derived_keys::purpose.eq(purpose.name()),
            derived_keys::version.eq(version),
            derived_keys::master_key_id.eq(master_key_id),
            derived_keys::active_from.eq(active_from),
        ))
        .on_conflict_do_nothing()
        .execute(connection)
        .await?;
    Ok(())
}

/// Lets a key end; false if it has an end already.
pub(super) async fn retire(
    connection: &mut AsyncPgConnection,
    id: KeyId,
    at: OffsetDateTime,
) -> Result<bool, Fault> {
    let retired = diesel::update(derived_keys::table.find(id.0))
        .filter(derived_keys::retired_at.is_null())
        .set(derived_keys::retired_at.eq(at))
        .execute(connection)
        .await?;
    Ok(retired == 1)
}
