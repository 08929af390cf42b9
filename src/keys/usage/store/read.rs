use diesel::{
    QueryableByName,
    pg::Pg,
    query_builder::{BoxedSqlQuery, SqlQuery},
    sql_types::{self, BigInt, Text, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::{
    model::{Count, Outcome},
    report::{Of, Resolution, Window},
};
use crate::types::{ApiKeyId, Fault};

/// What is counted by `resolution`, with what has not been rolled up to there yet: rows of `at`, `key_id`, `scope`,
/// `outcome`, `requests`, `cost`. `$1` is the app or the key, `$2` and `$3` are the first and the end of the time.
fn counted(of: Of, resolution: Resolution) -> String {
    let whose = match of {
        Of::App(_) => "app_id",
        Of::Key(_) => "key_id",
    };
    let there = format!("{whose} = $1 AND at >= $2 AND at < $3");
    let rolled =
        |table: &str| format!("SELECT at, key_id, scope, outcome, requests, cost FROM {table} WHERE {there}");
    let not_yet = |table: &str, unit: &str| {
        format!(
            "SELECT date_trunc('{unit}', at, 'UTC'), key_id, scope, outcome,
                 requests - rolled_requests, cost - rolled_cost
             FROM {table} WHERE due AND {there}"
        )
    };
    let parts = match resolution {
        Resolution::Minute => vec![rolled("usage_minutes")],
        Resolution::Hour => vec![rolled("usage_hours"), not_yet("usage_minutes", "hour")],
        Resolution::Day => vec![
            rolled("usage_days"),
            not_yet("usage_hours", "day"),
            not_yet("usage_minutes", "day"),
        ],
    };
    format!("({}) AS counted", parts.join(" UNION ALL "))
}

fn query(select: &str, of: Of, window: &Window) -> BoxedSqlQuery<'static, Pg, SqlQuery> {
    let id = match of {
        Of::App(app) => app.uuid(),
        Of::Key(key) => key.uuid(),
    };
    diesel::sql_query(select.replace("{counted}", &counted(of, window.resolution)))
        .into_boxed()
        .bind::<sql_types::Uuid, _>(id)
        .bind::<Timestamptz, _>(window.from)
        .bind::<Timestamptz, _>(window.to)
}

fn count(requests: i64, cost: i64) -> Count {
    Count {
        requests: requests.unsigned_abs(),
        cost: cost.unsigned_abs(),
    }
}

fn outcome(name: &str) -> Result<Outcome, Fault> {
    Outcome::named(name).ok_or_else(|| Fault::inconsistent("usage", "outcome", name))
}

#[derive(QueryableByName)]
struct InTime {
    #[diesel(sql_type = Timestamptz)]
    at: OffsetDateTime,
    #[diesel(sql_type = Text)]
    outcome: String,
    #[diesel(sql_type = BigInt)]
    requests: i64,
    #[diesel(sql_type = BigInt)]
    cost: i64,
}

/// By time and outcome, in order.
pub(in super::super) async fn in_time(
    connection: &mut AsyncPgConnection,
    of: Of,
    window: &Window,
) -> Result<Vec<(OffsetDateTime, Outcome, Count)>, Fault> {
    let rows: Vec<InTime> = query(
        "SELECT at, outcome, sum(requests)::bigint AS requests, sum(cost)::bigint AS cost
         FROM {counted} GROUP BY at, outcome ORDER BY at, outcome",
        of,
        window,
    )
    .load(connection)
    .await?;
    rows.into_iter()
        .map(|row| Ok((row.at, outcome(&row.outcome)?, count(row.requests, row.cost))))
        .collect()
}

#[derive(QueryableByName)]
struct OfScope {
    #[diesel(sql_type = Text)]
    scope: String,
    #[diesel(sql_type = BigInt)]
    requests: i64,
    #[diesel(sql_type = BigInt)]
    cost: i64,
    #[diesel(sql_type = BigInt)]
    accepted: i64,
}

/// The `most` scopes that were asked for most, with how many requests of each were accepted.
pub(in super::super) async fn by_scope(
    connection: &mut AsyncPgConnection,
    of: Of,
    window: &Window,
    most: i64,
) -> Result<Vec<(String, Count, u64)>, Fault> {
    let rows: Vec<OfScope> = query(
        "SELECT scope, sum(requests)::bigint AS requests, sum(cost)::bigint AS cost,
             coalesce(sum(requests) FILTER (WHERE outcome = 'valid'), 0)::bigint AS accepted
         FROM {counted} GROUP BY scope ORDER BY requests DESC, scope LIMIT $4",
        of,
        window,
    )
    .bind::<BigInt, _>(most)
    .load(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            (
                row.scope,
                count(row.requests, row.cost),
                row.accepted.unsigned_abs(),
            )
        })
        .collect())
}

#[derive(QueryableByName)]
struct OfKey {
    #[diesel(sql_type = sql_types::Uuid)]
    key_id: Uuid,
    #[diesel(sql_type = BigInt)]
    requests: i64,
    #[diesel(sql_type = BigInt)]
    cost: i64,
    #[diesel(sql_type = BigInt)]
    accepted: i64,
}

/// By key, the busiest first, with how many requests of each were accepted.
pub(in super::super) async fn by_key(
    connection: &mut AsyncPgConnection,
    of: Of,
    window: &Window,
) -> Result<Vec<(ApiKeyId, Count, u64)>, Fault> {
    let rows: Vec<OfKey> = query(
        "SELECT key_id, sum(requests)::bigint AS requests, sum(cost)::bigint AS cost,
             coalesce(sum(requests) FILTER (WHERE outcome = 'valid'), 0)::bigint AS accepted
         FROM {counted} GROUP BY key_id ORDER BY requests DESC, key_id",
        of,
        window,
    )
    .load(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            (
                ApiKeyId::from_uuid(row.key_id),
                count(row.requests, row.cost),
                row.accepted.unsigned_abs(),
            )
        })
        .collect())
}

#[derive(QueryableByName)]
struct Detailed {
    #[diesel(sql_type = Timestamptz)]
    at: OffsetDateTime,
    #[diesel(sql_type = sql_types::Uuid)]
    key_id: Uuid,
    #[diesel(sql_type = Text)]
    scope: String,
    #[diesel(sql_type = Text)]
    outcome: String,
    #[diesel(sql_type = BigInt)]
    requests: i64,
    #[diesel(sql_type = BigInt)]
    cost: i64,
}

/// One count with all that it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub at: OffsetDateTime,
    pub key: ApiKeyId,
    pub scope: String,
    pub outcome: Outcome,
    pub count: Count,
}

/// Up to `most` lines of what was counted, oldest first.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn lines(
    connection: &mut AsyncPgConnection,
    of: Of,
    window: &Window,
    most: i64,
) -> Result<Vec<Line>, Fault> {
    let rows: Vec<Detailed> = query(
        "SELECT at, key_id, scope, outcome, sum(requests)::bigint AS requests, sum(cost)::bigint AS cost
         FROM {counted} GROUP BY at, key_id, scope, outcome ORDER BY at, key_id, scope, outcome LIMIT $4",
        of,
        window,
    )
    .bind::<BigInt, _>(most)
    .load(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Line {
                at: row.at,
                key: ApiKeyId::from_uuid(row.key_id),
                scope: row.scope,
                outcome: outcome(&row.outcome)?,
                count: count(row.requests, row.cost),
            })
        })
        .collect()
}
