//! `POST /v1/keys/verify`: a platform's service asks about the key that came with a request.

use std::{net::IpAddr, time::Instant};

use actix_web::{HttpResponse, http::header};
use serde::{Deserialize, Serialize, Serializer};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{
    answer::ApiError,
    body::Body,
    caller::{Called, ToVerifyKeys},
};
use crate::{
    keys::{Judgement, Refusal, Seen, Wanted, limits::Standing},
    types::{AccountId, ApiKeyId, AppId, Environment, Scope, ScopeSet},
    web::whole_seconds,
};

/// What a key is wanted for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// The key, as it came.
    #[schema(example = "sk_live_3XzphNCmUxF0v5jzl4J2XhkzWNqKL2HkghOwSBW1qE01HkzSh")]
    key: String,
    /// What it must be good for: one scope, or several with spaces between them. With `resource`, a verb is enough.
    #[serde(default)]
    #[schema(example = "read:orders")]
    scope: Option<String>,
    /// Where it is to be good.
    #[serde(default)]
    environment: Option<Environment>,
    /// Where the request came from. A key that is bound to addresses is refused without it.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "203.0.113.7")]
    ip: Option<IpAddr>,
    /// What the request is about, for the key's log: a path, or the resource of the scope.
    #[serde(default)]
    #[schema(example = "orders", max_length = 200)]
    resource: Option<String>,
    /// How many requests it counts as; 0 looks at the limits and takes nothing.
    #[serde(default = "one")]
    #[schema(minimum = 0, maximum = 1_000_000, default = 1)]
    cost: u32,
}

const fn one() -> u32 {
    1
}

const DEAREST: u32 = 1_000_000;
const LONGEST_RESOURCE: usize = 200;

impl Question {
    /// The scopes that are asked for. `{"scope": "read", "resource": "orders"}` is `read:orders`.
    fn scopes(&self) -> Result<Option<ScopeSet>, ApiError> {
        let Some(scope) = self.scope.as_deref() else {
            return Ok(None);
        };
        // A table of routes that lacks one would let every key pass.
        if scope.trim().is_empty() {
            return Err(ApiError::unsound(
                "scope",
                "scope is empty: leave it out if none is required",
            ));
        }
        let text = match &self.resource {
            Some(resource) if matches!(scope, "read" | "write" | "admin") => format!("{scope}:{resource}"),
            Some(_) | None => scope.to_owned(),
        };
        text.parse()
            .map(Some)
            .map_err(|invalid: crate::types::InvalidScope| ApiError::unsound("scope", invalid.to_string()))
    }

    fn check(&self) -> Result<(), ApiError> {
        if self.cost > DEAREST {
            return Err(ApiError::unsound("cost", format!("cost is 0 to {DEAREST}")));
        }
        let resource = self.resource.as_deref().unwrap_or_default();
        if resource.len() > LONGEST_RESOURCE || resource.chars().any(char::is_control) {
            return Err(ApiError::unsound(
                "resource",
                format!("resource is up to {LONGEST_RESOURCE} characters that can be seen"),
            ));
        }
        Ok(())
    }
}

/// Whether the key was good, and why not.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Code {
    Valid,
    /// Unknown, revoked, or not even a key: all alike.
    NotFound,
    Expired,
    WrongEnvironment,
    IpNotAllowed,
    InsufficientScope,
    RateLimited,
}

/// One limit, and how it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RateLimit {
    /// `second`, `hour`, `month`, or `account` (a month of all keys of the account).
    #[schema(example = "hour")]
    name: &'static str,
    /// Requests that it allows.
    limit: u64,
    /// Requests that are left.
    remaining: u64,
    /// Seconds until it allows as many again.
    reset: u64,
}

pub(super) fn rate_limits(standing: &Standing) -> Vec<RateLimit> {
    standing
        .iter()
        .map(|stand| RateLimit {
            name: stand.span.name(),
            limit: stand.quota,
            remaining: stand.remaining,
            reset: stand.reset,
        })
        .collect()
}

/// The answer. It is given with status 200 whenever the key could be judged.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Verification<'j> {
    valid: bool,
    code: Code,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    key_id: Option<ApiKeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    app_id: Option<AppId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    account_id: Option<AccountId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<Environment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    scopes: Option<Listed<'j>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratelimits: Option<Vec<RateLimit>>,
    #[serde(
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<OffsetDateTime>,
    /// With `INSUFFICIENT_SCOPE`: the first scope that is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    required_scope: Option<String>,
    /// With `RATE_LIMITED`: seconds until it makes sense to try again.
    #[serde(rename = "retryAfter", skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

/// Scopes as a list: elsewhere they are one string.
#[derive(Debug)]
struct Listed<'s>(&'s ScopeSet);

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Scope::as_str))
    }
}

impl<'j> Verification<'j> {
    fn of(judgement: &'j Judgement) -> Self {
        let key = judgement.key.as_deref();
        let (code, standing, required_scope, retry_after) = match &judgement.result {
            Ok(standing) => (Code::Valid, Some(standing), None, None),
            Err(refusal) => match refusal {
                Refusal::NotFound => (Code::NotFound, None, None, None),
                Refusal::Expired => (Code::Expired, None, None, None),
                Refusal::WrongEnvironment { .. } => (Code::WrongEnvironment, None, None, None),
                Refusal::AddressNotAllowed => (Code::IpNotAllowed, None, None, None),
                Refusal::InsufficientScope { required } => {
                    (Code::InsufficientScope, None, Some(required.to_string()), None)
                }
                Refusal::RateLimited {
                    retry_after,
                    standing,
                    ..
                } => (
                    Code::RateLimited,
                    Some(standing.as_ref()),
                    None,
                    Some(whole_seconds(*retry_after)),
                ),
            },
        };
        Self {
            valid: matches!(code, Code::Valid),
            code,
            key_id: key.map(|key| key.id),
            app_id: key.map(|key| key.app_id),
            account_id: key.map(|key| key.account_id),
            environment: key.map(|key| key.environment),
            scopes: key.map(|key| Listed(&key.scopes)),
            ratelimits: standing.map(rate_limits),
            expires_at: key.and_then(|key| key.expires_at),
            required_scope,
            retry_after,
        }
    }
}

/// Is this key good?
///
/// For the service behind an API, which asks about each request. The answer is 200 whenever the key could be judged:
/// look at `code`. It takes no `Idempotency-Key`: what is asked again counts again.
#[utoipa::path(
    post,
    path = "/v1/keys/verify",
    tag = "verification",
    request_body = Question,
    responses(
        (status = 200, description = "The key was judged", body = Verification),
    ),
    security(("key" = []), ("oauth" = ["keys:verify"])),
)]
#[allow(clippy::disallowed_methods, reason = "measures how long the answer took")]
pub(super) async fn verify(
    Called {
        caller,
        body: question,
        ..
    }: Called<ToVerifyKeys, Body<Question>>,
) -> Result<HttpResponse, ApiError> {
    let started = Instant::now();
    let question = question.value;
    question.check()?;
    let scopes = question.scopes()?;
    let wanted = Wanted {
        scope: scopes.as_ref(),
        environment: question.environment,
        address: question.ip,
        cost: question.cost,
    };
    let keys = &caller.keys;
    let judgement = keys.judge(&question.key, wanted).await?;
    let answer = Verification::of(&judgement);
    let seen = Seen {
        route: keys
            .formats
            .before_keys(question.resource.as_deref().unwrap_or("verify")),
        status: status(answer.code),
        user_agent: "",
        latency: started.elapsed(),
        request_id: &caller.context.request_id,
    };
    keys.count(&judgement, wanted, seen);
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(answer))
}

/// What the service is expected to answer.
const fn status(code: Code) -> u16 {
    match code {
        Code::Valid => 200,
        Code::NotFound | Code::Expired | Code::WrongEnvironment => 401,
        Code::IpNotAllowed | Code::InsufficientScope => 403,
        Code::RateLimited => 429,
    }
}
