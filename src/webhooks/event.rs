use std::{fmt, str::FromStr};

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::types::{AppId, Fault};

/// Something that has happened to an app, for whoever it wants to be told.
#[derive(Clone, Debug)]
pub struct Event {
    pub app: AppId,
    pub kind: EventType,
    /// When it happened.
    pub at: OffsetDateTime,
    /// What there is to know of it; never a secret.
    pub data: Value,
}

/// A string that is no type of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no event of that name")]
pub struct InvalidEventType;

macro_rules! events {
    ($($name:ident = $text:literal, $sentence:literal;)+) => {
        /// What an endpoint may want to be told of. The names are kept for ever: receivers go by them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum EventType { $($name,)+ }

        impl EventType {
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// `key.created` and the like.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// The same in a person's words.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)+ }
            }
        }
    };
}

events! {
    KeyCreated = "key.created", "An API key was made";
    KeyRotated = "key.rotated", "An API key got a successor, or a new value";
    KeyRevoked = "key.revoked", "An API key was revoked";
    KeyExpiring = "key.expiring", "An API key ends in 14, 3 or 1 days";
    KeyExpired = "key.expired", "An API key has ended";
    KeyLeaked = "key.leaked", "An API key was found where it should not be";
    KeyLimitReached = "key.limit_reached", "An API key has used up its limit";
    GrantCreated = "grant.created", "Somebody signed in with a client of the app";
    GrantRevoked = "grant.revoked", "What a client held of somebody was taken back";
    GrantReplayed = "grant.replayed", "A used code or refresh token was presented again";
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EventType {
    type Err = InvalidEventType;

    fn from_str(text: &str) -> Result<Self, InvalidEventType> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.name() == text)
            .ok_or(InvalidEventType)
    }
}

/// The body of a message, as Standard Webhooks advises.
pub(super) fn payload(kind: &str, at: OffsetDateTime, data: &Value) -> Result<String, Fault> {
    let timestamp = at.format(&Rfc3339).map_err(Fault::internal)?;
    Ok(json!({"type": kind, "timestamp": timestamp, "data": data}).to_string())
}
