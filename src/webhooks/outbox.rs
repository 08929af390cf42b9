//! The outbox: a message is written in the transaction of the act that it tells of, with a delivery for each endpoint that
//! wants to know.

use diesel_async::AsyncPgConnection;

use super::{
    event::{Event, payload},
    store,
};
use crate::types::{AppId, Clock, Entropy, Fault, WebhookMessageId};
use time::OffsetDateTime;

/// A message before it is written.
pub(crate) struct Telling {
    pub(super) id: WebhookMessageId,
    pub(super) app: AppId,
    pub(super) kind: &'static str,
    pub(super) payload: String,
    pub(super) at: OffsetDateTime,
}

impl Telling {
    /// # Errors
    ///
    /// If the time of the event cannot be written, which is in the year 10000.
    pub(crate) fn of(clock: &Clock, entropy: &Entropy, event: &Event) -> Result<Self, Fault> {
        let kind = event.kind.name();
        Ok(Self {
            id: WebhookMessageId::new(clock, entropy),
            app: event.app,
            kind,
            payload: payload(kind, event.at, &event.data)?,
            at: event.at,
        })
    }

    /// The parts of a statement that write it if the part `act` has rows: see [`crate::db::Together`].
    pub(crate) fn parts(&self) -> store::TellingParts<'_> {
        store::TellingParts::of(self)
    }
}

/// Tells whoever wants to know of an event, in the transaction of the act: one statement, which writes nothing where
/// nobody does.
///
/// # Errors
///
/// If it could not be written; the act must then not happen either.
pub async fn enqueue(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    entropy: &Entropy,
    event: &Event,
) -> Result<(), Fault> {
    enqueue_all(connection, clock, entropy, std::slice::from_ref(event)).await
}

/// The same for several events, in their order.
///
/// # Errors
///
/// As [`enqueue`].
pub async fn enqueue_all(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    entropy: &Entropy,
    events: &[Event],
) -> Result<(), Fault> {
    if events.is_empty() {
        return Ok(());
    }
    let tellings = events
        .iter()
        .map(|event| Telling::of(clock, entropy, event))
        .collect::<Result<Vec<_>, _>>()?;
    store::enqueue(connection, &tellings).await
}

/// Removes what was told of an app, in the transaction that removes the app. (Its endpoints go with its row.)
///
/// # Errors
///
/// If the database is out of reach.
pub async fn forget_app(connection: &mut AsyncPgConnection, app: AppId) -> Result<(), Fault> {
    store::delete_of_app(connection, app).await
}
