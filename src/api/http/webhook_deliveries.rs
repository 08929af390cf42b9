//! `/v1/apps/{app}/webhooks/{endpoint}/deliveries`: what was sent to an endpoint, and how it was answered.

use actix_web::{
    HttpResponse,
    http::header,
    web::{Data, Path},
};
use serde::Serialize;

use super::{
    answer::{ApiError, Problem},
    body::{Listing, Page, Params},
    caller::{Called, ToManageWebhooks},
    webhook_shape::{AttemptAnswer, ListedDeliveryAnswer, WholeDeliveryAnswer},
    webhooks::{endpoint_id, home},
};
use crate::{
    types::{AppId, WebhookDeliveryId, WebhookEndpointId},
    webhooks::{self, Delivery, Message, Webhooks},
};

pub(super) fn delivery_id(path: &str) -> Result<WebhookDeliveryId, ApiError> {
    path.parse().map_err(|_cause| ApiError::NotFound("delivery"))
}

/// A delivery to that very endpoint.
pub(super) async fn look(
    webhooks: &Webhooks,
    app: AppId,
    endpoint: WebhookEndpointId,
    id: WebhookDeliveryId,
) -> Result<(Delivery, Message), ApiError> {
    webhooks
        .delivery(app, id)
        .await?
        .filter(|(delivery, _)| delivery.endpoint_id == endpoint)
        .ok_or(ApiError::NotFound("delivery"))
}

fn most(page: &Page) -> usize {
    usize::try_from(page.most).unwrap_or(usize::MAX)
}

fn listing<T, A: Serialize + From<T>>(found: webhooks::Page<T, i64>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(Listing {
            data: found.items.into_iter().map(A::from).collect(),
            next_cursor: found.next.map(|next| next.to_string()),
        })
}

/// What was sent to an endpoint, newest first
#[utoipa::path(
    get,
    path = "/v1/apps/{app}/webhooks/{endpoint}/deliveries",
    tag = "webhooks",
    params(
        ("app" = String, Path, description = "The app"),
        ("endpoint" = String, Path, description = "The endpoint"),
        ("limit" = Option<u32>, Query, description = "How many, 1 to 200", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the part before"),
    ),
    responses(
        (status = 200, description = "Some deliveries, each with its last attempt", body = Listing<ListedDeliveryAnswer>),
        (status = 404, body = Problem, description = "No such endpoint"),
    ),
    security(("key" = []), ("oauth" = ["webhooks:manage"]), ("session" = [])),
)]
pub(super) async fn list(
    caller: Called<ToManageWebhooks>,
    webhooks: Data<Webhooks>,
    path: Path<(String, String)>,
    query: Params,
) -> Result<HttpResponse, ApiError> {
    let page = Page::of(&query)?;
    let before = page.before()?;
    let (app, endpoint) = path.into_inner();
    let (_, app) = home(&caller, &app, None).await?;
    let endpoint = webhooks
        .endpoint(app, endpoint_id(&endpoint)?)
        .await?
        .ok_or(ApiError::NotFound("webhook endpoint"))?;
    let found = webhooks.deliveries(endpoint.id, before, most(&page)).await?;
    Ok(listing::<_, ListedDeliveryAnswer>(found))
}

/// One delivery, with what is sent
#[utoipa::path(
    get,
    path = "/v1/apps/{app}/webhooks/{endpoint}/deliveries/{delivery}",
    tag = "webhooks",
    params(
        ("app" = String, Path, description = "The app"),
        ("endpoint" = String, Path, description = "The endpoint"),
        ("delivery" = String, Path, description = "The delivery"),
    ),
    responses(
        (status = 200, description = "The delivery", body = WholeDeliveryAnswer),
        (status = 404, body = Problem, description = "No such delivery"),
    ),
    security(("key" = []), ("oauth" = ["webhooks:manage"]), ("session" = [])),
)]
pub(super) async fn show(
    caller: Called<ToManageWebhooks>,
    webhooks: Data<Webhooks>,
    path: Path<(String, String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (app, endpoint, delivery) = path.into_inner();
    let (_, app) = home(&caller, &app, None).await?;
    let (delivery, message) = look(&webhooks, app, endpoint_id(&endpoint)?, delivery_id(&delivery)?).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(WholeDeliveryAnswer::of(&delivery, message)))
}

/// The attempts at a delivery, newest first
#[utoipa::path(
    get,
    path = "/v1/apps/{app}/webhooks/{endpoint}/deliveries/{delivery}/attempts",
    tag = "webhooks",
    params(
        ("app" = String, Path, description = "The app"),
        ("endpoint" = String, Path, description = "The endpoint"),
        ("delivery" = String, Path, description = "The delivery"),
        ("limit" = Option<u32>, Query, description = "How many, 1 to 200", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the part before"),
    ),
    responses(
        (status = 200, description = "Some attempts", body = Listing<AttemptAnswer>),
        (status = 404, body = Problem, description = "No such delivery"),
    ),
    security(("key" = []), ("oauth" = ["webhooks:manage"]), ("session" = [])),
)]
pub(super) async fn attempts(
    caller: Called<ToManageWebhooks>,
    webhooks: Data<Webhooks>,
    path: Path<(String, String, String)>,
    query: Params,
) -> Result<HttpResponse, ApiError> {
    let page = Page::of(&query)?;
    let before = page.before()?;
    let (app, endpoint, delivery) = path.into_inner();
    let (_, app) = home(&caller, &app, None).await?;
    let (delivery, _) = look(&webhooks, app, endpoint_id(&endpoint)?, delivery_id(&delivery)?).await?;
    let found = webhooks.attempts(delivery.id, before, most(&page)).await?;
    Ok(listing::<_, AttemptAnswer>(found))
}
