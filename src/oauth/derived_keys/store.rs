use std::collections::HashMap;

use diesel::{
    QueryableByName,
    sql_types::{BigInt, Integer, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;

use crate::{crypto::KeyId, types::Fault};

#[derive(QueryableByName)]
struct Hanging {
    #[diesel(sql_type = Integer)]
    key_id: i32,
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

/// How many live rows each key made, digested or sealed. What is sealed begins with the key's id. Former values of API keys
/// count for 90 days: without their pepper, one that leaks is not known any more.
pub(super) async fn hanging(
    connection: &mut AsyncPgConnection,
    now: OffsetDateTime,
) -> Result<HashMap<KeyId, i64>, Fault> {
    let rows: Vec<Hanging> = diesel::sql_query(
        "WITH uses (key_id) AS (
             SELECT refresh_key_id FROM grants
             WHERE refresh_key_id IS NOT NULL AND revoked_at IS NULL AND expires_at > $1
             UNION ALL SELECT key_id FROM client_secrets
             WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)
             UNION ALL SELECT pepper_id FROM api_keys
             WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)
             UNION ALL SELECT pepper_id FROM regenerated_values WHERE ended_at > $1 - interval '90 days'
             UNION ALL SELECT ('x' || encode(substring(sealed FROM 1 FOR 4), 'hex'))::bit(32)::integer FROM (
                 SELECT context_sealed FROM grants
                 UNION ALL SELECT context_sealed FROM sessions
                 UNION ALL SELECT private_sealed FROM signing_keys
                 UNION ALL SELECT last_used_sealed FROM api_keys WHERE last_used_sealed IS NOT NULL
                 UNION ALL SELECT sealed FROM webhook_secrets
             ) AS all_sealed (sealed)
         )
         SELECT key_id, count(*) AS rows FROM uses GROUP BY key_id",
    )
    .bind::<Timestamptz, _>(now)
    .load(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (KeyId(row.key_id), row.rows))
        .collect())
}

/// Ends up to `batch` grants whose refresh token was made with a key that has been retired: their apps must be
/// connected anew, and should not be shown as if they were.
pub(super) async fn end_orphans(
    connection: &mut AsyncPgConnection,
    now: OffsetDateTime,
    batch: i64,
) -> Result<usize, Fault> {
    Ok(diesel::sql_query(
        "UPDATE grants SET expires_at = $1 WHERE id IN (
             SELECT id FROM grants
             WHERE revoked_at IS NULL AND expires_at > $1 AND refresh_key_id IN (
                 SELECT id FROM derived_keys WHERE purpose = 'refresh-token' AND retired_at <= $1
             ) LIMIT $2
         ) AND refresh_key_id IN (
             SELECT id FROM derived_keys WHERE purpose = 'refresh-token' AND retired_at <= $1
         )",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(batch)
    .execute(connection)
    .await?)
}
