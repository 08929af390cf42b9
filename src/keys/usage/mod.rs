//! What API keys are used for: counts by the minute, rolled up to hours and days; the last use and the last requests of each
//! key; and what of their use the audit trail keeps.
//!
//! Whoever judges a request calls [`Usage::record`], which touches memory alone. Every `usage.flush`, or as seldom as every
//! 15 seconds if there is very much, what was counted is written: see `write.rs` for how nothing is counted twice and nothing is lost while the database is away. The numbers are
//! read through [`report()`], which adds what the jobs have not rolled up yet, so that they are right at any time.

mod csv;
mod jobs;
mod memory;
mod model;
mod report;
mod requests;
mod store;
mod write;

use std::{
    fmt,
    sync::{Arc, Weak, atomic::Ordering::Relaxed},
    time::Duration,
};

use diesel_async::AsyncPgConnection;
use time::OffsetDateTime;
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::{memory::Memory, write::Writer};
use crate::{
    config::Config,
    crypto::{Keyring, Place},
    db::Db,
    types::{ApiKeyId, Clock, Entropy, Fault},
};

pub use csv::{LINES, csv};
pub use memory::OTHER_SCOPES;
pub use model::{Count, Outcome, Used};
pub use report::{Asked, Of, Point, Report, Resolution, Share, Span, Window, counts_by_key, report, series};
pub use requests::{PastRequest, PastRequests, last_requests};
pub use store::{
    keys::{KeyName, names_of_keys},
    read::{Line, lines},
};

/// Writing takes at most one in so many parts of the time: where very many keys are in use, it waits until more requests
/// share a row.
const TURNS: u32 = 20;
/// But no longer than this: what other nodes and pages know of a key's use is so old at the most.
const LONGEST: Duration = Duration::from_secs(15);

/// The counting of one node. Clones share it; it writes for as long as there is one.
#[derive(Clone)]
pub struct Usage(Arc<Counting>);

/// How the writing of what was counted goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Counts that are in memory alone.
    pub waiting: usize,
    /// Batches of them that this process has written.
    pub written: u64,
    /// Times that a batch could not be written; it is kept for the next turn.
    pub failed: u64,
}

struct Counting {
    db: Db,
    clock: Clock,
    keyring: Keyring,
    config: Arc<Config>,
    memory: Memory,
    writer: Writer,
}

impl Usage {
    /// Counts from now on, and writes every `usage.flush` unless there is very much.
    #[must_use]
    pub fn start(db: Db, clock: Clock, entropy: &Entropy, keyring: Keyring, config: Arc<Config>) -> Self {
        let usage = Self(Arc::new(Counting {
            writer: Writer::new(entropy.uuid(&clock)),
            db,
            clock,
            keyring,
            config,
            memory: Memory::default(),
        }));
        tokio::spawn(flush_now_and_then(Arc::downgrade(&usage.0)));
        usage
    }

    /// Counts one judged request. Nothing is waited for, and nothing is written yet.
    pub fn record(&self, used: Used<'_>) {
        self.0.memory.record(&used);
    }

    /// Writes what is in memory now.
    ///
    /// # Errors
    ///
    /// If the database is out of reach; it is all kept then, to be written another time.
    pub async fn flush(&self) -> Result<(), Fault> {
        self.0.flush().await
    }

    /// How the writing goes on.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let writer = self.0.writer.progress();
        Progress {
            waiting: self.0.memory.len().saturating_add(writer.in_hand.load(Relaxed)),
            written: writer.written.load(Relaxed),
            failed: writer.failed.load(Relaxed),
        }
    }

    /// Whether a key was used since then, as far as this node knows: other nodes may have uses of the last seconds to
    /// write.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn was_used(
        &self,
        connection: &mut AsyncPgConnection,
        key: ApiKeyId,
        since: OffsetDateTime,
    ) -> Result<bool, Fault> {
        // First the memory: what is taken from there in between is in the database, or on its way, when that is asked.
        Ok(self.0.memory.was_used(key, since)
            || self.0.writer.writes_use(key, since).await
            || store::last_use::was_used(connection, key, since).await?)
    }
}

impl Counting {
    async fn flush(&self) -> Result<(), Fault> {
        self.writer
            .write(&self.db, &self.keyring, &self.config.usage, || {
                self.memory.take(self.clock.now())
            })
            .await
    }
}

async fn flush_now_and_then(counting: Weak<Counting>) {
    let Some(every) = counting
        .upgrade()
        .map(|counting| counting.config.usage.flush.duration())
    else {
        return;
    };
    let mut turns = interval(every);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut due = Instant::now();
    loop {
        turns.tick().await;
        let Some(counting) = counting.upgrade() else {
            return;
        };
        let began = Instant::now();
        if began < due && !counting.memory.is_filling() {
            continue;
        }
        if let Err(fault) = counting.flush().await {
            tracing::warn!(%fault, "usage is not written; it is kept until the next turn");
        }
        due = began + (began.elapsed() * TURNS).min(LONGEST);
    }
}

/// Where the origin of a key's last use is sealed.
fn place(key: ApiKeyId) -> Place {
    Place::column("api_keys", "last_used_sealed", key)
}

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Usage")
    }
}
