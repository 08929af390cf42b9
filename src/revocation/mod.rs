//! Revocation: one append-only log in the database, and on each node the live part of it in memory.
//!
//! The promise: when [`Revocations::settle`] returns, no node accepts what was taken back. How it is kept:
//!
//! - Whoever revokes appends to the log in its own transaction ([`Revocations::record`]), under the one row
//!   of the head. So sequences have no gap, and become visible in their order.
//! - A node renews its **lease** by writing the sequence that it has applied into its row of `nodes`; the
//!   same statement shows it the head of the log. It extends the lease only after it has applied everything
//!   up to that head, and counts it on its own monotonic clock from *before* it sent the renewal. So a node
//!   that answers from memory without an entry sent its last renewal before that entry was committed, and
//!   stops at most one lease after the commit, whatever any time of day says.
//! - So a revoker waits until each node has reported the sequence, or one lease has passed since its commit.
//!   The database's clock is used only to tell rows whose node died more than a minute ago.
//! - A node that starts, or comes back, writes its row first, then reads the log, and only then answers: a
//!   revoker that committed too late to be read finds the row.
//! - Nodes hear of entries by NOTIFY, which says how long the log is, never what it holds; they read the log
//!   from where they were. A notification that is lost is made good by the next renewal, every quarter of a
//!   lease.
//! - An entry is dropped some minutes after its `until`, from memory and (by the job [`cleanup()`]) from the
//!   table. A node that finds entries gone that it never read says so to the hooks ([`Applied::Gap`]).
//!
//! All nodes follow one primary: a standby that lags would show an old head.

mod cleanup;
mod follow;
mod memory;
mod model;
mod settle;
mod store;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use diesel_async::AsyncPgConnection;
use time::OffsetDateTime;
use tokio::{sync::watch, task::JoinHandle};

pub use cleanup::cleanup;
pub use model::{Applied, Reason, Revocation, Subject};

use crate::{
    db::Db,
    types::{Clock, Entropy, Fault, NodeId},
};
use follow::Follower;
use memory::Memory;

/// This node's part: the log as far as it has applied it, and its lease.
#[derive(Clone)]
pub struct Revocations {
    shared: Arc<Shared>,
}

struct Shared {
    db: Db,
    clock: Clock,
    lease: Duration,
    memory: Arc<Memory>,
    /// None when detached.
    node: Option<Node>,
}

struct Node {
    id: NodeId,
    /// Dropped with the last clone, it stops the follower as a word through it does.
    stop: watch::Sender<()>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What a transaction recorded. After the commit it must be [settled](Revocations::settle).
#[derive(Debug)]
#[must_use = "a revocation is in force everywhere only once it is settled"]
pub struct Recorded {
    sequence: Option<i64>,
    entries: Vec<Revocation>,
}

impl Recorded {
    /// Nothing was taken back: settling it does nothing.
    pub const fn nothing() -> Self {
        Self {
            sequence: None,
            entries: Vec::new(),
        }
    }
}

impl Revocations {
    /// Enters this process as a node, loads the live part of the log, and starts to follow it. `lease` is
    /// how long the node answers from memory after it last heard from the database; `longest`, how long what it
    /// issues can live. Whoever revokes may be configured otherwise: the log keeps what lasts for the longest that
    /// any node ever said.
    ///
    /// # Errors
    ///
    /// If the database is out of reach or the log makes no sense.
    pub async fn join(
        db: Db,
        clock: Clock,
        entropy: Entropy,
        lease: Duration,
        longest: Duration,
    ) -> Result<Self, Fault> {
        store::keep_for(&mut *db.connection().await?, longest).await?;
        let memory = Arc::new(Memory::new());
        let id = NodeId::new(&clock, &entropy);
        let follower = Follower {
            db: db.clone(),
            clock: clock.clone(),
            memory: Arc::clone(&memory),
            node: id,
            lease,
        };
        let connection = follower.open().await?;
        let (stop, stopped) = watch::channel(());
        let task = Mutex::new(Some(tokio::spawn(follower.run(connection, stopped))));
        Ok(Self {
            shared: Arc::new(Shared {
                db,
                clock,
                lease,
                memory,
                node: Some(Node { id, stop, task }),
            }),
        })
    }

    /// For acts on the command line: records and settles, but is no node and does not answer from memory.
    /// `lease` is that of the nodes, by their configuration.
    #[must_use]
    pub fn detached(db: Db, clock: Clock, lease: Duration) -> Self {
        Self {
            shared: Arc::new(Shared {
                db,
                clock,
                lease,
                memory: Arc::new(Memory::new()),
                node: None,
            }),
        }
    }

    /// Appends to the log, as the **last** statement of the caller's transaction: it locks the head of the
    /// log until the transaction ends. `at` is the time of the act.
    ///
    /// # Errors
    ///
    /// If it could not be written; the act must then not happen either.
    pub async fn record(
        &self,
        connection: &mut AsyncPgConnection,
        at: OffsetDateTime,
        revocations: &[Revocation],
    ) -> Result<Recorded, Fault> {
        if revocations.is_empty() {
            return Ok(Recorded::nothing());
        }
        let (sequence, keep_seconds) = store::append(connection, at, revocations).await?;
        let least = at + time::Duration::seconds(keep_seconds);
        Ok(Recorded {
            sequence: Some(sequence),
            entries: revocations
                .iter()
                .map(|entry| Revocation {
                    until: if entry.until > at {
                        entry.until.max(least)
                    } else {
                        entry.until
                    },
                    ..*entry
                })
                .collect(),
        })
    }

    /// What has been recorded until now, by whomever. Settled, it waits until all of that is in force, here too: for
    /// an act that finds done what another one may still be waiting for.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn recorded_so_far(&self, connection: &mut AsyncPgConnection) -> Result<Recorded, Fault> {
        Ok(Recorded {
            sequence: Some(store::head(connection).await?),
            entries: Vec::new(),
        })
    }

    /// What this node may answer from memory now. Ask anew for each answer: it costs one look at a clock.
    ///
    /// # Errors
    ///
    /// [`Fault::Unavailable`] while the node has no lease: revocations may have escaped it.
    pub fn view(&self) -> Result<View<'_>, Fault> {
        if self.shared.memory.may_answer() {
            Ok(View {
                memory: &self.shared.memory,
            })
        } else {
            Err(Fault::unavailable(
                "out of touch with the revocation log for longer than the lease",
            ))
        }
    }

    /// Has `hook` called for every entry that is applied here from now on, before this node reports it. It
    /// must be quick, must not block, and must expect the same entry twice. Register hooks before the first
    /// request.
    pub fn on_applied(&self, hook: impl Fn(Applied<'_>) + Send + Sync + 'static) {
        self.shared.memory.add_hook(Box::new(hook));
    }

    /// A number that changes with every entry applied, before the hooks are called. A cache reads it before
    /// it reads from the database, and keeps what it read only if, under the lock that its hook takes too,
    /// the number is still the same. Otherwise an old copy could come in after the hook has passed.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.shared.memory.epoch()
    }

    /// This process among the nodes; None when detached.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        self.shared.node.as_ref().map(|node| node.id)
    }

    /// While this node's lease is fresh, a number that is the same for as long as it was so without a break: whoever held
    /// something under it has not been taken for dead since.
    #[must_use]
    pub fn term(&self) -> Option<u64> {
        self.shared.memory.term()
    }

    /// How much longer this node may answer from memory if it hears nothing more.
    #[must_use]
    pub fn lease_left(&self) -> Duration {
        self.shared.memory.lease_left()
    }

    /// Entries that this node holds in memory.
    #[must_use]
    pub fn held(&self) -> usize {
        self.shared.memory.len()
    }

    /// The last sequence that this node has applied.
    #[must_use]
    pub fn applied(&self) -> i64 {
        self.shared.memory.applied()
    }

    /// Stops following and answering, and takes the node out, so that no revoker waits for it. For every
    /// clone.
    pub async fn leave(self) {
        let Some(node) = &self.shared.node else {
            return;
        };
        node.stop.send_replace(());
        let task = node.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the task that follows the revocation log had failed");
        }
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations")
            .field("node", &self.shared.node.as_ref().map(|node| node.id))
            .field("applied", &self.applied())
            .field("entries", &self.shared.memory.len())
            .finish_non_exhaustive()
    }
}

/// What a node knows while its lease is fresh.
#[derive(Clone, Copy)]
pub struct View<'a> {
    memory: &'a Memory,
}

impl View<'_> {
    /// Whether the log takes `subject` back.
    #[must_use]
    pub fn is_revoked(&self, subject: &Subject) -> bool {
        self.memory.contains(subject)
    }
}
