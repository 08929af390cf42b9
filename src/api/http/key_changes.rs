//! `/v1/keys/{id}`: changed, rotated, given another value.

use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use actix_web::{HttpRequest, HttpResponse, web::Path};
use serde::{Deserialize, Deserializer};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{
    answer::{ApiError, Problem},
    body::{Body, MaybeBody, if_match, once},
    caller::{Called, ToManageKeys},
    key_shape::{KeyAnswer, MadeAnswer},
    keys::{key_id, made, name, networks, one, scopes},
};
use crate::{
    keys::{Overlap, Settings},
    types::ApiKeyId,
};

/// What is to be changed; what is left out stays, and null takes a limit or an end away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(
    clippy::option_option,
    reason = "null takes away, and nothing leaves as it is"
)]
pub(super) struct ChangeKey {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    scopes: Option<Vec<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 999_999_999_999_999_u64)]
    rate_limit_per_hour: Option<Option<NonZeroU64>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 999_999_999_999_999_u64)]
    monthly_limit: Option<Option<NonZeroU64>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000_000)]
    per_second: Option<Option<NonZeroU32>>,
    #[serde(default, deserialize_with = "given_moment")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<OffsetDateTime>>,
    #[serde(default)]
    allowed_ips: Option<Vec<String>>,
}

/// Tells null from nothing.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[allow(clippy::option_option, reason = "as in the struct")]
fn given_moment<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<OffsetDateTime>>, D::Error> {
    time::serde::rfc3339::option::deserialize(deserializer).map(Some)
}

/// Changes a key
///
/// Every server knows when this answers.
#[utoipa::path(
    patch,
    path = "/v1/keys/{id}",
    tag = "keys",
    request_body = ChangeKey,
    params(
        ("id" = String, Path, description = "The key's id, never its value"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the key that the change is made from"),
    ),
    responses(
        (status = 200, description = "The key as it is now", body = KeyAnswer),
        (status = 409, body = Problem, description = "The key is revoked or has expired"),
    ),
    security(("key" = []), ("oauth" = ["keys:manage"]), ("session" = [])),
)]
pub(super) async fn change(
    Called { caller, body, .. }: Called<ToManageKeys, Body<ChangeKey>>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let asked = body.value;
    let name = asked.name.as_deref().map(name).transpose()?;
    let scopes = asked.scopes.as_deref().map(scopes).transpose()?;
    let networks = asked.allowed_ips.as_deref().map(networks).transpose()?;
    let change = |settings: &mut Settings| {
        if let Some(name) = name {
            settings.name = name;
        }
        if let Some(scopes) = scopes {
            settings.scopes = scopes;
        }
        if let Some(networks) = networks {
            settings.networks = networks;
        }
        if let Some(limit) = asked.rate_limit_per_hour {
            settings.limits.per_hour = limit;
        }
        if let Some(limit) = asked.monthly_limit {
            settings.limits.per_month = limit;
        }
        if let Some(limit) = asked.per_second {
            settings.limits.per_second = limit;
        }
        if let Some(end) = asked.expires_at {
            settings.expires_at = end;
        }
    };
    let version = if_match(&request)?;
    let key = caller
        .keys
        .change(key_id(&path)?, version.as_deref(), change, caller.asker())
        .await?;
    Ok(one(&caller, &key))
}

/// How a key is rotated.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateKey {
    /// Seconds for which the old key lives on, 0 to 259200 (72 hours); left out, as long as is configured.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 259_200)]
    overlap_seconds: Option<u64>,
    /// The old key lives on until it is retired.
    #[serde(default)]
    until_retired: bool,
}

/// Makes a successor of a key
///
/// It has the same settings; the old key lives on for the overlap.
#[utoipa::path(
    post,
    path = "/v1/keys/{id}/rotate",
    tag = "keys",
    request_body(content = Option<RotateKey>),
    params(
        ("id" = String, Path, description = "The key's id, never its value"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send the request again"),
    ),
    responses(
        (status = 201, description = "The successor, with its value", body = MadeAnswer),
        (status = 200, description = "The same request had made it before", body = MadeAnswer),
        (status = 409, body = Problem, description = "It was rotated already, is revoked, or has expired"),
    ),
    security(("key" = []), ("oauth" = ["keys:manage"]), ("session" = [])),
)]
pub(super) async fn rotate(
    Called { caller, body, .. }: Called<ToManageKeys, MaybeBody<RotateKey>>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let MaybeBody(body) = body;
    let asked = &body.value;
    let overlap = match (asked.until_retired, asked.overlap_seconds) {
        (true, Some(_)) => {
            return Err(ApiError::unsound(
                "until_retired",
                "say either how long the old key lives on, or that it does until it is retired",
            ));
        }
        (true, None) => Some(Overlap::UntilRetired),
        (false, seconds) => seconds.map(|seconds| Overlap::For(Duration::from_secs(seconds))),
    };
    let once = once(&request, caller.name(), &body)?;
    let successor = ApiKeyId::new(&caller.keys.clock, &caller.keys.entropy);
    let key = caller
        .keys
        .rotate(key_id(&path)?, successor, overlap, once.as_ref(), caller.asker())
        .await?;
    Ok(made(&caller, &key))
}

/// Gives a key a new value
///
/// Id and settings stay; the old value is good for nothing when this answers.
#[utoipa::path(
    post,
    path = "/v1/keys/{id}/regenerate",
    tag = "keys",
    params(
        ("id" = String, Path, description = "The key's id, never its value"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send the request again"),
    ),
    responses(
        (status = 201, description = "The key, with its new value", body = MadeAnswer),
        (status = 200, description = "The same request had made it before", body = MadeAnswer),
        (status = 409, body = Problem, description = "It is revoked or has expired"),
        (status = 413, body = Problem, description = "Too large"),
        (status = 415, body = Problem, description = "A body that is not JSON"),
    ),
    security(("key" = []), ("oauth" = ["keys:manage"]), ("session" = [])),
)]
pub(super) async fn regenerate(
    Called { caller, body, .. }: Called<ToManageKeys, MaybeBody<Nothing>>,
    request: HttpRequest,
    path: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let once = once(&request, caller.name(), &body.0)?;
    let key = caller
        .keys
        .regenerate(key_id(&path)?, once.as_ref(), caller.asker())
        .await?;
    Ok(made(&caller, &key))
}

/// A body that has nothing in it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}
