use std::pin::pin;

use diesel::{
    prelude::*,
    sql_types::{BigInt, Bool, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection as _};
use futures_util::StreamExt as _;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::Attempt;
use crate::{
    db::schema::{webhook_deliveries, webhook_endpoints, webhook_secrets},
    types::{Fault, WebhookDeliveryId, WebhookEndpointId, WebhookMessageId},
};

/// A delivery that nobody else is at.
#[derive(QueryableByName)]
struct ClaimedRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    message_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    endpoint_id: Uuid,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = Text)]
    url: String,
    #[diesel(sql_type = Text)]
    payload: String,
}

#[derive(Debug)]
pub(in crate::webhooks) struct Claimed {
    pub(in crate::webhooks) id: WebhookDeliveryId,
    pub(in crate::webhooks) claim: Uuid,
    pub(in crate::webhooks) message: WebhookMessageId,
    pub(in crate::webhooks) endpoint: WebhookEndpointId,
    /// Attempts that failed before this one.
    pub(in crate::webhooks) failures: i32,
    pub(in crate::webhooks) url: String,
    pub(in crate::webhooks) payload: String,
}

/// How much is claimed.
pub(in crate::webhooks) struct Room {
    pub(in crate::webhooks) most: i64,
    /// How much of one account may be under way, on all nodes.
    pub(in crate::webhooks) of_account: i64,
}

/// Claims deliveries that are due, the oldest of each endpoint that is on, can be signed for, and to which nobody is
/// sending. Of several accounts, the one to which least is being sent comes first, so that nobody keeps others waiting by
/// endpoints that are slow. A claim holds until `until`, so what a node that died had claimed is sent by another. The rows
/// are locked by who they are, not by what is still free: of two nodes that find the same oldest one, the other gets none
/// of that endpoint.
pub(in crate::webhooks) async fn claim(
    connection: &mut AsyncPgConnection,
    claim: Uuid,
    now: OffsetDateTime,
    until: OffsetDateTime,
    room: &Room,
) -> Result<Vec<Claimed>, Fault> {
    let rows: Vec<ClaimedRow> = diesel::sql_query(
        "WITH under_way AS (
             SELECT app.account_id, count(*) AS number
             FROM webhook_deliveries AS delivery
             JOIN webhook_endpoints AS endpoint ON endpoint.id = delivery.endpoint_id
             JOIN apps AS app ON app.id = endpoint.app_id
             WHERE delivery.claim IS NOT NULL AND delivery.next_at > $2
             GROUP BY app.account_id
         ), candidate AS (
             SELECT oldest.*, coalesce(under_way.number, 0)
                 + row_number() OVER (PARTITION BY app.account_id ORDER BY oldest.next_at, oldest.place) AS turn
             FROM webhook_endpoints AS endpoint
             JOIN apps AS app ON app.id = endpoint.app_id
             LEFT JOIN under_way ON under_way.account_id = app.account_id
             CROSS JOIN LATERAL (
                 SELECT id, next_at, place FROM webhook_deliveries
                 WHERE endpoint_id = endpoint.id AND state = 'waiting' AND next_at <= $2
                 ORDER BY next_at, place LIMIT 1
             ) AS oldest
             WHERE endpoint.disabled_at IS NULL
                 AND NOT EXISTS (
                     SELECT FROM webhook_deliveries AS other
                     WHERE other.endpoint_id = endpoint.id AND other.claim IS NOT NULL AND other.next_at > $2
                 )
                 AND EXISTS (
                     SELECT FROM webhook_secrets AS secret
                     WHERE secret.endpoint_id = endpoint.id
                         AND (secret.expires_at IS NULL OR secret.expires_at > $2)
                 )
         ), chosen AS (
             SELECT id FROM candidate WHERE turn <= $5 ORDER BY turn, next_at, place LIMIT $4
         ), locked AS (
             SELECT id FROM webhook_deliveries
             WHERE id IN (SELECT id FROM chosen) AND state = 'waiting' AND next_at <= $2
             FOR UPDATE SKIP LOCKED
         )
         UPDATE webhook_deliveries AS delivery SET claim = $1, next_at = $3
         FROM locked, webhook_messages AS message, webhook_endpoints AS endpoint
         WHERE delivery.id = locked.id AND message.id = delivery.message_id AND endpoint.id = delivery.endpoint_id
         RETURNING delivery.id, delivery.message_id, delivery.endpoint_id, delivery.attempts, endpoint.url,
                   message.payload",
    )
    .bind::<SqlUuid, _>(claim)
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(until)
    .bind::<BigInt, _>(room.most)
    .bind::<BigInt, _>(room.of_account)
    .load(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Claimed {
            id: WebhookDeliveryId::from_uuid(row.id),
            claim,
            message: WebhookMessageId::from_uuid(row.message_id),
            endpoint: WebhookEndpointId::from_uuid(row.endpoint_id),
            failures: row.attempts,
            url: row.url,
            payload: row.payload,
        })
        .collect())
}

/// What comes after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::webhooks) enum Then {
    /// The endpoint has it.
    Delivered,
    /// It is tried again then.
    Again(OffsetDateTime),
    /// It is not.
    GivenUp,
}

/// How an attempt at what was claimed went.
pub(in crate::webhooks) struct Finish<'f> {
    pub(in crate::webhooks) claimed: &'f Claimed,
    pub(in crate::webhooks) attempt: &'f Attempt,
    pub(in crate::webhooks) then: Then,
    pub(in crate::webhooks) now: OffsetDateTime,
}

/// Writes down an attempt, frees the delivery if the claim still holds, and notes since when the endpoint fails. To an
/// endpoint that was switched off meanwhile, nothing is tried again. The endpoint is locked first, as by whoever removes it,
/// so that neither waits for the other; once it is gone, nothing is written. What another URL said, which the endpoint does
/// not have any more, says nothing of the endpoint: if that is gone, this one is asked.
pub(in crate::webhooks) async fn finish(
    connection: &mut AsyncPgConnection,
    finish: &Finish<'_>,
) -> Result<(), Fault> {
    let Finish {
        claimed,
        attempt,
        then,
        now,
    } = finish;
    let (state, next_at) = match then {
        Then::Delivered => ("delivered", *now),
        Then::Again(at) => ("waiting", *at),
        Then::GivenUp => ("failed", *now),
    };
    let status = attempt
        .status
        .map(i16::try_from)
        .transpose()
        .map_err(Fault::internal)?;
    diesel::sql_query(
        "WITH endpoint AS (
             SELECT disabled_at, url = $13 AS is_same FROM webhook_endpoints WHERE id = $3 FOR NO KEY UPDATE
         ), freed AS (
             UPDATE webhook_deliveries AS delivery
             SET state = CASE
                     WHEN endpoint.disabled_at IS NOT NULL THEN CASE WHEN $6 THEN $4 ELSE 'failed' END
                     WHEN $14 AND NOT endpoint.is_same THEN 'waiting'
                     ELSE $4
                 END,
                 attempts = delivery.attempts + CASE WHEN $6 THEN 0 ELSE 1 END, next_at = $5, claim = NULL
             FROM endpoint WHERE delivery.id = $1 AND delivery.claim = $2
         ), health AS (
             UPDATE webhook_endpoints SET failing_since = CASE WHEN $6 THEN NULL ELSE $7 END
             FROM endpoint WHERE id = $3 AND endpoint.is_same AND (failing_since IS NULL) <> $6
         )
         INSERT INTO webhook_attempts (delivery_id, at, status, error, answer, took_ms)
         SELECT id, $8, $9, $10, $11, $12 FROM webhook_deliveries, endpoint WHERE id = $1",
    )
    .bind::<SqlUuid, _>(claimed.id.uuid())
    .bind::<SqlUuid, _>(claimed.claim)
    .bind::<SqlUuid, _>(claimed.endpoint.uuid())
    .bind::<Text, _>(state)
    .bind::<Timestamptz, _>(next_at)
    .bind::<Bool, _>(*then == Then::Delivered)
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(attempt.at)
    .bind::<Nullable<SmallInt>, _>(status)
    .bind::<Nullable<Text>, _>(attempt.error.as_deref())
    .bind::<Nullable<Text>, _>(attempt.answer.as_deref())
    .bind::<Integer, _>(i32::try_from(attempt.took.as_millis()).unwrap_or(i32::MAX))
    .bind::<Text, _>(&claimed.url)
    .bind::<Bool, _>(attempt.is_gone())
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives up what waits for an endpoint, but for what is under way.
pub(in crate::webhooks) async fn give_up_waiting(
    connection: &mut AsyncPgConnection,
    endpoint: WebhookEndpointId,
    now: OffsetDateTime,
) -> Result<usize, Fault> {
    Ok(diesel::sql_query(
        "UPDATE webhook_deliveries SET state = 'failed', claim = NULL
         WHERE endpoint_id = $1 AND state = 'waiting' AND (claim IS NULL OR next_at <= $2)",
    )
    .bind::<SqlUuid, _>(endpoint.uuid())
    .bind::<Timestamptz, _>(now)
    .execute(connection)
    .await?)
}

/// Makes a delivery due now, if nobody is at it; one that had come to its end begins its schedule anew. Whether it did.
pub(in crate::webhooks) async fn redeliver(
    connection: &mut AsyncPgConnection,
    endpoint: WebhookEndpointId,
    id: WebhookDeliveryId,
    now: OffsetDateTime,
) -> Result<bool, Fault> {
    #[derive(QueryableByName)]
    struct Told {
        #[diesel(sql_type = Text, column_name = told)]
        _told: String,
    }
    let told: Option<Told> = diesel::sql_query(
        "UPDATE webhook_deliveries
         SET attempts = CASE WHEN state = 'waiting' THEN attempts ELSE 0 END, state = 'waiting', next_at = $3,
             claim = NULL
         WHERE id = $1 AND endpoint_id = $2 AND (claim IS NULL OR next_at <= $3)
         RETURNING pg_notify('claviger_webhooks', '')::text AS told",
    )
    .bind::<SqlUuid, _>(id.uuid())
    .bind::<SqlUuid, _>(endpoint.uuid())
    .bind::<Timestamptz, _>(now)
    .get_result(connection)
    .await
    .optional()?;
    Ok(told.is_some())
}

/// When the next delivery is due that somebody could send.
pub(in crate::webhooks) async fn next_due(
    connection: &mut AsyncPgConnection,
    now: OffsetDateTime,
) -> Result<Option<OffsetDateTime>, Fault> {
    let signing = webhook_secrets::table
        .filter(webhook_secrets::endpoint_id.eq(webhook_endpoints::id))
        .filter(super::secrets::is_live(now));
    Ok(webhook_deliveries::table
        .inner_join(webhook_endpoints::table)
        .filter(webhook_deliveries::state.eq("waiting"))
        .filter(webhook_deliveries::next_at.gt(now))
        .filter(webhook_endpoints::disabled_at.is_null())
        .filter(diesel::dsl::exists(signing))
        .order(webhook_deliveries::next_at)
        .select(webhook_deliveries::next_at)
        .first(connection)
        .await
        .optional()?)
}

#[derive(QueryableByName)]
struct Backlog {
    #[diesel(sql_type = BigInt)]
    waiting: i64,
    #[diesel(sql_type = BigInt)]
    late_by: i64,
}

/// Rows that are counted: to count on would take longer the more there is to do.
const MOST_COUNTED: i64 = 10_000;

/// How much waits for endpoints that are on, counted up to ten thousand, and for how many seconds the first of it has been
/// due. What is under way is due when its claim ends.
pub(in crate::webhooks) async fn backlog(
    connection: &mut AsyncPgConnection,
    now: OffsetDateTime,
) -> Result<(u64, u64), Fault> {
    let Backlog { waiting, late_by } = diesel::sql_query(
        "WITH first AS (
             SELECT delivery.next_at FROM webhook_deliveries AS delivery
             JOIN webhook_endpoints AS endpoint ON endpoint.id = delivery.endpoint_id
             WHERE delivery.state = 'waiting' AND endpoint.disabled_at IS NULL
             ORDER BY delivery.next_at LIMIT $2
         )
         SELECT count(*) AS waiting,
             greatest(coalesce(extract(epoch FROM $1 - min(next_at)), 0), 0)::bigint AS late_by
         FROM first",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(MOST_COUNTED)
    .get_result(connection)
    .await?;
    Ok((
        u64::try_from(waiting).map_err(Fault::internal)?,
        u64::try_from(late_by).map_err(Fault::internal)?,
    ))
}

/// Makes `connection` hear of what is written to the outbox.
pub(in crate::webhooks) async fn listen(connection: &mut AsyncPgConnection) -> Result<(), Fault> {
    connection.batch_execute("LISTEN claviger_webhooks").await?;
    Ok(())
}

/// Waits for the next word of it. May be cancelled without losing one.
pub(in crate::webhooks) async fn notified(connection: &mut AsyncPgConnection) -> Result<(), Fault> {
    pin!(connection.notifications_stream())
        .next()
        .await
        .ok_or_else(|| Fault::unavailable("the connection that listens was closed"))??;
    Ok(())
}
