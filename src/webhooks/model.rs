use std::time::Duration;

use time::OffsetDateTime;

use super::{EndpointUrl, EventType};
use crate::types::{AppId, Line, WebhookDeliveryId, WebhookEndpointId, WebhookMessageId, WebhookSecretId};

/// What the owner of an endpoint says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub url: EndpointUrl,
    /// For people.
    pub description: Option<Line<200>>,
    /// What it is told of; empty is everything, whatever comes to be.
    pub event_types: Vec<EventType>,
}

/// Why nothing is sent to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisabledReason {
    /// Its owner switched it off.
    Owner,
    /// It answered 410.
    Gone,
    /// Nothing but failures came of it for `webhooks.switch_off_after`.
    Failing,
}

impl DisabledReason {
    const ALL: [Self; 3] = [Self::Owner, Self::Gone, Self::Failing];

    /// The name in the database and in the trail.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// Where an app wants to be told of events.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub id: WebhookEndpointId,
    pub app_id: AppId,
    pub settings: Settings,
    /// Since when nothing is sent to it, and why.
    pub disabled: Option<(OffsetDateTime, DisabledReason)>,
    /// When the first attempt failed since the last one that did not.
    pub failing_since: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
    pub changed_at: OffsetDateTime,
}

impl Endpoint {
    /// The version that a change is made from (RFC 9110 §8.8.3).
    #[must_use]
    pub fn version(&self) -> String {
        format!("{:x}", self.changed_at.unix_timestamp_nanos() / 1_000)
    }
}

/// One of the secrets of an endpoint, without itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    pub id: WebhookSecretId,
    /// What may be shown: its first characters.
    pub hint: String,
    pub created_at: OffsetDateTime,
    pub expires_at: Option<OffsetDateTime>,
}

impl Secret {
    #[must_use]
    pub fn is_live(&self, now: OffsetDateTime) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// What a message is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Event(EventType),
    /// Sent to one endpoint because somebody wants to see whether it works.
    Test,
}

impl Kind {
    const TEST: &str = "webhook.test";

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event(kind) => kind.name(),
            Self::Test => Self::TEST,
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        if name == Self::TEST {
            return Some(Self::Test);
        }
        name.parse().ok().map(Self::Event)
    }
}

/// Something that was told.
#[derive(Clone, Debug)]
pub struct Message {
    /// As text, its `webhook-id`.
    pub id: WebhookMessageId,
    pub app_id: AppId,
    pub kind: Kind,
    /// The body, as it is sent.
    pub payload: String,
    pub created_at: OffsetDateTime,
}

/// How a message fares on its way to one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is due at [`Delivery::next_at`].
    Waiting,
    /// It is being sent.
    UnderWay,
    /// The endpoint has taken it.
    Delivered,
    /// It was given up.
    Failed,
}

/// A message on its way to one endpoint.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub id: WebhookDeliveryId,
    /// Which came first.
    pub place: i64,
    pub message_id: WebhookMessageId,
    pub endpoint_id: WebhookEndpointId,
    pub kind: Kind,
    pub state: DeliveryState,
    /// That failed, since it was last sent out or sent again.
    pub failures: i32,
    /// When it is tried next, while it waits.
    pub next_at: OffsetDateTime,
    pub created_at: OffsetDateTime,
    /// The last attempt, if there was one.
    pub last: Option<Attempt>,
}

/// One attempt at a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub at: OffsetDateTime,
    /// Of the answer, if there was one.
    pub status: Option<u16>,
    /// Why there was none.
    pub error: Option<String>,
    /// The beginning of the answer.
    pub answer: Option<String>,
    pub took: Duration,
}

impl Attempt {
    /// The status by which an endpoint says that it wants nothing more.
    pub(super) const GONE: u16 = 410;

    pub(super) fn is_gone(&self) -> bool {
        self.status == Some(Self::GONE)
    }

    /// Whether the endpoint has taken the message.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// Where a page of a list begins: after which, newest first; none is the newest.
pub type Cursor<T> = Option<T>;

/// Some of a list, newest first.
#[derive(Clone, Debug)]
pub struct Page<T, C> {
    pub items: Vec<T>,
    /// Where the next page begins, if there is one.
    pub next: Cursor<C>,
}

impl<T, C> Page<T, C> {
    /// Of up to one more than `most` rows.
    pub(super) fn of(mut items: Vec<T>, most: usize, cursor: impl Fn(&T) -> C) -> Self {
        let more = items.len() > most;
        items.truncate(most);
        let next = items.last().filter(|_| more).map(cursor);
        Self { items, next }
    }
}
