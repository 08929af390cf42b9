use std::{collections::HashMap, time::Duration};

use diesel::{
    prelude::*,
    sql_types::{BigInt, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::{Attempt, Delivery, DeliveryState, Kind, Message};
use crate::{
    db::schema::{webhook_attempts, webhook_deliveries, webhook_endpoints, webhook_messages},
    types::{AppId, Fault, WebhookDeliveryId, WebhookEndpointId, WebhookMessageId},
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = webhook_messages, check_for_backend(diesel::pg::Pg))]
struct MessageRow {
    id: Uuid,
    app_id: Uuid,
    event_type: String,
    payload: String,
    created_at: OffsetDateTime,
}

fn kind(name: &str, message: WebhookMessageId) -> Result<Kind, Fault> {
    Kind::named(name).ok_or_else(|| Fault::inconsistent("webhook_messages", "event_type", message))
}

impl TryFrom<MessageRow> for Message {
    type Error = Fault;

    fn try_from(row: MessageRow) -> Result<Self, Fault> {
        let id = WebhookMessageId::from_uuid(row.id);
        Ok(Self {
            id,
            app_id: AppId::from_uuid(row.app_id),
            kind: kind(&row.event_type, id)?,
            payload: row.payload,
            created_at: row.created_at,
        })
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = webhook_deliveries, check_for_backend(diesel::pg::Pg))]
struct DeliveryRow {
    id: Uuid,
    place: i64,
    message_id: Uuid,
    endpoint_id: Uuid,
    state: String,
    attempts: i32,
    next_at: OffsetDateTime,
    claim: Option<Uuid>,
    created_at: OffsetDateTime,
}

impl DeliveryRow {
    fn delivery(self, event_type: &str, now: OffsetDateTime) -> Result<Delivery, Fault> {
        let id = WebhookDeliveryId::from_uuid(self.id);
        let message_id = WebhookMessageId::from_uuid(self.message_id);
        let state = match self.state.as_str() {
            "waiting" if self.claim.is_some() && now < self.next_at => DeliveryState::UnderWay,
            "waiting" => DeliveryState::Waiting,
            "delivered" => DeliveryState::Delivered,
            "failed" => DeliveryState::Failed,
            _ => return Err(Fault::inconsistent("webhook_deliveries", "state", id)),
        };
        Ok(Delivery {
            id,
            place: self.place,
            message_id,
            endpoint_id: WebhookEndpointId::from_uuid(self.endpoint_id),
            kind: kind(event_type, message_id)?,
            state,
            failures: self.attempts,
            next_at: self.next_at,
            created_at: self.created_at,
            last: None,
        })
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = webhook_attempts, check_for_backend(diesel::pg::Pg))]
struct AttemptRow {
    id: i64,
    at: OffsetDateTime,
    status: Option<i16>,
    error: Option<String>,
    answer: Option<String>,
    took_ms: i32,
}

impl TryFrom<AttemptRow> for Attempt {
    type Error = Fault;

    fn try_from(row: AttemptRow) -> Result<Self, Fault> {
        let senseless = |column| Fault::inconsistent("webhook_attempts", column, row.id);
        Ok(Self {
            at: row.at,
            status: row
                .status
                .map(|status| u16::try_from(status).or(Err(senseless("status"))))
                .transpose()?,
            error: row.error,
            answer: row.answer,
            took: Duration::from_millis(u64::try_from(row.took_ms).or(Err(senseless("took_ms")))?),
        })
    }
}

/// The last deliveries to an endpoint before the place `before`, newest first, each with its last attempt.
pub(in crate::webhooks) async fn deliveries(
    connection: &mut AsyncPgConnection,
    endpoint: WebhookEndpointId,
    before: Option<i64>,
    most: i64,
    now: OffsetDateTime,
) -> Result<Vec<Delivery>, Fault> {
    let rows: Vec<(DeliveryRow, String)> = webhook_deliveries::table
        .inner_join(webhook_messages::table)
        .filter(webhook_deliveries::endpoint_id.eq(endpoint.uuid()))
        .filter(webhook_deliveries::place.lt(before.unwrap_or(i64::MAX)))
        .order(webhook_deliveries::place.desc())
        .limit(most)
        .select((DeliveryRow::as_select(), webhook_messages::event_type))
        .load(connection)
        .await?;
    let ids: Vec<Uuid> = rows.iter().map(|(row, _)| row.id).collect();
    let mut last: HashMap<Uuid, AttemptRow> = webhook_attempts::table
        .filter(webhook_attempts::delivery_id.eq_any(ids))
        .distinct_on(webhook_attempts::delivery_id)
        .order((webhook_attempts::delivery_id, webhook_attempts::id.desc()))
        .select((webhook_attempts::delivery_id, AttemptRow::as_select()))
        .load(connection)
        .await?
        .into_iter()
        .collect();
    rows.into_iter()
        .map(|(row, event_type)| {
            let attempt = last.remove(&row.id).map(Attempt::try_from).transpose()?;
            Ok(Delivery {
                last: attempt,
                ..row.delivery(&event_type, now)?
            })
        })
        .collect()
}

/// One delivery of an app, with its message.
pub(in crate::webhooks) async fn delivery(
    connection: &mut AsyncPgConnection,
    app: AppId,
    id: WebhookDeliveryId,
    now: OffsetDateTime,
) -> Result<Option<(Delivery, Message)>, Fault> {
    let row: Option<(DeliveryRow, MessageRow)> = webhook_deliveries::table
        .inner_join(webhook_messages::table)
        .inner_join(webhook_endpoints::table)
        .filter(webhook_deliveries::id.eq(id.uuid()))
        .filter(webhook_endpoints::app_id.eq(app.uuid()))
        .select((DeliveryRow::as_select(), MessageRow::as_select()))
        .first(connection)
        .await
        .optional()?;
    row.map(|(delivery, message)| {
        let delivery = delivery.delivery(&message.event_type, now)?;
        Ok((delivery, message.try_into()?))
    })
    .transpose()
}

/// How many messages of a kind wait for an endpoint, counted up to `most`.
pub(in crate::webhooks) async fn waiting_of_kind(
    connection: &mut AsyncPgConnection,
    endpoint: WebhookEndpointId,
    kind: &str,
    most: i64,
) -> Result<i64, Fault> {
    let waiting = webhook_deliveries::table
        .inner_join(webhook_messages::table)
        .filter(webhook_deliveries::endpoint_id.eq(endpoint.uuid()))
        .filter(webhook_deliveries::state.eq("waiting"))
        .filter(webhook_messages::event_type.eq(kind))
        .limit(most)
        .select(webhook_deliveries::id)
        .load::<Uuid>(connection)
        .await?;
    i64::try_from(waiting.len()).map_err(Fault::internal)
}

/// The last attempts at a delivery before the one `before`, newest first, each with its number.
pub(in crate::webhooks) async fn attempts(
    connection: &mut AsyncPgConnection,
    delivery: WebhookDeliveryId,
    before: Option<i64>,
    most: i64,
) -> Result<Vec<(i64, Attempt)>, Fault> {
    let rows: Vec<AttemptRow> = webhook_attempts::table
        .filter(webhook_attempts::delivery_id.eq(delivery.uuid()))
        .filter(webhook_attempts::id.lt(before.unwrap_or(i64::MAX)))
        .order(webhook_attempts::id.desc())
        .limit(most)
        .select(AttemptRow::as_select())
        .load(connection)
        .await?;
    rows.into_iter()
        .map(|row| Ok((row.id, row.try_into()?)))
        .collect()
}

/// Removes up to `batch` messages that were written before `before`, with their deliveries and attempts.
pub(in crate::webhooks) async fn delete_old(
    connection: &mut AsyncPgConnection,
    before: OffsetDateTime,
    batch: i64,
) -> Result<usize, Fault> {
    Ok(diesel::sql_query(
        "DELETE FROM webhook_messages WHERE id IN (SELECT id FROM webhook_messages WHERE created_at < $1 LIMIT $2)",
    )
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(batch)
    .execute(connection)
    .await?)
}
