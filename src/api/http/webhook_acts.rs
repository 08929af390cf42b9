//! What is done to a webhook endpoint beyond changing it: its secret rotated, a test sent, something sent again.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{Data, Path},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    answer::{ApiError, Problem},
    body::{MaybeBody, once},
    caller::{Called, ToManageWebhooks},
    key_changes::Nothing,
    webhook_deliveries::{delivery_id, look},
    webhook_shape::{DeliveryAnswer, MadeSecretAnswer},
    webhooks::{CHANGES, endpoint_id, home, made},
};
use crate::{
    types::{AppId, Fault, WebhookDeliveryId, WebhookEndpointId, WebhookSecretId},
    webhooks::Webhooks,
};

/// How a secret is rotated.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateSecret {
    /// Seconds for which the secrets that sign now sign beside the new one, 0 to 604800 (7 days); left out, as long as is
    /// configured.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 604_800)]
    overlap_seconds: Option<u64>,
}

/// The longest that a request may ask for.
const LONGEST_OVERLAP: Duration = Duration::from_hours(24 * 7);

/// Gives a webhook endpoint a new secret
///
/// It is in this answer alone. The others sign beside it for the overlap: each message then has a signature of each.
#[utoipa::path(
    post,
    path = "/v1/apps/{app}/webhooks/{endpoint}/rotate",
    tag = "webhooks",
    request_body(content = Option<RotateSecret>),
    params(
        ("app" = String, Path, description = "The app"),
        ("endpoint" = String, Path, description = "The endpoint"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send the request again"),
    ),
    responses(
        (status = 201, description = "The endpoint, with its new secret", body = MadeSecretAnswer),
        (status = 200, description = "The same request had made it before", body = MadeSecretAnswer),
        (status = 404, body = Problem, description = "No such endpoint"),
        (status = 409, body = Problem, description = "Too many secrets sign already, or the `Idempotency-Key` came with another request"),
    ),
    security(("key" = []), ("oauth" = ["webhooks:manage"]), ("session" = [])),
)]
pub(super) async fn rotate(
    Called { caller, body, .. }: Called<ToManageWebhooks, MaybeBody<RotateSecret>>,
    webhooks: Data<Webhooks>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (app, endpoint) = path.into_inner();
    let home = home(&caller, &app, CHANGES).await?;
    let endpoint = endpoint_id(&endpoint)?;
    let once = once(&request, caller.name(), &body.0)?;
    let overlap = match body.0.value.overlap_seconds.map(Duration::from_secs) {
        Some(asked) if asked > LONGEST_OVERLAP => {
            return Err(ApiError::unsound(
                "overlap_seconds",
                "overlap_seconds is 0 to 604800",
            ));
        }
        Some(asked) => asked,
        None => webhooks.config.webhooks.secret_overlap.duration(),
    };
    let id = WebhookSecretId::new(&webhooks.clock, &webhooks.entropy);
    let mut transaction = webhooks.db.begin().await?;
    if let Some(first) = caller
        .keys
        .made_before(&mut transaction, once.as_ref(), &id.to_string())
        .await?
    {
        drop(transaction);
        let secret = webhooks
            .value_again(endpoint, first.parse().map_err(Fault::from)?)
            .await?
            .map(|secret| secret.expose().to_owned());
        return made(&webhooks, home.1, endpoint, (StatusCode::OK, secret)).await;
    }
    let secret = webhooks
        .rotate(&mut transaction, endpoint, home, id, overlap, caller.asker().by)
        .await?;
    transaction.commit().await?;
    let secret = Some(secret.value.expose().to_owned());
    made(&webhooks, home.1, endpoint, (StatusCode::CREATED, secret)).await
}

/// A delivery that is on its way, the first time or again.
async fn under_way(
    webhooks: &Webhooks,
    app: AppId,
    (endpoint, id): (WebhookEndpointId, WebhookDeliveryId),
    status: StatusCode,
) -> Result<HttpResponse, ApiError> {
    let (delivery, _) = look(webhooks, app, endpoint, id).await?;
    Ok(HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(DeliveryAnswer::from(&delivery)))
}

/// Sends a test to a webhook endpoint
///
/// An event of the type `webhook.test`, whatever else the endpoint is told of.
#[utoipa::path(
    post,
    path = "/v1/apps/{app}/webhooks/{endpoint}/test",
    tag = "webhooks",
    params(
        ("app" = String, Path, description = "The app"),
        ("endpoint" = String, Path, description = "The endpoint"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send the request again"),
    ),
    responses(
        (status = 202, description = "It is on its way", body = DeliveryAnswer),
        (status = 200, description = "The same request had sent it before", body = DeliveryAnswer),
        (status = 404, body = Problem, description = "No such endpoint"),
        (status = 409, body = Problem, description = "The endpoint is switched off, none of its secrets signs, or 10 tests wait for it already"),
    ),
    security(("key" = []), ("oauth" = ["webhooks:manage"]), ("session" = [])),
)]
pub(super) async fn test(
    Called { caller, body, .. }: Called<ToManageWebhooks, MaybeBody<Nothing>>,
    webhooks: Data<Webhooks>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (app, endpoint) = path.into_inner();
    let home = home(&caller, &app, CHANGES).await?;
    let endpoint = endpoint_id(&endpoint)?;
    let once = once(&request, caller.name(), &body.0)?;
    let id = WebhookDeliveryId::new(&webhooks.clock, &webhooks.entropy);
    let mut transaction = webhooks.db.begin().await?;
    if let Some(first) = caller
        .keys
        .made_before(&mut transaction, once.as_ref(), &id.to_string())
        .await?
    {
        drop(transaction);
        return under_way(
            &webhooks,
            home.1,
            (endpoint, delivery_id(&first)?),
            StatusCode::OK,
        )
        .await;
    }
    webhooks
        .send_test(&mut transaction, id, endpoint, home, caller.asker().by)
        .await?;
    transaction.commit().await?;
    under_way(&webhooks, home.1, (endpoint, id), StatusCode::ACCEPTED).await
}

/// Sends something to a webhook endpoint again
///
/// The same message with the same `webhook-id`, at once; if that fails, by the schedule.
#[utoipa::path(
    post,
    path = "/v1/apps/{app}/webhooks/{endpoint}/deliveries/{delivery}/redeliver",
    tag = "webhooks",
    params(
        ("app" = String, Path, description = "The app"),
        ("endpoint" = String, Path, description = "The endpoint"),
        ("delivery" = String, Path, description = "The delivery"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send the request again"),
    ),
    responses(
        (status = 202, description = "It is on its way", body = DeliveryAnswer),
        (status = 200, description = "The same request had sent it before", body = DeliveryAnswer),
        (status = 404, body = Problem, description = "No such delivery"),
        (status = 409, body = Problem, description = "It is being sent at this moment, the endpoint is switched off, or none of its secrets signs"),
    ),
    security(("key" = []), ("oauth" = ["webhooks:manage"]), ("session" = [])),
)]
pub(super) async fn redeliver(
    Called { caller, body, .. }: Called<ToManageWebhooks, MaybeBody<Nothing>>,
    webhooks: Data<Webhooks>,
    request: HttpRequest,
    path: Path<(String, String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (app, endpoint, id) = path.into_inner();
    let home = home(&caller, &app, CHANGES).await?;
    let (endpoint, id) = (endpoint_id(&endpoint)?, delivery_id(&id)?);
    let once = once(&request, caller.name(), &body.0)?;
    let mut transaction = webhooks.db.begin().await?;
    let before = caller
        .keys
        .made_before(&mut transaction, once.as_ref(), &id.to_string())
        .await?;
    if before.is_some() {
        drop(transaction);
        return under_way(&webhooks, home.1, (endpoint, id), StatusCode::OK).await;
    }
    webhooks
        .redeliver(&mut transaction, endpoint, home, id, caller.asker().by)
        .await?;
    transaction.commit().await?;
    under_way(&webhooks, home.1, (endpoint, id), StatusCode::ACCEPTED).await
}
