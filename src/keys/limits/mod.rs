//! Limits of API keys: requests a second, an hour and a month, and a month's ceiling for an account. Never one over, and
//! never refused early, on one node or many.
//!
//! Each limit of each key is an **allowance**: one row that all nodes share, and on each node its part of it in memory
//! (`part`). What rows and parts do to each other is in `counted` (hours and months) and `burst` (seconds), without
//! any I/O; `pool` carries it out, and `take` asks all limits of a request at once. Why it is exact:
//!
//! - A row changes by one guarded statement that names the version that was read, so changes have one order, and each is
//!   computed from what was there.
//! - **Hours and months.** The row has what is used, and for each node what it was granted beyond; their sum never grows
//!   past the limit of whoever makes it grow, nor past that under which another node still holds something. A node takes
//!   only of its grant, and only under the limit under which it was granted, or a higher one. So however requests fall on
//!   nodes, none is allowed past the limit that it came with. A block is about what was used in the
//!   last second; between a quarter and a sixty-fourth of what is left, and what waits for it at the least.
//! - A request is refused only when the row has too little and no other node holds any. Nodes that hold some and are alive
//!   are **recalled**: told by NOTIFY, they give back at once. A node that is gone (its lease in `nodes` is over), or does
//!   not answer within a second, counts as having used what it holds. Once the row is known to have no more and nobody
//!   holds any, memory refuses by itself until the window ends.
//! - **Seconds** are a leaky bucket (`burst`), which is in one place at a time: in the memory of the one node that a claim
//!   in the row names, or in the row. A node that joins sees the claim and recalls it; a process that was killed leaves a
//!   bucket of which all is taken, which fills from there. Where two nodes use a key now and then, each batch of requests
//!   is decided at the row; where many wait on both, the bucket goes to and fro between them. To split a bucket between nodes would not be exact: what drains from one node's part
//!   while nobody asks there is lost to the others, or given twice.
//! - Windows are known by when they began, and each has its own row. A clock that is set back counts on in the earlier
//!   window where that stood, and locks nobody out of it. In seconds, a clock that is set back by more than one leaves
//!   the debt as it is; by less, time stands still until it was caught up. So nodes whose clocks differ a little do not
//!   drain a bucket twice. Nodes whose clocks differ by more than a
//!   second may each allow what their own second allows.
//! - What a node was granted is told to it in full each time, never by a difference, and a part of its memory that is
//!   begun anew has a new number: a grant whose answer was lost is found again, and one that nobody remembers counts as
//!   used.
//! - Without the database nothing is granted: what is in memory lasts as long as it does, then requests fail with
//!   [`Fault::Unavailable`].
//!
//! Requests that are not limited by a span are not counted by it: a limit that is set later counts from then on.

mod burst;
mod cleanup;
mod counted;
mod follow;
mod header;
mod model;
mod part;
mod pool;
mod registry;
mod rows;
mod store;
mod take;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use tokio::{sync::watch, task::JoinHandle, time::sleep_until};

pub use cleanup::cleanup;
pub use header::{policy, rate_limit};
pub use model::{Limits, Span, Stand, Standing, Verdict};

use crate::{
    db::Db,
    types::{AccountId, ApiKeyId, Clock, Fault, NodeId},
};
use model::{AllowanceId, Kind, micros};
use pool::Means;
use registry::Registry;
use rows::Rows;

/// Microseconds after which what nobody asks for is given back and forgotten.
const IDLE: i64 = 60_000_000;

/// This node's part of all limits. Clones share everything.
#[derive(Clone)]
pub struct Limiter {
    shared: Arc<Shared>,
    /// Dropped with the last clone, it stops the follower as a word through it does.
    follower: Arc<Follower>,
}

struct Follower {
    stop: watch::Sender<()>,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    means: Means,
    registry: Registry,
}

impl Limiter {
    /// Begins to hear what other nodes ask for. `node` is this process among them, as it is in the revocation log:
    /// others wait for what it holds while its lease there is fresh; `term` is that lease as the node itself knows it
    /// ([`Revocations::term`](crate::revocation::Revocations::term)).
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn join(
        db: Db,
        clock: Clock,
        node: NodeId,
        term: impl Fn() -> Option<u64> + Send + Sync + 'static,
    ) -> Result<Self, Fault> {
        let connection = follow::open(&db).await?;
        let node = node.uuid();
        let shared = Arc::new(Shared {
            means: Means {
                db: db.clone(),
                rows: Rows::start(db.clone()),
                clock,
                node,
                term: Arc::new(term),
                leaves: Arc::default(),
            },
            registry: Registry::new(node),
        });
        let (stop, stopped) = watch::channel(());
        let task = tokio::spawn(follow::run(db, connection, Arc::downgrade(&shared), stopped));
        Ok(Self {
            shared,
            follower: Arc::new(Follower {
                stop,
                task: Mutex::new(Some(task)),
            }),
        })
    }

    /// Takes `cost` of every limit, or of none. A cost of 0 only looks, and is always allowed. Touches memory only, while
    /// a block lasts. The caller's going away in the middle costs at most what it asked for.
    ///
    /// # Errors
    ///
    /// [`Fault::Unavailable`] if the database is needed and out of reach.
    pub async fn take(
        &self,
        key: ApiKeyId,
        account: AccountId,
        limits: &Limits,
        cost: u32,
    ) -> Result<Verdict, Fault> {
        self.shared.take(key, account, limits, cost).await
    }

    /// Gives back and forgets what nobody has asked for in the last minute. For each node to do now and then.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn sweep(&self) -> Result<(), Fault> {
        // What time it is then: whoever is asked of while this goes on is not idle. Only a clock that was set back leaves
        // what was asked of later than now.
        let is_idle = |touched: i64| {
            let now = micros(self.shared.means.clock.now());
            touched > now || now.saturating_sub(touched) >= IDLE
        };
        self.shared.give_back_all(is_idle).await?;
        self.shared.registry.forget(is_idle);
        Ok(())
    }

    /// Blocks of hours and months, and buckets of seconds, that this node holds now.
    #[must_use]
    pub fn blocks(&self) -> usize {
        let subjects = self.shared.registry.all();
        subjects.iter().map(|subject| subject.holds()).sum()
    }

    /// Gives back all that this node holds and has not used.
    ///
    /// # Errors
    ///
    /// If the database is out of reach; what was not given back counts as used.
    pub async fn give_back(&self) -> Result<(), Fault> {
        self.shared.give_back_all(|_| true).await
    }

    /// Gives back all, and stops hearing of other nodes: at a graceful stop, while this process is still a node. For every
    /// clone.
    ///
    /// # Errors
    ///
    /// As [`Limiter::give_back`].
    pub async fn leave(&self) -> Result<(), Fault> {
        self.shared.means.leaves.store(true, Ordering::Release);
        let given = self.give_back().await;
        self.follower.stop.send_replace(());
        let task = self
            .follower
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the task that hears of other nodes' limits had failed");
        }
        given
    }
}

impl Shared {
    /// Gives back what this node holds of one allowance, also what it no longer remembers.
    async fn give_back(&self, id: &AllowanceId) -> Result<(), Fault> {
        let subject = self.registry.subject(id.subject);
        match id.kind {
            Kind::Second => {
                let burst = self.registry.burst(&subject);
                let keeps_until = burst.part().keeps_until();
                if let Some(until) = keeps_until {
                    sleep_until(until).await;
                }
                burst.give_back(&self.means).await
            }
            kind => {
                let pool = self.registry.window(&subject, kind, id.began);
                pool.give_back(&self.means).await
            }
        }
    }

    fn heard_of_given(&self, id: &AllowanceId) {
        let Some(subject) = self.registry.find(id.subject) else {
            return;
        };
        if id.kind == Kind::Second
            && let Some(burst) = subject.burst()
        {
            burst.heard_of_given();
        }
        for pool in subject.windows().iter().filter(|pool| pool.id() == id) {
            pool.heard_of_given();
        }
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Limiter({})", self.shared.means.node)
    }
}
