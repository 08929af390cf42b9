use std::collections::HashSet;

use diesel::{
    QueryableByName,
    dsl::exists,
    prelude::*,
    sql_types::{self, Array, Binary, Nullable, Text, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    audit::Action,
    db::schema::api_keys,
    types::{ApiKeyId, Fault},
};

/// The last use of a key.
pub(in super::super) struct LastUse {
    pub(in super::super) key: ApiKeyId,
    pub(in super::super) at: OffsetDateTime,
    /// From where it came, if that is known.
    pub(in super::super) sealed: Option<Vec<u8>>,
}

/// Writes those that are newer than what is there. Where nothing is known of the origin, the last one that was known stays.
pub(in super::super) async fn write(
    connection: &mut AsyncPgConnection,
    uses: &[LastUse],
) -> Result<(), Fault> {
    if uses.is_empty() {
        return Ok(());
    }
    diesel::sql_query(
        "UPDATE api_keys SET last_used_at = used.at, last_used_sealed = coalesce(used.sealed, last_used_sealed)
         FROM unnest($1, $2, $3) AS used (id, at, sealed)
         WHERE api_keys.id = used.id AND (last_used_at IS NULL OR last_used_at < used.at)",
    )
    .bind::<Array<sql_types::Uuid>, _>(uses.iter().map(|one| one.key.uuid()).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(uses.iter().map(|one| one.at).collect::<Vec<_>>())
    .bind::<Array<Nullable<Binary>>, _>(uses.iter().map(|one| one.sealed.as_deref()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct Noted {
    #[diesel(sql_type = sql_types::Uuid)]
    key_id: Uuid,
    #[diesel(sql_type = Text)]
    action: String,
}

/// Of which of these a record may be left: one a minute, key and action, of all nodes together. No two of them have both
/// in common.
pub(in super::super) async fn may_note(
    connection: &mut AsyncPgConnection,
    asked: &[(ApiKeyId, Action, OffsetDateTime)],
) -> Result<HashSet<(ApiKeyId, Action)>, Fault> {
    if asked.is_empty() {
        return Ok(HashSet::new());
    }
    let noted: Vec<Noted> = diesel::sql_query(
        "INSERT INTO key_notices (key_id, action, at) SELECT * FROM unnest($1, $2, $3)
         ON CONFLICT (key_id, action) DO UPDATE SET at = excluded.at
         WHERE key_notices.at <= excluded.at - interval '1 minute' RETURNING key_id, action",
    )
    .bind::<Array<sql_types::Uuid>, _>(asked.iter().map(|(key, ..)| key.uuid()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(
        asked
            .iter()
            .map(|(_, action, _)| action.name())
            .collect::<Vec<_>>(),
    )
    .bind::<Array<Timestamptz>, _>(asked.iter().map(|(.., at)| *at).collect::<Vec<_>>())
    .load(connection)
    .await?;
    let noted: HashSet<_> = noted
        .iter()
        .map(|noted| (noted.key_id, noted.action.as_str()))
        .collect();
    Ok(asked
        .iter()
        .filter(|(key, action, _)| noted.contains(&(key.uuid(), action.name())))
        .map(|(key, action, _)| (*key, *action))
        .collect())
}

pub(in super::super) async fn was_used(
    connection: &mut AsyncPgConnection,
    key: ApiKeyId,
    since: OffsetDateTime,
) -> Result<bool, Fault> {
    let since_then = api_keys::table
        .find(key.uuid())
        .filter(api_keys::last_used_at.ge(since).assume_not_null());
    Ok(diesel::select(exists(since_then)).get_result(connection).await?)
}

/// Keys after the one `after`, by id, whose last use is sealed under another key than the `current` one.
pub(in super::super) async fn sealed_with_older_keys(
    connection: &mut AsyncPgConnection,
    current: [u8; 4],
    after: Option<ApiKeyId>,
    batch: i64,
) -> Result<Vec<(ApiKeyId, Vec<u8>)>, Fault> {
    let rows: Vec<(Uuid, Option<Vec<u8>>)> = api_keys::table
        .filter(api_keys::id.gt(after.map_or_else(Uuid::nil, ApiKeyId::uuid)))
        .filter(
            diesel::dsl::sql::<sql_types::Bool>("substring(last_used_sealed from 1 for 4) <> ")
                .bind::<Binary, _>(current.to_vec()),
        )
        .order(api_keys::id)
        .select((api_keys::id, api_keys::last_used_sealed))
        .limit(batch)
        .load(connection)
        .await?;
    Ok(rows
        .into_iter()
        .filter_map(|(id, sealed)| Some((ApiKeyId::from_uuid(id), sealed?)))
        .collect())
}

/// Puts `anew` in the place of `sealed`, unless a use has come in between.
pub(in super::super) async fn replace(
    connection: &mut AsyncPgConnection,
    key: ApiKeyId,
    sealed: &[u8],
    anew: &[u8],
) -> Result<usize, Fault> {
    Ok(diesel::update(
        api_keys::table
            .find(key.uuid())
            .filter(api_keys::last_used_sealed.eq(sealed)),
    )
    .set(api_keys::last_used_sealed.eq(anew))
    .execute(connection)
    .await?)
}
