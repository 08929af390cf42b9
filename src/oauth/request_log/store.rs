use std::collections::HashMap;

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{LoggedRequest, PastRequest};
use crate::{
    db::schema::{client_requests, clients},
    types::{AppId, ClientId, Fault},
};

/// Writes a batch and says whose requests were in it. Clients that were deleted in the meantime are left out.
pub(super) async fn insert(
    connection: &mut AsyncPgConnection,
    batch: &[LoggedRequest],
) -> Result<Vec<ClientId>, Fault> {
    let named: Vec<Uuid> = batch.iter().map(|request| request.client.uuid()).collect();
    let there: Vec<Uuid> = clients::table
        .filter(clients::id.eq_any(named))
        .select(clients::id)
        .for_key_share()
        .load(connection)
        .await?;
    let rows: Vec<_> = batch
        .iter()
        .filter(|request| there.contains(&request.client.uuid()))
        .map(|request| {
            (
                client_requests::client_id.eq(request.client.uuid()),
                client_requests::at.eq(request.at),
                client_requests::endpoint.eq(request.endpoint),
                client_requests::error.eq(request.error),
                client_requests::description.eq(request.description.as_deref()),
                client_requests::request_id.eq(&request.request_id),
            )
        })
        .collect();
    diesel::insert_into(client_requests::table)
        .values(rows)
        .execute(connection)
        .await?;
    Ok(there.into_iter().map(ClientId::from_uuid).collect())
}

/// Removes all but the last `most` requests of a client. Refusals that need nothing but its `client_id` keep half of the
/// places: a stranger who sends many of them does not push out what the client itself asked.
pub(super) async fn trim(
    connection: &mut AsyncPgConnection,
    client: ClientId,
    most: i64,
) -> Result<(), Fault> {
    let by_anybody = || {
        client_requests::table
            .filter(client_requests::client_id.eq(client.uuid()))
            .filter(client_requests::error.is_not_null())
            .filter(
                client_requests::endpoint
                    .eq("authorize")
                    .or(client_requests::error.eq("invalid_client").assume_not_null()),
            )
    };
    let oldest_kept: Option<i64> = by_anybody()
        .order(client_requests::id.desc())
        .select(client_requests::id)
        .offset(most / 2)
        .first(connection)
        .await
        .optional()?;
    if let Some(gone) = oldest_kept {
        diesel::delete(by_anybody().filter(client_requests::id.le(gone)))
            .execute(connection)
            .await?;
    }
    let oldest_kept: Option<i64> = client_requests::table
        .filter(client_requests::client_id.eq(client.uuid()))
        .order(client_requests::id.desc())
        .select(client_requests::id)
        .offset(most)
        .first(connection)
        .await
        .optional()?;
    if let Some(gone) = oldest_kept {
        let old = client_requests::table
            .filter(client_requests::client_id.eq(client.uuid()))
            .filter(client_requests::id.le(gone));
        diesel::delete(old).execute(connection).await?;
    }
    Ok(())
}

pub(super) async fn last(
    connection: &mut AsyncPgConnection,
    client: ClientId,
    most: i64,
) -> Result<Vec<PastRequest>, Fault> {
    type Row = (OffsetDateTime, String, Option<String>, Option<String>, String);
    let rows: Vec<Row> = client_requests::table
        .filter(client_requests::client_id.eq(client.uuid()))
        .order(client_requests::id.desc())
        .limit(most)
        .select((
            client_requests::at,
            client_requests::endpoint,
            client_requests::error,
            client_requests::description,
            client_requests::request_id,
        ))
        .load(connection)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(at, endpoint, error, description, request_id)| PastRequest {
            at,
            endpoint,
            error,
            description,
            request_id,
        })
        .collect())
}

pub(super) async fn last_of_app(
    connection: &mut AsyncPgConnection,
    app: AppId,
) -> Result<HashMap<ClientId, OffsetDateTime>, Fault> {
    let rows: Vec<(Uuid, Option<OffsetDateTime>)> = client_requests::table
        .inner_join(clients::table)
        .filter(clients::app_id.eq(app.uuid()))
        .group_by(client_requests::client_id)
        .select((client_requests::client_id, diesel::dsl::max(client_requests::at)))
        .load(connection)
        .await?;
    Ok(rows
        .into_iter()
        .filter_map(|(client, at)| Some((ClientId::from_uuid(client), at?)))
        .collect())
}
