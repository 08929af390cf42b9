use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    db::schema::{default_key_settings, default_keys},
    keys::default_key::DefaultKey,
    types::{ApiKeyId, Fault, UserId},
};

pub(in crate::keys) async fn default_key(
    connection: &mut AsyncPgConnection,
    user: UserId,
) -> Result<Option<DefaultKey>, Fault> {
    let row: Option<(String, String, Option<Uuid>)> = default_keys::table
        .find(user.uuid())
        .select((default_keys::scope, default_keys::family, default_keys::key_id))
        .first(connection)
        .await
        .optional()?;
    Ok(row.map(|(scope, family, key)| DefaultKey {
        scope,
        family,
        key: key.map(ApiKeyId::from_uuid),
    }))
}

/// Puts a key into a slot that is empty; says whether it was.
pub(in crate::keys) async fn take_default_key(
    connection: &mut AsyncPgConnection,
    user: UserId,
    key: ApiKeyId,
) -> Result<bool, Fault> {
    let taken = diesel::update(default_keys::table.find(user.uuid()))
        .filter(default_keys::key_id.is_null())
        .set(default_keys::key_id.eq(key.uuid()))
        .execute(connection)
        .await?;
    Ok(taken == 1)
}

pub(in crate::keys) async fn configure_default_key(
    connection: &mut AsyncPgConnection,
    scope: Option<&str>,
    family: &str,
) -> Result<(), Fault> {
    diesel::update(default_key_settings::table)
        .filter(
            default_key_settings::scope
                .is_distinct_from(scope)
                .or(default_key_settings::family.ne(family)),
        )
        .set((
            default_key_settings::scope.eq(scope),
            default_key_settings::family.eq(family),
        ))
        .execute(connection)
        .await?;
    Ok(())
}
