use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{Array, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::super::outbox::Telling;
use crate::types::{AppId, Fault, WebhookEndpointId};

/// The parts of a statement that write the rows of the part `event`, each if there is an endpoint that wants it, and tell
/// the dispatchers. The id of a delivery has the time of its message's, and follows from message and endpoint. Endpoints
/// are held against their removal: one that is just being removed is told nothing, and no act fails for it.
macro_rules! write {
    () => {
        "message AS (
             INSERT INTO webhook_messages (id, app_id, event_type, payload, created_at)
             SELECT id, app_id, event_type, payload, created_at FROM event
             WHERE EXISTS (
                 SELECT FROM webhook_endpoints AS endpoint
                 WHERE endpoint.app_id = event.app_id AND endpoint.disabled_at IS NULL
                     AND (endpoint.event_types = '{}' OR event.event_type = ANY (endpoint.event_types))
             )
             RETURNING id, pg_notify('claviger_webhooks', '')::text AS told
         ), delivery AS (
             INSERT INTO webhook_deliveries
                 (id, message_id, endpoint_id, state, attempts, next_at, created_at)
             SELECT overlay(md5(event.id::text || endpoint.id::text)
                        PLACING left(replace(event.id::text, '-', ''), 13) FROM 1 FOR 13)::uuid,
                    event.id, endpoint.id, 'waiting', 0, event.created_at, event.created_at
             FROM event JOIN message ON message.id = event.id
                 JOIN webhook_endpoints AS endpoint ON endpoint.app_id = event.app_id
                     AND endpoint.disabled_at IS NULL
                     AND (endpoint.event_types = '{}' OR event.event_type = ANY (endpoint.event_types))
             ORDER BY event.place FOR KEY SHARE OF endpoint
         )"
    };
}

pub(in crate::webhooks) async fn enqueue(
    connection: &mut AsyncPgConnection,
    tellings: &[Telling],
) -> Result<(), Fault> {
    let ids: Vec<_> = tellings.iter().map(|telling| telling.id.uuid()).collect();
    let apps: Vec<_> = tellings.iter().map(|telling| telling.app.uuid()).collect();
    let kinds: Vec<_> = tellings.iter().map(|telling| telling.kind).collect();
    let payloads: Vec<_> = tellings.iter().map(|telling| telling.payload.as_str()).collect();
    let times: Vec<_> = tellings.iter().map(|telling| telling.at).collect();
    diesel::sql_query(concat!(
        "WITH event (id, app_id, event_type, payload, created_at, place) AS (
             SELECT * FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY
         ), ",
        write!(),
        " SELECT"
    ))
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Array<SqlUuid>, _>(apps)
    .bind::<Array<Text>, _>(kinds)
    .bind::<Array<Text>, _>(payloads)
    .bind::<Array<Timestamptz>, _>(times)
    .execute(connection)
    .await?;
    Ok(())
}

/// What an act's own statement says beside it: one event, if the part `act` has rows.
pub(crate) struct TellingParts<'t> {
    id: Uuid,
    app: Uuid,
    telling: &'t Telling,
}

impl<'t> TellingParts<'t> {
    pub(in crate::webhooks) fn of(telling: &'t Telling) -> Self {
        Self {
            id: telling.id.uuid(),
            app: telling.app.uuid(),
            telling,
        }
    }
}

impl QueryFragment<Pg> for TellingParts<'_> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        pass.push_sql("event (id, app_id, event_type, payload, created_at, place) AS (SELECT ");
        pass.push_bind_param::<SqlUuid, _>(&self.id)?;
        pass.push_sql(", ");
        pass.push_bind_param::<SqlUuid, _>(&self.app)?;
        pass.push_sql(", ");
        pass.push_bind_param::<Text, _>(self.telling.kind)?;
        pass.push_sql(", ");
        pass.push_bind_param::<Text, _>(&self.telling.payload)?;
        pass.push_sql(", ");
        pass.push_bind_param::<Timestamptz, _>(&self.telling.at)?;
        pass.push_sql(concat!(", 1 WHERE EXISTS (SELECT FROM act)), ", write!()));
        Ok(())
    }
}

/// Removes the messages of an app.
pub(in crate::webhooks) async fn delete_of_app(
    connection: &mut AsyncPgConnection,
    app: AppId,
) -> Result<(), Fault> {
    diesel::sql_query("DELETE FROM webhook_messages WHERE app_id = $1")
        .bind::<SqlUuid, _>(app.uuid())
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes a message for one endpoint alone, whatever it wants to know.
pub(in crate::webhooks) async fn insert_test(
    connection: &mut AsyncPgConnection,
    telling: &Telling,
    endpoint: WebhookEndpointId,
    delivery: Uuid,
) -> Result<(), Fault> {
    diesel::sql_query(
        "WITH message AS (
             INSERT INTO webhook_messages (id, app_id, event_type, payload, created_at) VALUES ($1, $2, $3, $4, $5)
             RETURNING id, pg_notify('claviger_webhooks', '')::text AS told
         )
         INSERT INTO webhook_deliveries (id, message_id, endpoint_id, state, attempts, next_at, created_at)
         SELECT $6, message.id, $7, 'waiting', 0, $5, $5 FROM message",
    )
    .bind::<SqlUuid, _>(telling.id.uuid())
    .bind::<SqlUuid, _>(telling.app.uuid())
    .bind::<Text, _>(telling.kind)
    .bind::<Text, _>(&telling.payload)
    .bind::<Timestamptz, _>(telling.at)
    .bind::<SqlUuid, _>(delivery)
    .bind::<SqlUuid, _>(endpoint.uuid())
    .execute(connection)
    .await?;
    Ok(())
}
