use std::pin::pin;

use diesel::{
    ExpressionMethods as _, QueryDsl as _, QueryableByName,
    sql_types::{Array, BigInt, Jsonb, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection as _};
use futures_util::StreamExt as _;
use time::OffsetDateTime;
use uuid::Uuid;

use super::model::{AllowanceId, Kind};
use crate::{db::schema::nodes, types::Fault};

/// A row as it is.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) version: i64,
    pub(super) state: serde_json::Value,
}

/// What a row shall become, if it is still what was seen.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) id: AllowanceId,
    /// The version that was seen; 0 is none.
    pub(super) seen: i64,
    pub(super) state: String,
    pub(super) at: OffsetDateTime,
    /// What nodes are told with it, if it is not empty.
    pub(super) news: String,
}

/// What nodes tell each other of an allowance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// These nodes shall give back what they hold.
    Recall(AllowanceId, Vec<Uuid>),
    /// A node has given back.
    Given(AllowanceId),
}

impl News {
    pub(super) fn write(&self) -> String {
        let id = |id: &AllowanceId| format!("{} {} {}", id.subject, id.kind.name(), id.began);
        match self {
            Self::Given(allowance) => format!("given {}", id(allowance)),
            Self::Recall(allowance, nodes) => nodes
                .iter()
                .fold(format!("recall {}", id(allowance)), |text, node| {
                    format!("{text} {node}")
                }),
        }
    }

    /// None for what another version says.
    fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let what = words.next()?;
        let id = AllowanceId {
            subject: words.next()?.parse().ok()?,
            kind: Kind::from_name(words.next()?)?,
            began: words.next()?.parse().ok()?,
        };
        // What is no time must not come into a statement that others share.
        began(&id).ok()?;
        match what {
            "given" => Some(Self::Given(id)),
            "recall" => Some(Self::Recall(
                id,
                words.map(str::parse).collect::<Result<_, _>>().ok()?,
            )),
            _ => None,
        }
    }
}

fn began(id: &AllowanceId) -> Result<OffsetDateTime, Fault> {
    OffsetDateTime::from_unix_timestamp(id.began).map_err(Fault::internal)
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = BigInt)]
    place: i64,
    #[diesel(sql_type = BigInt)]
    version: i64,
    #[diesel(sql_type = Jsonb)]
    state: serde_json::Value,
}

#[derive(QueryableByName)]
struct Done {
    #[diesel(sql_type = BigInt)]
    place: i64,
}

/// The rows of these, in their order. LATERAL, since a join is planned for ten rows, by reading the whole table while that
/// is small, and the plan stays when it has grown.
pub(super) async fn read(
    connection: &mut AsyncPgConnection,
    ids: &[AllowanceId],
) -> Result<Vec<Option<Stored>>, Fault> {
    let found: Vec<Found> = diesel::sql_query(
        "SELECT place, version, state
         FROM unnest($1, $2, $3) WITH ORDINALITY AS asked (subject_id, span, began_at, place)
         CROSS JOIN LATERAL (
             SELECT version, state FROM allowances one
             WHERE one.subject_id = asked.subject_id AND one.span = asked.span AND one.began_at = asked.began_at
             LIMIT 1
         ) found",
    )
    .bind::<Array<SqlUuid>, _>(ids.iter().map(|id| id.subject).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(ids.iter().map(|id| id.kind.name()).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(ids.iter().map(began).collect::<Result<Vec<_>, _>>()?)
    .load(connection)
    .await?;
    let mut rows = vec![None; ids.len()];
    for Found {
        place,
        version,
        state,
    } in found
    {
        if let Some(slot) = index_of(place).and_then(|index| rows.get_mut(index)) {
            *slot = Some(Stored { version, state });
        }
    }
    Ok(rows)
}

/// The database counts from 1.
fn index_of(place: i64) -> Option<usize> {
    usize::try_from(place).ok()?.checked_sub(1)
}

/// Carries out those changes whose rows are still what was seen, and tells the nodes their news; says which. Rows are
/// taken in one order on all nodes, so that no two wait for each other.
pub(super) async fn replace(
    connection: &mut AsyncPgConnection,
    changes: &[Change],
) -> Result<Vec<bool>, Fault> {
    let ids = changes.iter().map(|change| &change.id);
    let done: Vec<Done> = diesel::sql_query(
        "WITH asked AS (
             SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7) WITH ORDINALITY
             AS asked (subject_id, span, began_at, seen, state, at, news, place)
         ),
         changed AS (
             INSERT INTO allowances (subject_id, span, began_at, version, state, changed_at)
             SELECT subject_id, span, began_at, seen + 1, state::jsonb, at FROM asked
             ORDER BY subject_id, span, began_at
             ON CONFLICT (subject_id, span, began_at) DO UPDATE SET
                 version = excluded.version, state = excluded.state, changed_at = excluded.changed_at
             WHERE allowances.version = excluded.version - 1
             RETURNING subject_id, span, began_at
         )
         SELECT place, CASE WHEN news <> '' THEN pg_notify('claviger_allowances', news)::text END
         FROM changed JOIN asked USING (subject_id, span, began_at)",
    )
    .bind::<Array<SqlUuid>, _>(ids.clone().map(|id| id.subject).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(ids.clone().map(|id| id.kind.name()).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(ids.map(began).collect::<Result<Vec<_>, _>>()?)
    .bind::<Array<BigInt>, _>(changes.iter().map(|change| change.seen).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(changes.iter().map(|change| &*change.state).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(changes.iter().map(|change| change.at).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(changes.iter().map(|change| &*change.news).collect::<Vec<_>>())
    .load(connection)
    .await?;
    let mut is_done = vec![false; changes.len()];
    for Done { place } in done {
        if let Some(slot) = index_of(place).and_then(|index| is_done.get_mut(index)) {
            *slot = true;
        }
    }
    Ok(is_done)
}

/// Those of `asked` that are alive: whose lease on the revocation log is fresh.
pub(super) async fn alive(connection: &mut AsyncPgConnection, asked: &[Uuid]) -> Result<Vec<Uuid>, Fault> {
    Ok(nodes::table
        .filter(nodes::id.eq_any(asked))
        .filter(nodes::lease_until.gt(diesel::dsl::sql::<Timestamptz>("clock_timestamp()")))
        .select(nodes::id)
        .load(connection)
        .await?)
}

pub(super) async fn tell(connection: &mut AsyncPgConnection, news: &News) -> Result<(), Fault> {
    diesel::sql_query("SELECT pg_notify('claviger_allowances', $1)")
        .bind::<Text, _>(news.write())
        .execute(connection)
        .await?;
    Ok(())
}

/// Makes `connection` hear of recalls, and of what was given back.
pub(super) async fn listen(connection: &mut AsyncPgConnection) -> Result<(), Fault> {
    Ok(connection.batch_execute("LISTEN claviger_allowances").await?)
}

/// Waits for the next news. May be cancelled without losing any.
pub(super) async fn next_news(connection: &mut AsyncPgConnection) -> Result<News, Fault> {
    let mut notifications = pin!(connection.notifications_stream());
    loop {
        let notification = notifications
            .next()
            .await
            .ok_or_else(|| Fault::unavailable("the connection that listens was closed"))??;
        if let Some(news) = News::read(&notification.payload) {
            return Ok(news);
        }
    }
}

/// Removes up to `most` rows of windows that are long over, and of seconds in which nothing came for an hour. What is
/// long over is so by both clocks, ours and the database's: neither can open a limit by leaping forward and back. A second
/// that a live node has in its memory stays, however long that has not written it.
pub(super) async fn remove_over(
    connection: &mut AsyncPgConnection,
    now: OffsetDateTime,
    most: u32,
) -> Result<u64, Fault> {
    let removed = diesel::sql_query(
        "DELETE FROM allowances a USING (
             SELECT subject_id, span, began_at FROM allowances, least($1, clock_timestamp()) AS now
             WHERE began_at < now - interval '4 hours' AND (
                 span = 'hour'
                 OR (span = 'month' AND began_at < now - interval '34 days')
                 OR (span = 'second' AND changed_at < now - interval '1 hour' AND NOT EXISTS (
                     SELECT FROM nodes
                     WHERE nodes.id = (state #>> '{claim,holder,node}')::uuid AND lease_until > clock_timestamp()
                 )))
             LIMIT $2 FOR UPDATE OF allowances SKIP LOCKED
         ) over
         WHERE a.subject_id = over.subject_id AND a.span = over.span AND a.began_at = over.began_at",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(i64::from(most))
    .execute(connection)
    .await?;
    u64::try_from(removed).map_err(Fault::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_read_back_and_what_is_none_is_not_read() {
        let id = AllowanceId {
            subject: Uuid::from_u128(7),
            kind: Kind::Hour,
            began: 3_600,
        };
        let nodes = vec![Uuid::from_u128(1), Uuid::from_u128(2)];
        for news in [News::Given(id), News::Recall(id, nodes), News::Recall(id, vec![])] {
            assert_eq!(News::read(&news.write()), Some(news));
        }
        let no_time = format!("recall {} hour {}", id.subject, i64::MAX);
        for other in ["", "given", "given x hour 0", "lend 0 hour 0", &no_time] {
            assert_eq!(News::read(other), None);
        }
    }
}
