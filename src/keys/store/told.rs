//! What apps have been told of their keys, so that they are told once.

use std::collections::HashSet;

use diesel::{
    prelude::*,
    sql_types::{Array, BigInt, Integer, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::types::{ApiKeyId, Fault};

#[derive(QueryableByName)]
struct Reminder {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Integer)]
    days: i32,
}

/// Takes up to `batch` reminders that are due: of each key the last that is, with how many days it is ahead; 0 is the end.
pub(in crate::keys) async fn take_reminders(
    connection: &mut AsyncPgConnection,
    now: OffsetDateTime,
    batch: i64,
) -> Result<Vec<(ApiKeyId, i32)>, Fault> {
    let due: Vec<Reminder> = diesel::sql_query(
        "WITH due AS (
             SELECT id, days FROM api_keys CROSS JOIN LATERAL (SELECT CASE
                 WHEN expires_at <= $1 THEN 0
                 WHEN expires_at <= $1 + interval '24 hours' THEN 1
                 WHEN expires_at <= $1 + interval '72 hours' THEN 3
                 ELSE 14
             END AS days) AS next
             WHERE revoked_at IS NULL AND reminded_days IS DISTINCT FROM 0
                 AND expires_at <= $1 + interval '336 hours' AND (reminded_days IS NULL OR reminded_days > days)
             ORDER BY expires_at, id LIMIT $2 FOR UPDATE OF api_keys SKIP LOCKED
         )
         UPDATE api_keys SET reminded_days = days FROM due WHERE api_keys.id = due.id
         RETURNING api_keys.id, days",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(batch)
    .load(connection)
    .await?;
    Ok(due
        .into_iter()
        .map(|Reminder { id, days }| (ApiKeyId::from_uuid(id), days))
        .collect())
}

#[derive(QueryableByName)]
struct First {
    #[diesel(sql_type = SqlUuid)]
    key_id: Uuid,
    #[diesel(sql_type = Text)]
    span: String,
}

/// Enters limits that were reached, by key, span and when its period began; returns those that nobody had entered before.
pub(in crate::keys) async fn enter_reached(
    connection: &mut AsyncPgConnection,
    reached: &[(ApiKeyId, &str, OffsetDateTime)],
) -> Result<HashSet<(ApiKeyId, String)>, Fault> {
    let keys: Vec<_> = reached.iter().map(|(key, ..)| key.uuid()).collect();
    let spans: Vec<_> = reached.iter().map(|(_, span, _)| *span).collect();
    let periods: Vec<_> = reached.iter().map(|(.., began)| *began).collect();
    let first: Vec<First> = diesel::sql_query(
        "INSERT INTO key_limits_reached (key_id, span, began_at) SELECT * FROM unnest($1, $2, $3)
         ON CONFLICT (key_id, span) DO UPDATE SET began_at = excluded.began_at
         WHERE key_limits_reached.began_at < excluded.began_at RETURNING key_id, span",
    )
    .bind::<Array<SqlUuid>, _>(keys)
    .bind::<Array<Text>, _>(spans)
    .bind::<Array<Timestamptz>, _>(periods)
    .load(connection)
    .await?;
    Ok(first
        .into_iter()
        .map(|First { key_id, span }| (ApiKeyId::from_uuid(key_id), span))
        .collect())
}

/// Forgets up to `batch` limits that were reached in a period which began before `before`.
pub(in crate::keys) async fn forget_reached(
    connection: &mut AsyncPgConnection,
    before: OffsetDateTime,
    batch: i64,
) -> Result<usize, Fault> {
    Ok(diesel::sql_query(
        "DELETE FROM key_limits_reached WHERE ctid IN
             (SELECT ctid FROM key_limits_reached WHERE began_at < $1 LIMIT $2)",
    )
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(batch)
    .execute(connection)
    .await?)
}
