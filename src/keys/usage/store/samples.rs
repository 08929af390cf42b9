use diesel::{
    prelude::*,
    sql_types::{self, Array, BigInt},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;

use super::super::{memory::Sample, model::Outcome, requests::PastRequest};
use crate::{
    db::schema::key_requests,
    types::{ApiKeyId, Fault},
};

/// Rows of one statement, which takes at most 65,535 parameters.
const CHUNK: usize = 1_000;

pub(in super::super) async fn insert(
    connection: &mut AsyncPgConnection,
    samples: &[Sample],
) -> Result<(), Fault> {
    for chunk in samples.chunks(CHUNK) {
        let rows: Vec<_> = chunk
            .iter()
            .map(|sample| {
                (
                    key_requests::key_id.eq(sample.key.uuid()),
                    key_requests::at.eq(sample.at),
                    key_requests::route.eq(&sample.route),
                    key_requests::outcome.eq(sample.outcome.name()),
                    key_requests::status.eq(i16::try_from(sample.status).unwrap_or(i16::MAX)),
                    key_requests::address.eq(sample
                        .address
                        .map(|address| address.to_string())
                        .unwrap_or_default()),
                    key_requests::latency_us.eq(sample.latency_us),
                    key_requests::request_id.eq(&sample.request_id),
                )
            })
            .collect();
        diesel::insert_into(key_requests::table)
            .values(rows)
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Removes all but the last `most` requests of each of these keys.
pub(in super::super) async fn trim(
    connection: &mut AsyncPgConnection,
    keys: &[ApiKeyId],
    most: i64,
) -> Result<(), Fault> {
    diesel::sql_query(
        "DELETE FROM key_requests AS old USING unnest($1) AS keys (id), LATERAL (
             SELECT last.id FROM key_requests AS last WHERE last.key_id = keys.id
             ORDER BY last.id DESC OFFSET $2 LIMIT 1
         ) AS gone
         WHERE old.key_id = keys.id AND old.id <= gone.id",
    )
    .bind::<Array<sql_types::Uuid>, _>(keys.iter().map(|key| key.uuid()).collect::<Vec<_>>())
    .bind::<BigInt, _>(most)
    .execute(connection)
    .await?;
    Ok(())
}

/// The last `most` requests of a key before the one `before`, newest first.
pub(in super::super) async fn last(
    connection: &mut AsyncPgConnection,
    key: ApiKeyId,
    before: Option<i64>,
    most: i64,
) -> Result<Vec<PastRequest>, Fault> {
    type Row = (i64, OffsetDateTime, String, String, i16, String, i32, String);
    let rows: Vec<Row> = key_requests::table
        .filter(key_requests::key_id.eq(key.uuid()))
        .filter(key_requests::id.lt(before.unwrap_or(i64::MAX)))
        .order(key_requests::id.desc())
        .limit(most)
        .select((
            key_requests::id,
            key_requests::at,
            key_requests::route,
            key_requests::outcome,
            key_requests::status,
            key_requests::address,
            key_requests::latency_us,
            key_requests::request_id,
        ))
        .load(connection)
        .await?;
    rows.into_iter()
        .map(
            |(number, at, route, outcome, status, address, latency_us, request_id)| {
                Ok(PastRequest {
                    number,
                    at,
                    route,
                    outcome: Outcome::named(&outcome)
                        .ok_or_else(|| Fault::inconsistent("key_requests", "outcome", number))?,
                    status: u16::try_from(status)
                        .map_err(|_cause| Fault::inconsistent("key_requests", "status", number))?,
                    address: Some(address).filter(|address| !address.is_empty()),
                    latency: u64::try_from(latency_us)
                        .map(std::time::Duration::from_micros)
                        .map_err(|_cause| Fault::inconsistent("key_requests", "latency_us", number))?,
                    request_id,
                })
            },
        )
        .collect()
}
