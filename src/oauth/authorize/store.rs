use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    db::schema::authorization_requests,
    types::{AuthorizationRequestId, ClientId, Fault},
};

pub(super) async fn insert(
    connection: &mut AsyncPgConnection,
    id: AuthorizationRequestId,
    browser: [u8; 32],
    client: ClientId,
    request: Value,
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<(), Fault> {
    diesel::insert_into(authorization_requests::table)
        .values((
            authorization_requests::id.eq(id.uuid()),
            authorization_requests::browser_hash.eq(browser.as_slice()),
            authorization_requests::client_id.eq(client.uuid()),
            authorization_requests::request.eq(request),
            authorization_requests::created_at.eq(now),
            authorization_requests::expires_at.eq(expires_at),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn find(
    connection: &mut AsyncPgConnection,
    id: AuthorizationRequestId,
    browser: [u8; 32],
    now: OffsetDateTime,
) -> Result<Option<(ClientId, Value, OffsetDateTime)>, Fault> {
    let row: Option<(Uuid, Value, OffsetDateTime)> = authorization_requests::table
        .find(id.uuid())
        .filter(authorization_requests::browser_hash.eq(browser.as_slice()))
        .filter(authorization_requests::expires_at.gt(now))
        .select((
            authorization_requests::client_id,
            authorization_requests::request,
            authorization_requests::created_at,
        ))
        .first(connection)
        .await
        .optional()?;
    Ok(row.map(|(client, request, at)| (ClientId::from_uuid(client), request, at)))
}

pub(super) async fn claim(
    connection: &mut AsyncPgConnection,
    id: AuthorizationRequestId,
    claim: [u8; 32],
    browser: [u8; 32],
) -> Result<(), Fault> {
    diesel::update(authorization_requests::table.find(id.uuid()))
        .filter(authorization_requests::browser_hash.eq(claim.as_slice()))
        .set(authorization_requests::browser_hash.eq(browser.as_slice()))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn set_arrival(
    connection: &mut AsyncPgConnection,
    id: AuthorizationRequestId,
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<(), Fault> {
    diesel::update(authorization_requests::table.find(id.uuid()))
        .set((
            authorization_requests::created_at.eq(now),
            authorization_requests::expires_at.eq(expires_at),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn replace(
    connection: &mut AsyncPgConnection,
    id: AuthorizationRequestId,
    request: Value,
) -> Result<(), Fault> {
    diesel::update(authorization_requests::table.find(id.uuid()))
        .set(authorization_requests::request.eq(request))
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes the request out; of two hands on it, one gets it.
pub(super) async fn take(
    connection: &mut AsyncPgConnection,
    id: AuthorizationRequestId,
) -> Result<bool, Fault> {
    Ok(diesel::delete(authorization_requests::table.find(id.uuid()))
        .execute(connection)
        .await?
        == 1)
}

pub(in crate::oauth) async fn delete_expired(
    connection: &mut AsyncPgConnection,
    now: OffsetDateTime,
    batch: i64,
) -> Result<usize, Fault> {
    let ids: Vec<Uuid> = authorization_requests::table
        .filter(authorization_requests::expires_at.le(now))
        .select(authorization_requests::id)
        .limit(batch)
        .load(connection)
        .await?;
    Ok(
        diesel::delete(authorization_requests::table.filter(authorization_requests::id.eq_any(ids)))
            .execute(connection)
            .await?,
    )
}
