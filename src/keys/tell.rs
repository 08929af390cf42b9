//! What an app is told of its keys, by webhook: never a value, and not who did it, which is in the trail.

use diesel_async::AsyncPgConnection;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{ApiKey, Keys};
use crate::{
    types::Fault,
    webhooks::{self, Event, EventType},
};

/// Where a key was found that should be known to its holder alone.
#[derive(Clone, Copy, Debug)]
pub struct Leak<'l> {
    /// Who says so.
    pub source: &'l str,
    pub url: Option<&'l str>,
    /// Whether the key was revoked for it, which an event of its own says too.
    pub revoked: bool,
}

impl ApiKey {
    /// `key.leaked`, for [`webhooks::enqueue_all`] in the transaction that writes the record of it. None where there is no
    /// app any more that could be told.
    #[must_use]
    pub fn leaked(&self, leak: &Leak<'_>, at: OffsetDateTime) -> Option<Event> {
        let more = json!({"source": leak.source, "url": leak.url, "revoked": leak.revoked});
        self.event(EventType::KeyLeaked, at, &more)
    }

    /// Something that has happened to this key, with what there is to say beyond what it is. None where there is no app any
    /// more that could be told.
    pub(super) fn event(&self, kind: EventType, at: OffsetDateTime, more: &Value) -> Option<Event> {
        let mut data = json!({
            "key_id": self.id,
            "name": self.settings.name.as_str(),
            "display_hint": self.hint,
            "kind": self.kind.name(),
            "environment": self.environment,
            "scopes": self.settings.scopes.to_strings(),
            "expires_at": self.settings.expires_at.and_then(moment),
        });
        if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
            data.extend(more.clone());
        }
        Some(Event {
            app: self.app_id?,
            kind,
            at,
            data,
        })
    }
}

/// As in answers of the interface.
pub(super) fn moment(at: OffsetDateTime) -> Option<String> {
    at.format(&Rfc3339).ok()
}

impl Keys {
    /// Tells of what the caller's transaction does.
    pub(super) async fn tell(
        &self,
        connection: &mut AsyncPgConnection,
        event: Option<Event>,
    ) -> Result<(), Fault> {
        webhooks::enqueue_all(connection, &self.clock, &self.entropy, event.as_slice()).await
    }
}
