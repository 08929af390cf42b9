use diesel::{
    QueryableByName,
    sql_types::{BigInt, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;

use crate::types::Fault;

/// From which table to which.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Step {
    MinutesToHours,
    HoursToDays,
}

#[derive(QueryableByName)]
struct Carried {
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

/// Carries what up to `batch` rows before `before` hold beyond what was rolled up already, in one statement: it is added above
/// and marked below, or neither. A row that is being counted on is left for the next time. Returns how many there were.
pub(in super::super) async fn roll(
    connection: &mut AsyncPgConnection,
    step: Step,
    before: OffsetDateTime,
    batch: i64,
) -> Result<i64, Fault> {
    let (from, to, unit, more, none, due) = match step {
        Step::MinutesToHours => (
            "usage_minutes",
            "usage_hours",
            "hour",
            ", rolled_requests, rolled_cost, due",
            ", 0, 0, true",
            ", due = true",
        ),
        Step::HoursToDays => ("usage_hours", "usage_days", "day", "", "", ""),
    };
    // The key of a row names its app; of several that one key was counted for, which cannot be, it takes any.
    let carried: Carried = diesel::sql_query(format!(
        "WITH waiting AS (
             SELECT key_id, app_id, at, scope, outcome,
                 requests - rolled_requests AS requests, cost - rolled_cost AS cost
             FROM {from} WHERE due AND at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED
         ), marked AS (
             UPDATE {from} AS own SET
                 rolled_requests = own.rolled_requests + waiting.requests,
                 rolled_cost = own.rolled_cost + waiting.cost,
                 due = (own.requests <> own.rolled_requests + waiting.requests)
             FROM waiting
             WHERE (own.key_id, own.at, own.scope, own.outcome)
                 = (waiting.key_id, waiting.at, waiting.scope, waiting.outcome)
             RETURNING waiting.*
         ), added AS (
             INSERT INTO {to} (key_id, app_id, at, scope, outcome, requests, cost{more})
             SELECT key_id, (array_agg(app_id))[1], date_trunc('{unit}', at, 'UTC') AS unit, scope, outcome,
                 sum(requests), sum(cost){none}
             FROM marked GROUP BY key_id, unit, scope, outcome ORDER BY key_id, unit, scope, outcome
             ON CONFLICT (key_id, at, scope, outcome) DO UPDATE SET
                 requests = {to}.requests + excluded.requests, cost = {to}.cost + excluded.cost{due}
         )
         SELECT count(*) AS rows FROM marked"
    ))
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(batch)
    .get_result(connection)
    .await?;
    Ok(carried.rows)
}

/// What goes when it is old.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Old {
    Minutes,
    Hours,
    Days,
    Requests,
    /// The numbers of batches of servers that are gone.
    Writers,
    Notices,
}

/// Removes up to `batch` rows from before `before`; counts stay until they are rolled up.
pub(in super::super) async fn delete_old(
    connection: &mut AsyncPgConnection,
    old: Old,
    before: OffsetDateTime,
    batch: i64,
) -> Result<usize, Fault> {
    let (table, and) = match old {
        Old::Minutes => ("usage_minutes", "AND NOT due"),
        Old::Hours => ("usage_hours", "AND NOT due"),
        Old::Days => ("usage_days", ""),
        Old::Requests => ("key_requests", ""),
        Old::Writers => ("usage_writers", ""),
        Old::Notices => ("key_notices", ""),
    };
    // Again, for a late count may come to a row after it was chosen.
    Ok(diesel::sql_query(format!(
        "DELETE FROM {table} WHERE ctid = ANY (ARRAY (
             SELECT ctid FROM {table} WHERE at < $1 {and} LIMIT $2 FOR UPDATE SKIP LOCKED
         )) AND at < $1 {and}"
    ))
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(batch)
    .execute(connection)
    .await?)
}
