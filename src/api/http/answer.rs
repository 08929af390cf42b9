//! What is answered when a request is refused: one shape, one table.

use std::time::Duration;

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    accounts::AppError,
    keys::{
        KeyError, Refusal,
        limits::{self, Standing},
    },
    types::{Environment, Fault, Scope},
    web::{current_request_id, whole_seconds},
    webhooks::WebhookError,
};

/// Every refusal.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    #[schema(example = false)]
    success: bool,
    /// What went wrong, for programs: `UNAUTHORIZED`, `INVALID_REQUEST`, `NOT_FOUND` …
    #[schema(example = "UNAUTHORIZED")]
    error: &'static str,
    /// The same for people, and what to mend.
    #[schema(example = "Invalid API key provided")]
    message: String,
    /// The parameter at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
    /// With `INSUFFICIENT_SCOPE`: the scope that is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    required_scope: Option<String>,
    /// With `RATE_LIMITED`: seconds until it makes sense to try again.
    #[serde(rename = "retryAfter", skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    /// Under which the request is in the server's log.
    request_id: String,
}

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum ApiError {
    /// Neither key nor token came.
    NoCredential,
    /// Unknown, revoked, malformed: all alike.
    InvalidCredential,
    Expired,
    /// A report that nobody has signed who may report, and why it is none.
    Unsigned(&'static str),
    WrongEnvironment {
        is: Environment,
        wanted: Environment,
    },
    AddressNotAllowed,
    InsufficientScope(Scope),
    RateLimited {
        retry_after: Duration,
        standing: Box<Standing>,
    },
    /// A key in the URL.
    KeyInQuery,
    /// A session of the dashboard, but no key on the account.
    NoLiveKey,
    /// A session of the dashboard, but not from a page of ours.
    Csrf,
    AddressUnverified,
    Forbidden,
    NotFound(&'static str),
    Unsound {
        field: Option<&'static str>,
        problem: String,
    },
    NotJson,
    TooLarge,
    Conflict(String),
    /// It is not what the caller last saw.
    PreconditionFailed,
    Fault(Fault),
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound => Self::InvalidCredential,
            Refusal::Expired => Self::Expired,
            Refusal::WrongEnvironment { is, wanted } => Self::WrongEnvironment { is, wanted },
            Refusal::AddressNotAllowed => Self::AddressNotAllowed,
            Refusal::InsufficientScope { required } => Self::InsufficientScope(required),
            Refusal::RateLimited {
                retry_after,
                standing,
                ..
            } => Self::RateLimited {
                retry_after,
                standing,
            },
        }
    }
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::NotFound => Self::NotFound("key"),
            KeyError::NoApp => Self::NotFound("app"),
            KeyError::Forbidden => Self::Forbidden,
            KeyError::Unsound { field, problem } => Self::Unsound {
                field: Some(field),
                problem,
            },
            KeyError::Changed => Self::PreconditionFailed,
            KeyError::TooMany(_)
            | KeyError::TooManyOnTheirWayOut(_)
            | KeyError::Over(_)
            | KeyError::Rotated(_)
            | KeyError::NotRotated
            | KeyError::InUse
            | KeyError::OtherRequest
            | KeyError::Again => Self::Conflict(error.to_string()),
            KeyError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<AppError> for ApiError {
    fn from(error: AppError) -> Self {
        match error {
            AppError::NotFound => Self::NotFound("app"),
            AppError::Forbidden => Self::Forbidden,
            AppError::TooMany(_) | AppError::Again => Self::Conflict(error.to_string()),
            AppError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<WebhookError> for ApiError {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::NotFound => Self::NotFound("webhook endpoint"),
            WebhookError::NoApp => Self::NotFound("app"),
            WebhookError::NoDelivery => Self::NotFound("delivery"),
            WebhookError::Url(invalid) => Self::unsound("url", invalid.to_string()),
            WebhookError::Changed => Self::PreconditionFailed,
            WebhookError::TooMany(_)
            | WebhookError::TooManySecrets
            | WebhookError::Silent
            | WebhookError::TooManyTests
            | WebhookError::UnderWay
            | WebhookError::Again => Self::Conflict(error.to_string()),
            WebhookError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl ApiError {
    pub(super) fn unsound(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Unsound {
            field: Some(field),
            problem: problem.into(),
        }
    }

    /// The name for programs, and the sentence.
    fn words(&self) -> (&'static str, String) {
        let (error, message) = match self {
            Self::NoCredential => (
                "UNAUTHORIZED",
                "No API key provided. Include your API key in the Authorization header.",
            ),
            Self::InvalidCredential => ("UNAUTHORIZED", "Invalid API key provided"),
            Self::Expired => ("UNAUTHORIZED", "API key has expired"),
            Self::Unsigned(why) => ("UNAUTHORIZED", *why),
            Self::WrongEnvironment { is, wanted } => {
                return (
                    "WRONG_ENVIRONMENT",
                    format!("This is a {is} key, and {wanted} was asked for"),
                );
            }
            Self::AddressNotAllowed => (
                "IP_NOT_ALLOWED",
                "This key is not allowed from this address: see its allowlist and that of its app",
            ),
            Self::InsufficientScope(scope) => {
                return (
                    "INSUFFICIENT_SCOPE",
                    format!("This needs the scope {scope}, which the key does not have"),
                );
            }
            Self::RateLimited { .. } => ("RATE_LIMITED", "Rate limit exceeded"),
            Self::KeyInQuery => (
                "UNAUTHORIZED",
                "API keys are not taken from the URL, which is kept in logs and histories: this key counts as leaked. \
                 Replace it, and send the new one in the Authorization header.",
            ),
            Self::NoLiveKey => (
                "API_KEY_REQUIRED",
                "A session may call this only while the account has a live API key: create one in the dashboard first.",
            ),
            Self::Csrf => (
                "CSRF",
                "A session must send the csrf_token of a page of this session in the header X-CSRF-Token.",
            ),
            Self::AddressUnverified => (
                "EMAIL_UNVERIFIED",
                "Confirm your e-mail address first: open the link that was sent to it.",
            ),
            Self::Forbidden => (
                "FORBIDDEN",
                "Your role does not reach so far: ask whoever owns the account.",
            ),
            Self::NotFound(what) => ("NOT_FOUND", not_found(what)),
            Self::Unsound { problem, .. } => return ("INVALID_REQUEST", problem.clone()),
            Self::NotJson => (
                "UNSUPPORTED_MEDIA_TYPE",
                "Send JSON, with Content-Type: application/json",
            ),
            Self::TooLarge => ("TOO_LARGE", "The request is larger than is accepted"),
            Self::Conflict(problem) => return ("CONFLICT", problem.clone()),
            Self::PreconditionFailed => (
                "PRECONDITION_FAILED",
                "It was changed meanwhile: read it again, and send its ETag in If-Match",
            ),
            Self::Fault(Fault::Unavailable(_)) => ("UNAVAILABLE", "Try again in a moment"),
            Self::Fault(Fault::Internal(_)) => ("INTERNAL", "The server failed"),
        };
        (error, message.to_owned())
    }
}

impl ApiError {
    /// The body of the answer.
    pub(super) fn problem(&self) -> Problem {
        let (error, message) = self.words();
        let mut problem = problem_of(error, &message);
        match self {
            Self::InsufficientScope(scope) => problem.required_scope = Some(scope.to_string()),
            Self::RateLimited { retry_after, .. } => problem.retry_after = Some(whole_seconds(*retry_after)),
            Self::Unsound { field, .. } => problem.field = *field,
            _ => {}
        }
        problem
    }

    /// The same, to be shown where no request is.
    pub(super) fn example(&self) -> Problem {
        Problem {
            request_id: "req_01m892s83efe5t0103dmrmhman".to_owned(),
            ..self.problem()
        }
    }
}

/// Every way to be refused that a caller can do something about: status, name for programs, sentence.
pub(super) fn refusals() -> Vec<(u16, &'static str, String)> {
    let scope = "write:orders".parse().map(ApiError::InsufficientScope);
    let all = [
        ApiError::NoCredential,
        ApiError::InvalidCredential,
        ApiError::Expired,
        ApiError::KeyInQuery,
        ApiError::WrongEnvironment {
            is: Environment::Live,
            wanted: Environment::Test,
        },
        ApiError::AddressNotAllowed,
    ];
    let rest = [
        ApiError::Forbidden,
        ApiError::AddressUnverified,
        ApiError::NoLiveKey,
        ApiError::Csrf,
        ApiError::NotFound("key"),
        ApiError::unsound(
            "name",
            "What cannot stand, and what to mend: the field is named in field",
        ),
        ApiError::Conflict("What stands in the way".to_owned()),
        ApiError::PreconditionFailed,
        ApiError::TooLarge,
        ApiError::NotJson,
        ApiError::RateLimited {
            retry_after: Duration::from_secs(1),
            standing: Box::default(),
        },
        ApiError::Fault(Fault::unavailable("")),
    ];
    let all = all.into_iter().chain(scope).chain(rest);
    let mut told: Vec<_> = all
        .map(|error| {
            let (name, message) = error.words();
            (error.status_code().as_u16(), name, message)
        })
        .collect();
    told.sort_by_key(|(status, ..)| *status);
    told
}

/// A refusal of what is no route of the interface.
pub(super) fn problem_of(error: &'static str, message: &str) -> Problem {
    Problem {
        success: false,
        error,
        message: message.to_owned(),
        field: None,
        required_scope: None,
        retry_after: None,
        request_id: current_request_id(),
    }
}

fn not_found(what: &str) -> &'static str {
    match what {
        "account" => "There is no such account, or it is not yours to see",
        "app" => "There is no such app, or it is not yours to see",
        "webhook endpoint" => "There is no such webhook endpoint, or it is not yours to see",
        "delivery" => "There is no such delivery to this endpoint, or it is not yours to see",
        _ => "There is no such key, or it is not yours to see",
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fault(fault) => std::fmt::Display::fmt(fault, f),
            other => f.write_str(other.words().0),
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NoCredential
            | Self::InvalidCredential
            | Self::Expired
            | Self::Unsigned(_)
            | Self::WrongEnvironment { .. }
            | Self::KeyInQuery => StatusCode::UNAUTHORIZED,
            Self::AddressNotAllowed
            | Self::InsufficientScope(_)
            | Self::NoLiveKey
            | Self::Csrf
            | Self::AddressUnverified
            | Self::Forbidden => StatusCode::FORBIDDEN,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Unsound { .. } => StatusCode::BAD_REQUEST,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::Fault(Fault::Unavailable(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Fault(Fault::Internal(_)) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        answer.insert_header((header::CACHE_CONTROL, "no-store"));
        match self {
            // RFC 6750 §3: without a credential there is a challenge and no error code.
            Self::NoCredential => {
                answer.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"claviger\""));
            }
            Self::InvalidCredential | Self::Expired | Self::WrongEnvironment { .. } | Self::KeyInQuery => {
                answer.insert_header((
                    header::WWW_AUTHENTICATE,
                    "Bearer realm=\"claviger\", error=\"invalid_token\"",
                ));
            }
            // RFC 9110 §15.5.2 wants a challenge; this one has the name of what is missing.
            Self::Unsigned(_) => {
                answer.insert_header((header::WWW_AUTHENTICATE, "Github-Public-Key-Signature"));
            }
            Self::InsufficientScope(scope) => {
                answer.insert_header((
                    header::WWW_AUTHENTICATE,
                    format!("Bearer realm=\"claviger\", error=\"insufficient_scope\", scope=\"{scope}\""),
                ));
            }
            Self::RateLimited {
                retry_after,
                standing,
            } => {
                let seconds = whole_seconds(*retry_after);
                answer.insert_header((header::RETRY_AFTER, HeaderValue::from(seconds)));
                for (name, value) in limit_headers(standing) {
                    answer.insert_header((name, value));
                }
            }
            Self::Fault(Fault::Unavailable(_)) => {
                answer.insert_header((header::RETRY_AFTER, HeaderValue::from(1)));
            }
            _ => {}
        }
        answer.json(self.problem())
    }
}

/// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers); none where there is no limit.
pub(super) fn limit_headers(standing: &Standing) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let policy = (
        HeaderName::from_static("ratelimit-policy"),
        limits::policy(standing),
    );
    let limit = (HeaderName::from_static("ratelimit"), limits::rate_limit(standing));
    [policy, limit].into_iter().filter_map(|(name, text)| {
        let text = text.filter(|text| !text.is_empty())?;
        Some((name, HeaderValue::from_str(&text).ok()?))
    })
}
