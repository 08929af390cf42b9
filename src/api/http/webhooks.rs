//! `/v1/apps/{app}/webhooks`: where an app is told of events.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{Data, Path},
};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::{
    answer::{ApiError, Problem},
    body::{Body, Listing, Page, Params, if_match, once},
    caller::{Called, Caller, ToManageWebhooks},
    webhook_shape::{EndpointAnswer, MadeSecretAnswer, versioned},
};
use crate::{
    accounts::Permission,
    types::{AccountId, AppId, Line, WebhookEndpointId, WebhookSecretId},
    webhooks::{EndpointUrl, EventType, Settings, Webhooks},
};

/// The app of the path with its account, if the caller may look at what is the app's, or with a permission do more.
pub(super) async fn home(
    caller: &Caller,
    app: &str,
    permission: Option<Permission>,
) -> Result<(AccountId, AppId), ApiError> {
    let app = app.parse().map_err(|_cause| ApiError::NotFound("app"))?;
    let account = caller.keys.account_of(app, permission, caller.asker()).await?;
    Ok((account, app))
}

/// What changes an endpoint takes.
pub(super) const CHANGES: Option<Permission> = Some(Permission::WriteWebhooks);

pub(super) fn endpoint_id(path: &str) -> Result<WebhookEndpointId, ApiError> {
    path.parse()
        .map_err(|_cause| ApiError::NotFound("webhook endpoint"))
}

/// An endpoint as it is now, with its version.
pub(super) async fn look(
    webhooks: &Webhooks,
    app: AppId,
    id: WebhookEndpointId,
) -> Result<(String, EndpointAnswer), ApiError> {
    let endpoint = webhooks
        .endpoint(app, id)
        .await?
        .ok_or(ApiError::NotFound("webhook endpoint"))?;
    let secrets = webhooks.secrets(id).await?;
    Ok((endpoint.version(), EndpointAnswer::of(&endpoint, secrets)))
}

/// The answer to a request that made a secret, the first time or again.
pub(super) async fn made(
    webhooks: &Webhooks,
    app: AppId,
    id: WebhookEndpointId,
    (status, secret): (StatusCode, Option<String>),
) -> Result<HttpResponse, ApiError> {
    let (version, of) = look(webhooks, app, id).await?;
    Ok(versioned(status, &version, MadeSecretAnswer { secret, of }))
}

fn url(text: &str, webhooks: &Webhooks) -> Result<EndpointUrl, ApiError> {
    EndpointUrl::parse(text, webhooks.config.webhooks.allow_private_addresses)
        .map_err(|invalid| ApiError::unsound("url", invalid.to_string()))
}

/// An empty one is none.
fn description(text: Option<String>) -> Result<Option<Line<200>>, ApiError> {
    text.map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .map(|text| text.parse())
        .transpose()
        .map_err(|invalid: crate::types::InvalidLine| ApiError::unsound("description", invalid.to_string()))
}

fn event_types(names: &[String]) -> Result<Vec<EventType>, ApiError> {
    // Each once, in the order in which they are listed anywhere else.
    let known: Result<Vec<EventType>, _> = names.iter().map(|name| name.parse()).collect();
    let known = known.map_err(|_cause| {
        let all: Vec<&str> = EventType::ALL.iter().map(|kind| kind.name()).collect();
        ApiError::unsound(
            "event_types",
            format!("event_types are some of {}", all.join(", ")),
        )
    })?;
    Ok(EventType::ALL
        .iter()
        .copied()
        .filter(|kind| known.contains(kind))
        .collect())
}

/// The webhook endpoints of an app, newest first
#[utoipa::path(
    get,
    path = "/v1/apps/{app}/webhooks",
    tag = "webhooks",
    params(
        ("app" = String, Path, description = "The app"),
        ("limit" = Option<u32>, Query, description = "How many, 1 to 200", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the part before"),
    ),
    responses(
        (status = 200, description = "Some endpoints", body = Listing<EndpointAnswer>),
        (status = 404, body = Problem, description = "No such app"),
    ),
    security(("key" = []), ("oauth" = ["webhooks:manage"]), ("session" = [])),
)]
pub(super) async fn list(
    caller: Called<ToManageWebhooks>,
    webhooks: Data<Webhooks>,
    path: Path<String>,
    query: Params,
) -> Result<HttpResponse, ApiError> {
    let page = Page::of(&query)?;
    let before: Option<WebhookEndpointId> = page.before()?;
    let (_, app) = home(&caller, &path, None).await?;
    let wanted = usize::try_from(page.most).unwrap_or(usize::MAX).saturating_add(1);
    let endpoints = webhooks.endpoints(app).await?;
    let mut shown = Vec::new();
    // An app has a few of them.
    for endpoint in endpoints
        .iter()
        .rev()
        .filter(|endpoint| before.is_none_or(|before| endpoint.id < before))
        .take(wanted)
    {
        let secrets = webhooks.secrets(endpoint.id).await?;
        shown.push(EndpointAnswer::of(endpoint, secrets));
    }
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(Listing::of(shown, &page, |shown| shown.endpoint_id.to_string())))
}

/// An endpoint to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateEndpoint {
    /// `https`, without a name, a password or a fragment. Redirects are not followed.
    #[schema(example = "https://hooks.example/claviger", max_length = 2000)]
    url: String,
    /// For people.
    #[serde(default)]
    #[schema(max_length = 200)]
    description: Option<String>,
    /// What it is told of; left out or empty, everything, also what comes to be.
    #[serde(default)]
    #[schema(example = json!(["key.leaked", "key.revoked"]))]
    event_types: Vec<String>,
}

/// Adds a webhook endpoint
///
/// Its secret is in this answer alone. With an `Idempotency-Key`, the same request gets the same answer for 24 hours.
#[utoipa::path(
    post,
    path = "/v1/apps/{app}/webhooks",
    tag = "webhooks",
    request_body = CreateEndpoint,
    params(
        ("app" = String, Path, description = "The app"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send the request again"),
    ),
    responses(
        (status = 201, description = "The endpoint, with its secret", body = MadeSecretAnswer),
        (status = 200, description = "The same request had added it before", body = MadeSecretAnswer),
        (status = 404, body = Problem, description = "No such app"),
        (status = 409, body = Problem, description = "The app has as many endpoints as it may have, or the `Idempotency-Key` came with another request"),
    ),
    security(("key" = []), ("oauth" = ["webhooks:manage"]), ("session" = [])),
)]
pub(super) async fn create(
    Called { caller, body, .. }: Called<ToManageWebhooks, Body<CreateEndpoint>>,
    webhooks: Data<Webhooks>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let home = home(&caller, &path, CHANGES).await?;
    let once = once(&request, caller.name(), &body)?;
    let asked = body.value;
    let settings = Settings {
        url: url(&asked.url, &webhooks)?,
        description: description(asked.description)?,
        event_types: event_types(&asked.event_types)?,
    };
    let id = WebhookEndpointId::new(&webhooks.clock, &webhooks.entropy);
    let mut transaction = webhooks.db.begin().await?;
    if let Some(first) = caller
        .keys
        .made_before(&mut transaction, once.as_ref(), &id.to_string())
        .await?
    {
        drop(transaction);
        let id = endpoint_id(&first)?;
        let secret = webhooks
            .value_again(id, WebhookSecretId::from_uuid(id.uuid()))
            .await?
            .map(|secret| secret.expose().to_owned());
        return made(&webhooks, home.1, id, (StatusCode::OK, secret)).await;
    }
    let secret = webhooks
        .add(&mut transaction, id, home, &settings, caller.asker().by)
        .await?;
    transaction.commit().await?;
    let secret = Some(secret.value.expose().to_owned());
    made(&webhooks, home.1, id, (StatusCode::CREATED, secret)).await
}

/// One webhook endpoint
#[utoipa::path(
    get,
    path = "/v1/apps/{app}/webhooks/{endpoint}",
    tag = "webhooks",
    params(
        ("app" = String, Path, description = "The app"),
        ("endpoint" = String, Path, description = "The endpoint"),
    ),
    responses(
        (status = 200, description = "The endpoint; its `ETag` goes into `If-Match` of a change", body = EndpointAnswer),
        (status = 404, body = Problem, description = "No such endpoint"),
    ),
    security(("key" = []), ("oauth" = ["webhooks:manage"]), ("session" = [])),
)]
pub(super) async fn show(
    caller: Called<ToManageWebhooks>,
    webhooks: Data<Webhooks>,
    path: Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (app, id) = path.into_inner();
    let (_, app) = home(&caller, &app, None).await?;
    let (version, endpoint) = look(&webhooks, app, endpoint_id(&id)?).await?;
    Ok(versioned(StatusCode::OK, &version, endpoint))
}

/// What is to be changed of an endpoint; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeEndpoint {
    #[serde(default)]
    #[schema(max_length = 2000)]
    url: Option<String>,
    /// Null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 200)]
    #[allow(
        clippy::option_option,
        reason = "null takes away, and nothing leaves as it is"
    )]
    description: Option<Option<String>>,
    /// Empty is everything.
    #[serde(default)]
    event_types: Option<Vec<String>>,
    /// False switches it off: nothing more is sent to it, and what waits is given up. True switches it on again.
    #[serde(default)]
    enabled: Option<bool>,
}

#[allow(clippy::option_option, reason = "as in the struct")]
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Changes a webhook endpoint, or switches it off or on
#[utoipa::path(
    patch,
    path = "/v1/apps/{app}/webhooks/{endpoint}",
    tag = "webhooks",
    request_body = ChangeEndpoint,
    params(
        ("app" = String, Path, description = "The app"),
        ("endpoint" = String, Path, description = "The endpoint"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the endpoint that the change is made from"),
    ),
    responses(
        (status = 200, description = "The endpoint as it is now", body = EndpointAnswer),
        (status = 404, body = Problem, description = "No such endpoint"),
    ),
    security(("key" = []), ("oauth" = ["webhooks:manage"]), ("session" = [])),
)]
pub(super) async fn change(
    Called { caller, body, .. }: Called<ToManageWebhooks, Body<ChangeEndpoint>>,
    webhooks: Data<Webhooks>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (app, id) = path.into_inner();
    let home = home(&caller, &app, CHANGES).await?;
    let id = endpoint_id(&id)?;
    let asked = body.value;
    let url = asked.url.map(|text| url(&text, &webhooks)).transpose()?;
    let description = asked.description.map(description).transpose()?;
    let event_types = asked.event_types.as_deref().map(event_types).transpose()?;
    let change = |settings: &mut Settings| {
        if let Some(url) = url {
            settings.url = url;
        }
        if let Some(description) = description {
            settings.description = description;
        }
        if let Some(event_types) = event_types {
            settings.event_types = event_types;
        }
    };
    let version = if_match(&request)?;
    let by = caller.asker().by;
    let mut transaction = webhooks.db.begin().await?;
    webhooks
        .edit(&mut transaction, id, home, version.as_deref(), change, by)
        .await?;
    match asked.enabled {
        Some(true) => webhooks.switch_on(&mut transaction, id, home, by).await?,
        Some(false) => webhooks.switch_off(&mut transaction, id, home, by).await?,
        None => false,
    };
    transaction.commit().await?;
    let (version, endpoint) = look(&webhooks, home.1, id).await?;
    Ok(versioned(StatusCode::OK, &version, endpoint))
}

/// Deletes a webhook endpoint
///
/// Its secrets, and the list of what was sent to it, go too.
#[utoipa::path(
    delete,
    path = "/v1/apps/{app}/webhooks/{endpoint}",
    tag = "webhooks",
    params(
        ("app" = String, Path, description = "The app"),
        ("endpoint" = String, Path, description = "The endpoint"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, body = Problem, description = "No such endpoint"),
    ),
    security(("key" = []), ("oauth" = ["webhooks:manage"]), ("session" = [])),
)]
pub(super) async fn delete(
    caller: Called<ToManageWebhooks>,
    webhooks: Data<Webhooks>,
    path: Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (app, id) = path.into_inner();
    let home = home(&caller, &app, CHANGES).await?;
    let mut transaction = webhooks.db.begin().await?;
    webhooks
        .delete(&mut transaction, endpoint_id(&id)?, home, caller.asker().by)
        .await?;
    transaction.commit().await?;
    Ok(HttpResponse::NoContent().finish())
}
