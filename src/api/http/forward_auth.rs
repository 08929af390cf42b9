//! `GET /v1/auth`: a proxy asks whether a request may pass (nginx `auth_request`, Traefik, Envoy, Caddy). It hands on the
//! `Authorization` of the request, and says what is required by headers or in the query; `deploy/forward-auth/`
//! has configurations of each.

use std::{borrow::Cow, time::Instant};

use actix_web::{
    Error, HttpRequest, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{self, HeaderName, HeaderValue},
    middleware::Next,
    web::Data,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    answer::{ApiError, limit_headers},
    body::Params,
    caller::{bearer, context, key_in_query},
};
use crate::{
    keys::{Formats, Keys, Seen, Wanted},
    oauth::{
        Authority,
        access_token::{self, Principal},
    },
    types::{Environment, ScopeSet},
};

/// What the proxy requires. Headers say the same: `X-Required-Scope`, `X-Required-Environment`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "says in the document what `required` reads")]
struct Requirements {
    /// All of these, with spaces between them.
    #[param(example = "read:orders")]
    scope: Option<String>,
    /// `live` or `test`; left out or empty, either.
    #[param(example = "live")]
    environment: Option<String>,
}

/// What a request must have to pass.
struct Required {
    scope: Option<ScopeSet>,
    environment: Option<Environment>,
}

const PATH: &str = "/v1/auth";

/// Whether the proxy has put the path of the request behind ours (Envoy). Then the query is the client's.
fn is_below(request: &HttpRequest) -> bool {
    request.path() != PATH
}

const SCOPE: &str = "scope";
const ENVIRONMENT: &str = "environment";
const REQUIRED_SCOPE: &str = "X-Required-Scope";
const REQUIRED_ENVIRONMENT: &str = "X-Required-Environment";

/// What a header says, empty or not. One that comes twice, or cannot be read, would otherwise let pass what it was meant to
/// stop.
fn in_header(request: &HttpRequest, name: &'static str) -> Result<Option<String>, ApiError> {
    let mut values = request.headers().get_all(name);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text.to_owned())),
        _ => Err(ApiError::unsound(
            name,
            format!("{name} is one value of ASCII characters"),
        )),
    }
}

/// The query that the proxy is configured with goes before headers, which it may hand on from the client if it is
/// configured to set neither. A proxy that is configured wrongly is told so, and lets nothing pass.
fn required(request: &HttpRequest, query: &Params) -> Result<Required, ApiError> {
    let below = is_below(request);
    if !below && query.names()?.any(|name| ![SCOPE, ENVIRONMENT].contains(&name)) {
        // Which one is not repeated: it may be a secret.
        let problem = format!("{PATH} takes {SCOPE} and {ENVIRONMENT} in its query, and nothing else");
        return Err(ApiError::Unsound { field: None, problem });
    }
    let says = |name: &'static str, header: &'static str| -> Result<Option<String>, ApiError> {
        let in_query = if below {
            None
        } else {
            query.read(name, "text", |text| Some(text.to_owned()))?
        };
        match in_query {
            Some(text) => Ok(Some(text)),
            None => in_header(request, header),
        }
    };
    let scope = says(SCOPE, REQUIRED_SCOPE)?;
    if below && scope.is_none() {
        let problem =
            format!("a proxy that puts paths behind {PATH} sets {REQUIRED_SCOPE}; empty if any key may pass");
        return Err(ApiError::unsound(REQUIRED_SCOPE, problem));
    }
    let scope = scope
        .filter(|text| !text.is_empty())
        .map(|text| match text.parse::<ScopeSet>() {
            Ok(scopes) if scopes.is_empty() => Err(ApiError::unsound(SCOPE, "the required scope is blank")),
            Ok(scopes) => Ok(scopes),
            Err(invalid) => Err(ApiError::unsound(SCOPE, invalid.to_string())),
        })
        .transpose()?;
    let environment = says(ENVIRONMENT, REQUIRED_ENVIRONMENT)?
        .filter(|text| !text.is_empty())
        .map(|text| {
            text.parse().map_err(|invalid: crate::types::InvalidEnvironment| {
                ApiError::unsound("environment", invalid.to_string())
            })
        })
        .transpose()?;
    Ok(Required { scope, environment })
}

/// The path that was asked for at the proxy, as it can be kept, and its query.
fn original(request: &HttpRequest, formats: &Formats) -> (String, String) {
    let own = request.uri().path_and_query().map_or("", |uri| uri.as_str());
    let own = own.strip_prefix(PATH).unwrap_or(own);
    let uri: Cow<'_, str> = if is_below(request) {
        own.into()
    } else {
        ["x-original-uri", "x-forwarded-uri", "x-original-url"]
            .iter()
            .find_map(|name| request.headers().get(*name))
            .map_or(own.into(), |value| String::from_utf8_lossy(value.as_bytes()))
    };
    let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
    let path = if path.is_empty() { PATH } else { path };
    let path = formats.before_keys(path).chars().take(200).collect();
    (path, query.to_owned())
}

/// May this request pass?
///
/// 200 with headers that say who calls, for the service behind the proxy; otherwise what the client is to be told, in the
/// body and, for proxies that drop it, in `X-Refusal`. A proxy that puts the path of the request behind this one (Envoy) is
/// answered too, by any method; then headers alone say what is required: `X-Required-Scope`, which must be there and may be
/// empty, and `X-Required-Environment`.
#[utoipa::path(
    method(get, post),
    path = "/v1/auth",
    tag = "verification",
    params(Requirements),
    responses(
        (status = 200, description = "It may pass. `X-Key-Id`, `X-App-Id`, `X-Account-Id`, `X-Environment` and `X-Scopes` \
            say who calls; for an access token, `X-Client-Id` and `X-User-Id`"),
    ),
    security(("key" = []), ("oauth" = [])),
)]
#[allow(clippy::disallowed_methods, reason = "measures how long the answer took")]
pub(super) async fn forward_auth(
    request: HttpRequest,
    query: Params,
    keys: Data<Keys>,
    authority: Data<Authority>,
) -> Result<HttpResponse, ApiError> {
    let started = Instant::now();
    let context = context(&request)?;
    let (path, original_query) = original(&request, &keys.formats);
    let mut queries = [request.query_string(), &original_query].into_iter();
    if let Some(key) = queries.find_map(|query| key_in_query(&keys, query)) {
        Box::pin(keys.sent_in_query(&key, &path, &context)).await?;
        return Err(ApiError::KeyInQuery);
    }
    let required = required(&request, &query)?;
    let credential = bearer(&request)?.ok_or(ApiError::NoCredential)?;
    if !keys.formats.begins(credential) {
        return Box::pin(by_token(&authority, credential, &required)).await;
    }
    let wanted = Wanted {
        scope: required.scope.as_ref(),
        environment: required.environment,
        address: Some(context.address),
        cost: 1,
    };
    let judgement = keys.judge(credential, wanted).await?;
    let result = judgement.result.clone();
    let answer = match (result, &judgement.key) {
        (Ok(standing), Some(key)) => {
            let mut answer = HttpResponse::Ok();
            for header in limit_headers(&standing) {
                answer.insert_header(header);
            }
            identify(
                &mut answer,
                [
                    ("x-key-id", key.id.to_string()),
                    ("x-app-id", key.app_id.to_string()),
                    ("x-account-id", key.account_id.to_string()),
                    ("x-environment", key.environment.to_string()),
                    ("x-scopes", key.scopes.to_string()),
                ],
            );
            Ok(answer.finish())
        }
        (Ok(_), None) => Err(ApiError::InvalidCredential),
        (Err(refusal), _) => Err(ApiError::from(refusal)),
    };
    let status = match &answer {
        Ok(answer) => answer.status(),
        Err(error) => actix_web::ResponseError::status_code(error),
    };
    let seen = Seen {
        route: &path,
        status: status.as_u16(),
        user_agent: &context.user_agent,
        latency: started.elapsed(),
        request_id: &context.request_id,
    };
    keys.count(&judgement, wanted, seen);
    answer
}

/// Repeats each refusal in a header, for proxies that drop the body (nginx's `auth_request`).
pub(super) async fn tell_in_header(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    let refusal = response.response().error().and_then(|error| {
        let refusal = error.as_error::<ApiError>()?;
        HeaderValue::try_from(serde_json::to_string(&refusal.problem()).ok()?).ok()
    });
    if let Some(refusal) = refusal {
        let name = HeaderName::from_static("x-refusal");
        response.headers_mut().insert(name, refusal);
    }
    Ok(response)
}

/// Access tokens act for people and services that are real, whatever their app tries out with its keys.
const OF_TOKENS: Environment = Environment::Live;

async fn by_token(
    authority: &Authority,
    credential: &str,
    required: &Required,
) -> Result<HttpResponse, ApiError> {
    let token = access_token::inspect(authority, credential)
        .await?
        .ok_or(ApiError::InvalidCredential)?;
    if let Some(wanted) = required.environment.filter(|wanted| *wanted != OF_TOKENS) {
        let is = OF_TOKENS;
        return Err(ApiError::WrongEnvironment { is, wanted });
    }
    if let Some(missing) = required.scope.as_ref().and_then(|scope| token.lacks(scope)) {
        return Err(ApiError::InsufficientScope(missing.clone()));
    }
    let mut answer = HttpResponse::Ok();
    identify(
        &mut answer,
        [
            ("x-client-id", token.client_id.to_string()),
            ("x-scopes", token.scopes.to_string()),
        ],
    );
    if let Principal::User { user, .. } = token.principal {
        identify(&mut answer, [("x-user-id", user.to_string())]);
    }
    Ok(answer.finish())
}

fn identify<const N: usize>(
    answer: &mut actix_web::HttpResponseBuilder,
    headers: [(&'static str, String); N],
) {
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.insert_header((HeaderName::from_static(name), value));
        }
    }
}
