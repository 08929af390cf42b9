//! `/v1/keys`: made, looked at, changed, rotated, taken back.

use std::num::{NonZeroU32, NonZeroU64};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::Path,
};
use ipnet::IpNet;
use serde::Deserialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{
    answer::{ApiError, Problem},
    body::{Body, Listing, Page, Params, once},
    caller::{Called, Caller, ToManageKeys},
    key_shape::{KeyAnswer, MadeAnswer},
};
use crate::{
    keys::{ApiKey, InvalidNetwork, KeyKind, Made, NewKey, OwnLimits, network},
    types::{ApiKeyId, AppId, DisplayName, Environment, ScopeSet},
};

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateKey {
    /// The app; a caller that is bound to one need not say.
    #[serde(default)]
    app_id: Option<String>,
    #[schema(example = "Billing sync", max_length = 80)]
    name: String,
    /// `sk` (secret), `pk` (publishable) or `rk` (restricted).
    #[serde(default = "secret")]
    #[schema(example = "sk", default = "sk")]
    kind: String,
    environment: Environment,
    /// What it may do; left out, what a key of its kind usually has.
    #[serde(default)]
    #[schema(example = json!(["read:orders"]))]
    scopes: Option<Vec<String>>,
    /// The form of the key; the deployment says which there are.
    #[serde(default = "default_family")]
    #[schema(default = "default")]
    family: String,
    /// Requests a clock hour.
    #[serde(default)]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 999_999_999_999_999_u64)]
    rate_limit_per_hour: Option<NonZeroU64>,
    /// Requests a calendar month (UTC).
    #[serde(default)]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 999_999_999_999_999_u64)]
    monthly_limit: Option<NonZeroU64>,
    /// Requests a second.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000_000)]
    per_second: Option<NonZeroU32>,
    /// When it ends; left out, never.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<OffsetDateTime>,
    /// Networks that it may be used from; left out or empty, anywhere.
    #[serde(default)]
    #[schema(example = json!(["203.0.113.0/24"]))]
    allowed_ips: Vec<String>,
}

fn secret() -> String {
    KeyKind::Secret.name().to_owned()
}

fn default_family() -> String {
    crate::config::DEFAULT_FAMILY.to_owned()
}

pub(super) fn scopes(texts: &[String]) -> Result<ScopeSet, ApiError> {
    texts
        .iter()
        .map(|text| text.parse())
        .collect::<Result<_, _>>()
        .map_err(|invalid: crate::types::InvalidScope| ApiError::unsound("scopes", invalid.to_string()))
}

pub(super) fn networks(texts: &[String]) -> Result<Vec<IpNet>, ApiError> {
    texts
        .iter()
        .map(|text| {
            network(text)
                .map_err(|invalid: InvalidNetwork| ApiError::unsound("allowed_ips", invalid.to_string()))
        })
        .collect()
}

pub(super) fn name(text: &str) -> Result<DisplayName, ApiError> {
    text.parse()
        .map_err(|invalid: crate::types::InvalidLine| ApiError::unsound("name", invalid.to_string()))
}

/// The app that is meant: the one that is named, or the caller's own.
fn app(caller: &Caller, named: Option<&str>) -> Result<AppId, ApiError> {
    match named {
        Some(text) => text.parse().map_err(|_cause| ApiError::NotFound("app")),
        None => caller
            .own_app()
            .ok_or_else(|| ApiError::unsound("app_id", "app_id is missing: say which app the key is for")),
    }
}

pub(super) fn key_id(path: &str) -> Result<ApiKeyId, ApiError> {
    path.parse().map_err(|_cause| ApiError::NotFound("key"))
}

fn shown(caller: &Caller, key: &ApiKey) -> KeyAnswer {
    KeyAnswer::of(
        key,
        caller.keys.clock.now(),
        &caller.keys.scopes_of_legacy(&key.family),
    )
}

pub(super) fn made(caller: &Caller, made: &Made) -> HttpResponse {
    // RFC 9110 §15.3.2: what was made is there now, whoever made it first.
    let status = if made.again {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::ETAG, format!("\"{}\"", made.key.version())))
        .json(MadeAnswer {
            key: made.value.as_ref().map(|value| value.expose().to_owned()),
            of: shown(caller, &made.key),
        })
}

pub(super) fn one(caller: &Caller, key: &ApiKey) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::ETAG, format!("\"{}\"", key.version())))
        .json(shown(caller, key))
}

fn listing(caller: &Caller, keys: &[ApiKey], page: &Page) -> HttpResponse {
    let shown: Vec<KeyAnswer> = keys.iter().map(|key| shown(caller, key)).collect();
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(Listing::of(shown, page, |key| key.key_id.to_string()))
}

/// All keys that the caller may see, newest first
///
/// Their values are not among what is shown.
#[utoipa::path(
    get,
    path = "/v1/keys",
    tag = "keys",
    params(
        ("limit" = Option<u32>, Query, description = "How many, 1 to 200", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the part before"),
    ),
    responses(
        (status = 200, description = "Some keys", body = Listing<KeyAnswer>),
    ),
    security(("key" = []), ("oauth" = ["keys:manage"]), ("session" = [])),
)]
pub(super) async fn list(caller: Called<ToManageKeys>, query: Params) -> Result<HttpResponse, ApiError> {
    let page = Page::of(&query)?;
    let keys = caller
        .keys
        .all_keys(page.before()?, page.most.saturating_add(1), caller.asker())
        .await?;
    Ok(listing(&caller, &keys, &page))
}

/// The keys of one app, newest first
#[utoipa::path(
    get,
    path = "/v1/apps/{app}/keys",
    tag = "keys",
    params(
        ("app" = String, Path, description = "The app"),
        ("limit" = Option<u32>, Query, description = "How many, 1 to 200", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the part before"),
    ),
    responses(
        (status = 200, description = "Some keys", body = Listing<KeyAnswer>),
    ),
    security(("key" = []), ("oauth" = ["keys:manage"]), ("session" = [])),
)]
pub(super) async fn list_of_app(
    caller: Called<ToManageKeys>,
    path: Path<String>,
    query: Params,
) -> Result<HttpResponse, ApiError> {
    let page = Page::of(&query)?;
    let app = app(&caller, Some(&path))?;
    let keys = caller
        .keys
        .keys_of_app(app, page.before()?, page.most.saturating_add(1), caller.asker())
        .await?;
    Ok(listing(&caller, &keys, &page))
}

/// Makes a key
///
/// Its value is in this answer alone. With an `Idempotency-Key`, the same request gets the same answer for 24 hours.
#[utoipa::path(
    post,
    path = "/v1/keys",
    tag = "keys",
    request_body = CreateKey,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send the request again")),
    responses(
        (status = 201, description = "The key, with its value", body = MadeAnswer),
        (status = 200, description = "The same request had made it before", body = MadeAnswer),
        (status = 404, body = Problem, description = "No such app"),
        (status = 409, body = Problem, description = "The app has as many keys as it may have, or the `Idempotency-Key` came with another request"),
    ),
    security(("key" = []), ("oauth" = ["keys:manage"]), ("session" = [])),
)]
pub(super) async fn create(
    Called { caller, body, .. }: Called<ToManageKeys, Body<CreateKey>>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let named = body.value.app_id.clone();
    create_in(&caller, &request, &body, app(&caller, named.as_deref())?).await
}

/// Makes a key of one app
#[utoipa::path(
    post,
    path = "/v1/apps/{app}/keys",
    tag = "keys",
    request_body = CreateKey,
    params(
        ("app" = String, Path, description = "The app"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send the request again"),
    ),
    responses(
        (status = 201, description = "The key, with its value", body = MadeAnswer),
        (status = 200, description = "The same request had made it before", body = MadeAnswer),
        (status = 409, body = Problem, description = "The app has as many keys as it may have, or the `Idempotency-Key` came with another request"),
    ),
    security(("key" = []), ("oauth" = ["keys:manage"]), ("session" = [])),
)]
pub(super) async fn create_of_app(
    Called { caller, body, .. }: Called<ToManageKeys, Body<CreateKey>>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let app = app(&caller, Some(&path))?;
    if body
        .value
        .app_id
        .as_deref()
        .is_some_and(|named| named != path.as_str())
    {
        return Err(ApiError::unsound(
            "app_id",
            "app_id is another app than the path names",
        ));
    }
    create_in(&caller, &request, &body, app).await
}

async fn create_in(
    caller: &Caller,
    request: &HttpRequest,
    body: &Body<CreateKey>,
    app: AppId,
) -> Result<HttpResponse, ApiError> {
    let asked = &body.value;
    let new = NewKey {
        app,
        family: asked.family.clone(),
        kind: asked
            .kind
            .parse()
            .map_err(|invalid: crate::keys::InvalidKeyKind| ApiError::unsound("kind", invalid.to_string()))?,
        environment: asked.environment,
        name: name(&asked.name)?,
        scopes: asked.scopes.as_deref().map(scopes).transpose()?,
        limits: OwnLimits {
            per_second: asked.per_second,
            per_hour: asked.rate_limit_per_hour,
            per_month: asked.monthly_limit,
        },
        expires_at: asked.expires_at,
        networks: networks(&asked.allowed_ips)?,
    };
    let once = once(request, caller.name(), body)?;
    let id = ApiKeyId::new(&caller.keys.clock, &caller.keys.entropy);
    let key = caller
        .keys
        .create(id, &new, once.as_ref(), caller.asker())
        .await?;
    Ok(made(caller, &key))
}

/// One key
#[utoipa::path(
    get,
    path = "/v1/keys/{id}",
    tag = "keys",
    params(("id" = String, Path, description = "The key's id, never its value")),
    responses(
        (status = 200, description = "The key; its `ETag` goes into `If-Match` of a change", body = KeyAnswer),
    ),
    security(("key" = []), ("oauth" = ["keys:manage"]), ("session" = [])),
)]
pub(super) async fn show(caller: Called<ToManageKeys>, path: Path<String>) -> Result<HttpResponse, ApiError> {
    let key = caller.keys.key(key_id(&path)?, caller.asker()).await?;
    Ok(one(&caller, &key))
}

/// Revokes a key
///
/// At once, everywhere, and for good: no server takes it when this answers.
#[utoipa::path(
    delete,
    path = "/v1/keys/{id}",
    tag = "keys",
    params(("id" = String, Path, description = "The key's id, never its value")),
    responses(
        (status = 200, description = "The tombstone", body = KeyAnswer),
    ),
    security(("key" = []), ("oauth" = ["keys:manage"]), ("session" = [])),
)]
pub(super) async fn revoke(
    caller: Called<ToManageKeys>,
    path: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let key = caller.keys.revoke(key_id(&path)?, caller.asker()).await?;
    Ok(one(&caller, &key))
}

/// Revokes a key of one app
#[utoipa::path(
    delete,
    path = "/v1/apps/{app}/keys/{id}",
    tag = "keys",
    params(
        ("app" = String, Path, description = "The app"),
        ("id" = String, Path, description = "The key's id, never its value"),
    ),
    responses(
        (status = 200, description = "The tombstone", body = KeyAnswer),
    ),
    security(("key" = []), ("oauth" = ["keys:manage"]), ("session" = [])),
)]
pub(super) async fn revoke_of_app(
    caller: Called<ToManageKeys>,
    path: Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (app_id, id) = path.into_inner();
    let app = app(&caller, Some(&app_id))?;
    let id = key_id(&id)?;
    let key = caller.keys.key(id, caller.asker()).await?;
    if key.app_id != Some(app) {
        return Err(ApiError::NotFound("key"));
    }
    let key = caller.keys.revoke(id, caller.asker()).await?;
    Ok(one(&caller, &key))
}
