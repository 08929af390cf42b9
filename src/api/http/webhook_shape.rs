//! Webhook endpoints, and what was sent to them, as they are shown.

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    types::{AppId, WebhookDeliveryId, WebhookEndpointId, WebhookMessageId, WebhookSecretId},
    webhooks::{Attempt, Delivery, DeliveryState, Endpoint, Message, Secret},
};

/// A secret that signs, without its value.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SecretAnswer {
    #[schema(value_type = String)]
    secret_id: WebhookSecretId,
    /// What it begins with, by which its owner knows it.
    #[schema(example = "whsec_9fQk")]
    display_hint: String,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    created_at: OffsetDateTime,
    /// Until when it signs beside the newer one; null is until it is rotated.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<OffsetDateTime>,
}

/// Where an app is told of events.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EndpointAnswer {
    #[schema(value_type = String, example = "whe_01m892s83efe5t0103dmrmhman")]
    pub(super) endpoint_id: WebhookEndpointId,
    #[schema(value_type = String)]
    app_id: AppId,
    url: String,
    description: Option<String>,
    /// What it is told of; empty is everything, also what comes to be.
    #[schema(example = json!(["key.leaked", "key.revoked"]))]
    event_types: Vec<&'static str>,
    enabled: bool,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    disabled_at: Option<OffsetDateTime>,
    /// `owner` (somebody switched it off), `gone` (it answered 410) or `failing` (it failed for days).
    disabled_reason: Option<&'static str>,
    /// When the first attempt failed since the last one that did not.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    failing_since: Option<OffsetDateTime>,
    /// Those that sign now, oldest first. Without any, nothing is sent until one is rotated in.
    secrets: Vec<SecretAnswer>,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    created_at: OffsetDateTime,
}

impl EndpointAnswer {
    pub(super) fn of(endpoint: &Endpoint, secrets: Vec<Secret>) -> Self {
        let settings = &endpoint.settings;
        Self {
            endpoint_id: endpoint.id,
            app_id: endpoint.app_id,
            url: settings.url.to_string(),
            description: settings.description.as_ref().map(ToString::to_string),
            event_types: settings.event_types.iter().map(|kind| kind.name()).collect(),
            enabled: endpoint.disabled.is_none(),
            disabled_at: endpoint.disabled.map(|(at, _)| at),
            disabled_reason: endpoint.disabled.map(|(_, reason)| reason.name()),
            failing_since: endpoint.failing_since,
            secrets: secrets
                .into_iter()
                .map(|secret| SecretAnswer {
                    secret_id: secret.id,
                    display_hint: secret.hint,
                    created_at: secret.created_at,
                    expires_at: secret.expires_at,
                })
                .collect(),
            created_at: endpoint.created_at,
        }
    }
}

/// An endpoint with the value of a secret that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeSecretAnswer {
    /// The secret itself: in this answer and no other. Null where the request came again and the secret has ended since.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    pub(super) secret: Option<String>,
    #[serde(flatten)]
    pub(super) of: EndpointAnswer,
}

/// An answer that must not be kept, with the version that a change is made from.
pub(super) fn versioned(status: StatusCode, version: &str, body: impl Serialize) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::ETAG, format!("\"{version}\"")))
        .json(body)
}

/// One attempt to deliver something.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AttemptAnswer {
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    at: OffsetDateTime,
    /// Of the answer, if there was one.
    status: Option<u16>,
    /// Why there was none.
    error: Option<String>,
    /// The beginning of the answer.
    answer: Option<String>,
    took_ms: u64,
}

impl From<Attempt> for AttemptAnswer {
    fn from(attempt: Attempt) -> Self {
        Self {
            at: attempt.at,
            status: attempt.status,
            error: attempt.error,
            answer: attempt.answer,
            took_ms: u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// A message on its way to one endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryAnswer {
    #[schema(value_type = String)]
    delivery_id: WebhookDeliveryId,
    /// The `webhook-id` of each attempt.
    #[schema(value_type = String)]
    message_id: WebhookMessageId,
    #[schema(example = "key.revoked")]
    event_type: &'static str,
    /// `waiting`, `under_way`, `delivered` or `failed` (given up).
    state: &'static str,
    /// Attempts that failed, since it was last sent out or sent again.
    failures: i32,
    /// When it is tried next; null where it is not.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    created_at: OffsetDateTime,
}

impl From<&Delivery> for DeliveryAnswer {
    fn from(delivery: &Delivery) -> Self {
        Self {
            delivery_id: delivery.id,
            message_id: delivery.message_id,
            event_type: delivery.kind.name(),
            state: match delivery.state {
                DeliveryState::Waiting => "waiting",
                DeliveryState::UnderWay => "under_way",
                DeliveryState::Delivered => "delivered",
                DeliveryState::Failed => "failed",
            },
            failures: delivery.failures,
            next_attempt_at: (delivery.state == DeliveryState::Waiting).then_some(delivery.next_at),
            created_at: delivery.created_at,
        }
    }
}

/// The same in a list, with how it was last answered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ListedDeliveryAnswer {
    #[serde(flatten)]
    of: DeliveryAnswer,
    last_attempt: Option<AttemptAnswer>,
}

impl From<Delivery> for ListedDeliveryAnswer {
    fn from(delivery: Delivery) -> Self {
        Self {
            of: DeliveryAnswer::from(&delivery),
            last_attempt: delivery.last.map(AttemptAnswer::from),
        }
    }
}

/// The same with what is sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WholeDeliveryAnswer {
    #[serde(flatten)]
    of: DeliveryAnswer,
    /// The body, byte for byte.
    body: String,
}

impl WholeDeliveryAnswer {
    pub(super) fn of(delivery: &Delivery, message: Message) -> Self {
        Self {
            of: delivery.into(),
            body: message.payload,
        }
    }
}
