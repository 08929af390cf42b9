//! Webhooks: apps are told of events as Standard Webhooks 1.0.0 says.
//!
//! An act that is worth telling calls [`enqueue`] in its transaction: so what is told has happened, and what has happened
//! is told. The dispatcher of each node ([`Webhooks::start`]) claims what is due, signs it and sends it, at least once,
//! the oldest first and one at a time to each endpoint; what fails is tried again by a schedule of three days. One account
//! has a part of what is under way at the most: slow endpoints keep their own account waiting.
//!
//! The way out is [`Carrier`]: it connects to the very address that it has checked, follows nothing, and asks no proxy.

mod address;
mod carrier;
mod delivery;
mod dispatch;
mod edit;
mod event;
mod jobs;
mod model;
mod outbox;
mod secrets;
mod send;
mod sign;
mod store;
mod switch;
mod tally;
mod tell;
mod url;

pub use address::is_public;
pub use carrier::{Carrier, Resolve, SystemResolver};
pub use dispatch::Dispatching;
pub use edit::endpoints_of;
pub use event::{Event, EventType, InvalidEventType};
pub use jobs::jobs;
pub use model::{
    Attempt, Cursor, Delivery, DeliveryState, DisabledReason, Endpoint, Kind, Message, Page, Secret, Settings,
};
pub(crate) use outbox::Telling;
pub use outbox::{enqueue, enqueue_all, forget_app};
pub use secrets::{LeakedSecret, NewSecret, end_leaked_secrets, secret_digest, secrets_by_digest};
pub use tally::{Outcome, Tally};
pub use url::{EndpointUrl, InvalidEndpointUrl};

use std::sync::Arc;

use crate::{
    config::Config,
    crypto::Keyring,
    db::Db,
    identity::Mailer,
    types::{Clock, Entropy, Fault},
};

/// What secrets begin with.
pub const SECRET_BEGINNING: &str = sign::PREFIX;

/// All that the acts on webhooks, and their delivery, work with.
#[derive(Clone, Debug)]
pub struct Webhooks {
    pub db: Db,
    pub clock: Clock,
    pub entropy: Entropy,
    pub keyring: Keyring,
    pub config: Arc<Config>,
    pub mailer: Mailer,
    pub carrier: Carrier,
    pub tally: Tally,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("there is no such webhook endpoint")]
    NotFound,
    #[error("there is no such app")]
    NoApp,
    #[error("there is no such delivery to this endpoint")]
    NoDelivery,
    #[error(transparent)]
    Url(#[from] InvalidEndpointUrl),
    #[error(
        "the app has {0} webhook endpoints already, the most that webhooks.endpoints_per_app allows: delete one, or \
         raise it"
    )]
    TooMany(u32),
    #[error(
        "{} secrets sign already: wait until one has ended, or end them all",
        secrets::MOST
    )]
    TooManySecrets,
    /// The endpoint is switched off, or none of its secrets signs.
    #[error("nothing is sent to this endpoint now")]
    Silent,
    /// Somebody else was faster: it is decided anew by what is there now.
    #[error("it was changed meanwhile: look at it again")]
    Changed,
    #[error("{} tests wait to be sent to this endpoint already", send::MOST_TESTS)]
    TooManyTests,
    #[error("it is being sent at this moment")]
    UnderWay,
    /// It was made already; this is the same request again.
    #[error("it was made already")]
    Again,
    #[error(transparent)]
    Fault(#[from] Fault),
}
