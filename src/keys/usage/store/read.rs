use diesel::{
    QueryableByName,
    pg::Pg,
    query_builder::{BoxedSqlQuery, SqlQuery},
    sql_types::{self, BigInt, Nullable, Text, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::{
    model::{Count, Outcome},
    report::{Asked, Of, Resolution, Window},
};
use crate::types::{ApiKeyId, AppId, Fault};

/// What is counted by `resolution`, with what has not been rolled up to there yet: rows of `at`, `app_id`, `key_id`, `scope`,
/// `outcome`, `requests`, `cost`. `$1` says whose, `$2` and `$3` are the first and the end of the time, `$4` and `$5` the one
/// scope and the one outcome, or null.
fn counted(of: Of, resolution: Resolution) -> String {
    let whose = match of {
        // By key: those of apps that are gone belong to the account as long as their tombstones.
        Of::Account(_) => "key_id IN (SELECT id FROM api_keys WHERE account_id = $1)",
        Of::App(_) => "app_id = $1",
        Of::Key(_) => "key_id = $1",
    };
    let there = format!(
        "{whose} AND at >= $2 AND at < $3 AND ($4::text IS NULL OR scope = $4) AND ($5::text IS NULL OR outcome = $5)"
    );
    let rolled = |table: &str| {
        format!("SELECT at, app_id, key_id, scope, outcome, requests, cost FROM {table} WHERE {there}")
    };
    let not_yet = |table: &str, unit: &str| {
        format!(
            "SELECT date_trunc('{unit}', at, 'UTC'), app_id, key_id, scope, outcome,
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

fn query(select: &str, asked: Asked<'_>, window: &Window) -> BoxedSqlQuery<'static, Pg, SqlQuery> {
    let id = match asked.of {
        Of::Account(account) => account.uuid(),
        Of::App(app) => app.uuid(),
        Of::Key(key) => key.uuid(),
    };
    diesel::sql_query(select.replace("{counted}", &counted(asked.of, window.resolution)))
        .into_boxed()
        .bind::<sql_types::Uuid, _>(id)
        .bind::<Timestamptz, _>(window.from)
        .bind::<Timestamptz, _>(window.to)
        .bind::<Nullable<Text>, _>(asked.scope.map(str::to_owned))
        .bind::<Nullable<Text>, _>(asked.outcome.map(Outcome::name))
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
    asked: Asked<'_>,
    window: &Window,
) -> Result<Vec<(OffsetDateTime, Outcome, Count)>, Fault> {
    let rows: Vec<InTime> = query(
        "SELECT at, outcome, sum(requests)::bigint AS requests, sum(cost)::bigint AS cost
         FROM {counted} GROUP BY at, outcome ORDER BY at, outcome",
        asked,
        window,
    )
    .load(connection)
    .await?;
    rows.into_iter()
        .map(|row| Ok((row.at, outcome(&row.outcome)?, count(row.requests, row.cost))))
        .collect()
}

#[derive(QueryableByName)]
struct Shared {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    requests: i64,
    #[diesel(sql_type = BigInt)]
    cost: i64,
    #[diesel(sql_type = BigInt)]
    accepted: i64,
}

/// By what is counted apart.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum By {
    App,
    Key,
    Scope,
}

/// The `most` apps, keys or scopes that were asked of or for most, with how many requests of each were accepted.
pub(in super::super) async fn shares(
    connection: &mut AsyncPgConnection,
    by: By,
    asked: Asked<'_>,
    window: &Window,
    most: i64,
) -> Result<Vec<(String, Count, u64)>, Fault> {
    let column = match by {
        By::App => "app_id",
        By::Key => "key_id",
        By::Scope => "scope",
    };
    let select = format!(
        "SELECT {column}::text AS name, sum(requests)::bigint AS requests, sum(cost)::bigint AS cost,
             coalesce(sum(requests) FILTER (WHERE outcome = 'valid'), 0)::bigint AS accepted
         FROM {{counted}} GROUP BY {column} ORDER BY requests DESC, {column} LIMIT $6"
    );
    let rows: Vec<Shared> = query(&select, asked, window)
        .bind::<BigInt, _>(most)
        .load(connection)
        .await?;
    let shares = rows.into_iter().map(|row| {
        let count = count(row.requests, row.cost);
        (row.name, count, row.accepted.unsigned_abs())
    });
    Ok(shares.collect())
}

#[derive(QueryableByName)]
struct Detailed {
    #[diesel(sql_type = Timestamptz)]
    at: OffsetDateTime,
    #[diesel(sql_type = sql_types::Uuid)]
    app_id: Uuid,
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
    pub app: AppId,
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
    asked: Asked<'_>,
    window: &Window,
    most: i64,
) -> Result<Vec<Line>, Fault> {
    let rows: Vec<Detailed> = query(
        "SELECT at, app_id, key_id, scope, outcome, sum(requests)::bigint AS requests, sum(cost)::bigint AS cost
         FROM {counted} GROUP BY at, app_id, key_id, scope, outcome
         ORDER BY at, key_id, scope, outcome LIMIT $6",
        asked,
        window,
    )
    .bind::<BigInt, _>(most)
    .load(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Line {
                at: row.at,
                app: AppId::from_uuid(row.app_id),
                key: ApiKeyId::from_uuid(row.key_id),
                scope: row.scope,
                outcome: outcome(&row.outcome)?,
                count: count(row.requests, row.cost),
            })
        })
        .collect()
}
