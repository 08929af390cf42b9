use diesel::{
    QueryableByName,
    sql_types::{self, Array, BigInt, Text, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::memory::Counted;
use crate::types::Fault;

#[derive(QueryableByName)]
struct Taken {
    #[diesel(sql_type = BigInt)]
    #[diesel(column_name = "batch")]
    _batch: i64,
}

/// Takes the number of a batch, unless it was taken. Another transaction that takes the same one is waited for.
pub(in super::super) async fn is_new(
    connection: &mut AsyncPgConnection,
    writer: Uuid,
    number: i64,
    at: OffsetDateTime,
) -> Result<bool, Fault> {
    let taken: Vec<Taken> = diesel::sql_query(
        "INSERT INTO usage_writers (id, batch, at) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET batch = excluded.batch, at = excluded.at
         WHERE usage_writers.batch < excluded.batch RETURNING batch",
    )
    .bind::<sql_types::Uuid, _>(writer)
    .bind::<BigInt, _>(number)
    .bind::<Timestamptz, _>(at)
    .load(connection)
    .await?;
    Ok(!taken.is_empty())
}

/// Adds counts to their minutes.
pub(in super::super) async fn add(
    connection: &mut AsyncPgConnection,
    counted: &[Counted],
) -> Result<(), Fault> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let column = |of: fn(&Counted) -> Uuid| counted.iter().map(of).collect::<Vec<_>>();
    diesel::sql_query(
        "INSERT INTO usage_minutes
             (key_id, app_id, at, scope, outcome, requests, cost, rolled_requests, rolled_cost, due)
         SELECT *, 0, 0, true FROM unnest($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (key_id, at, scope, outcome) DO UPDATE SET
             requests = usage_minutes.requests + excluded.requests,
             cost = usage_minutes.cost + excluded.cost,
             due = true",
    )
    .bind::<Array<sql_types::Uuid>, _>(column(|counted| counted.key.uuid()))
    .bind::<Array<sql_types::Uuid>, _>(column(|counted| counted.app.uuid()))
    .bind::<Array<Timestamptz>, _>(counted.iter().map(|counted| counted.at).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(counted.iter().map(|counted| &*counted.scope).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(
        counted
            .iter()
            .map(|counted| counted.outcome.name())
            .collect::<Vec<_>>(),
    )
    .bind::<Array<BigInt>, _>(
        counted
            .iter()
            .map(|counted| number(counted.count.requests))
            .collect::<Vec<_>>(),
    )
    .bind::<Array<BigInt>, _>(
        counted
            .iter()
            .map(|counted| number(counted.count.cost))
            .collect::<Vec<_>>(),
    )
    .execute(connection)
    .await?;
    Ok(())
}
