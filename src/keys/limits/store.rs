use std::pin::pin;

use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _,
    sql_types::{BigInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection as _};
use futures_util::StreamExt as _;
use serde::{Serialize, de::DeserializeOwned};
use time::OffsetDateTime;
use uuid::Uuid;

use super::model::{AllowanceId, Kind};
use crate::{
    db::schema::{allowances, nodes},
    types::Fault,
};

/// A row as it was read or written, with its version; version 0 is none.
#[derive(Clone, Debug)]
pub(super) struct Versioned<R> {
    pub(super) version: i64,
    pub(super) row: R,
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
    fn write(&self) -> String {
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

pub(super) async fn read<R: Default + DeserializeOwned>(
    connection: &mut AsyncPgConnection,
    id: &AllowanceId,
) -> Result<Versioned<R>, Fault> {
    let found: Option<(i64, serde_json::Value)> = allowances::table
        .find((id.subject, id.kind.name(), began(id)?))
        .select((allowances::version, allowances::state))
        .first(connection)
        .await
        .optional()?;
    match found {
        None => Ok(Versioned {
            version: 0,
            row: R::default(),
        }),
        Some((version, state)) => Ok(Versioned {
            version,
            row: serde_json::from_value(state)
                .map_err(|_malformed| Fault::inconsistent("allowances", "state", id.subject))?,
        }),
    }
}

/// Writes what `read` became, if it is still what was read, and tells the nodes `news`. False if it is not.
pub(super) async fn replace<R: Serialize>(
    connection: &mut AsyncPgConnection,
    id: &AllowanceId,
    read: i64,
    row: &R,
    at: OffsetDateTime,
    news: Option<&News>,
) -> Result<bool, Fault> {
    let state = serde_json::to_string(row).map_err(Fault::internal)?;
    let news = news.map(News::write).unwrap_or_default();
    let sql = if read == 0 {
        "WITH changed AS (
             INSERT INTO allowances (subject_id, span, began_at, version, state, changed_at)
             VALUES ($1, $2, $3, $4 + 1, $5::jsonb, $6) ON CONFLICT DO NOTHING RETURNING 1
         )
         SELECT CASE WHEN $7 <> '' THEN pg_notify('claviger_allowances', $7)::text END FROM changed"
    } else {
        "WITH changed AS (
             UPDATE allowances SET version = version + 1, state = $5::jsonb, changed_at = $6
             WHERE subject_id = $1 AND span = $2 AND began_at = $3 AND version = $4 RETURNING 1
         )
         SELECT CASE WHEN $7 <> '' THEN pg_notify('claviger_allowances', $7)::text END FROM changed"
    };
    let changed = diesel::sql_query(sql)
        .bind::<SqlUuid, _>(id.subject)
        .bind::<Text, _>(id.kind.name())
        .bind::<Timestamptz, _>(began(id)?)
        .bind::<BigInt, _>(read)
        .bind::<Text, _>(state)
        .bind::<Timestamptz, _>(at)
        .bind::<Text, _>(news)
        .execute(connection)
        .await?;
    Ok(changed == 1)
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
             WHERE (span = 'hour' AND began_at < now - interval '4 hours')
                OR (span = 'month' AND began_at < now - interval '34 days')
                OR (span = 'second' AND changed_at < now - interval '1 hour' AND NOT EXISTS (
                    SELECT FROM nodes
                    WHERE nodes.id = (state #>> '{claim,holder,node}')::uuid AND lease_until > clock_timestamp()
                ))
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
        for other in ["", "given", "given x hour 0", "lend 0 hour 0"] {
            assert_eq!(News::read(other), None);
        }
    }
}
