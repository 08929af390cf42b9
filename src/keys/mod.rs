//! API keys: who may call, for which app, for what, and how often. Account → app → key → scopes.
//!
//! A key's way: [`Keys::create`] → [`Keys::judge`] many thousand times a second → [`Keys::rotate`] or
//! [`Keys::regenerate`] → [`Keys::revoke`] or its end. What all keys of an app may do is its [`AppPolicy`]; how often is in
//! [`limits`], and how often they did in [`usage`].

mod act;
mod cache;
mod change;
pub mod coverage;
mod create;
mod default_key;
mod format;
mod in_query;
mod jobs;
mod leaked;
pub mod limits;
mod look;
mod model;
mod once;
mod policy;
mod reached;
mod regenerate;
mod remind;
mod revoke;
mod rotate;
mod scope;
mod store;
mod tally;
mod tell;
pub mod usage;
mod verify;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use time::OffsetDateTime;

pub use act::{Asker, KeyError, Reach};
pub use create::NewKey;
pub use default_key::DefaultKey;
pub use format::{Formats, Reading, compose};
pub use jobs::jobs;
pub use leaked::{ValueDigests, ValueOf};
pub use look::REMIND_AHEAD;
pub use model::{
    ApiKey, AppPolicy, InvalidKeyKind, InvalidNetwork, KeyKind, KeyState, OwnLimits, RevokedBecause,
    Settings, network,
};
pub use once::{Made, Once};
pub use revoke::revoke_keys_of_app;
pub use rotate::Overlap;
pub use scope::{drop_scope, hold_all_apps, records_of_loss, withhold_scope};
pub use tell::Leak;
pub use verify::{Judgement, LiveKey, Refusal, Seen, Wanted};

use crate::{
    config::Config,
    crypto::Keyring,
    db::Db,
    identity::Mailer,
    revocation::Revocations,
    types::{ApiKeyId, Clock, Entropy, Fault},
};
use cache::KeyCache;
use limits::Limiter;
use reached::Reached;
use tally::Tally;
use usage::Usage;

/// How long a request that is sent again with its `Idempotency-Key` gets the answer of the first one.
pub const IDEMPOTENT_FOR: Duration = Duration::from_hours(24);

/// All that the acts on API keys work with. Clones share everything.
#[derive(Clone)]
pub struct Keys {
    pub db: Db,
    pub clock: Clock,
    pub entropy: Entropy,
    pub keyring: Keyring,
    pub config: Arc<Config>,
    pub revocations: Revocations,
    pub formats: Arc<Formats>,
    /// None on the command line, where nothing is judged.
    limiter: Option<Limiter>,
    reached: Arc<Reached>,
    pub usage: Usage,
    mailer: Mailer,
    /// When the owner of a key was last warned that it came in a query.
    warned: Arc<Mutex<HashMap<ApiKeyId, OffsetDateTime>>>,
    cache: KeyCache,
    tally: Arc<Tally>,
}

impl Keys {
    #[must_use]
    #[allow(clippy::too_many_arguments, reason = "each is a thing of its own")]
    pub fn new(
        db: Db,
        clock: Clock,
        entropy: Entropy,
        keyring: Keyring,
        config: Arc<Config>,
        revocations: Revocations,
        mailer: Mailer,
        (limiter, usage): (Option<Limiter>, Usage),
    ) -> Self {
        Self {
            formats: Arc::new(Formats::of(&config.keys.families)),
            cache: KeyCache::new(&revocations),
            db,
            clock,
            entropy,
            keyring,
            config,
            revocations,
            limiter,
            reached: Arc::default(),
            usage,
            mailer,
            warned: Arc::default(),
            tally: Arc::default(),
        }
    }

    /// What this node does now and then for its limits: what nobody asks for is given back.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn sweep_limits(&self) -> Result<(), Fault> {
        match &self.limiter {
            Some(limiter) => limiter.sweep().await,
            None => Ok(()),
        }
    }

    /// Ends this node's part of the limits: what it holds and did not use goes back.
    pub async fn leave_limits(&self) {
        if let Some(limiter) = &self.limiter
            && let Err(fault) = limiter.leave().await
        {
            tracing::warn!(%fault, "what was held of limits counts as used");
        }
    }

    /// How many keys this process has judged, by the code of the answer.
    #[must_use]
    pub fn judged(&self) -> impl IntoIterator<Item = (&'static str, u64)> + use<> {
        self.tally.all()
    }

    /// Parts of limits that this node holds, to be used without asking the database.
    #[must_use]
    pub fn limit_blocks(&self) -> usize {
        self.limiter.as_ref().map_or(0, Limiter::blocks)
    }

    /// Keys of which this node has a copy.
    #[must_use]
    pub fn cached(&self) -> usize {
        self.cache.len()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} in memory)", self.cached())
    }
}
