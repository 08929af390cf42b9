//! Background jobs: what runs now and then, on one node at a time. Each capability hands the [`Runner`] its
//! own [`Job`]s, which are idempotent and work in batches.
//!
//! A run holds a lock of its own database session, so it is alone among all nodes, and a node that dies
//! frees it. The table `jobs` says when each ran last, so that many nodes do not run it many times over.

mod run;
mod store;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use time::OffsetDateTime;

pub use run::{Run, Runner, Running};

use crate::{db::Db, types::Fault};

type Work =
    dyn Fn(Db, OffsetDateTime) -> Pin<Box<dyn Future<Output = Result<u64, Fault>> + Send>> + Send + Sync;

/// Something to be done now and then.
pub struct Job {
    name: &'static str,
    every: Duration,
    work: Box<Work>,
    runs: AtomicU64,
    failures: AtomicU64,
    rows: AtomicU64,
}

/// What a job did on this node since it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    pub job: &'static str,
    pub runs: u64,
    /// Of those, the ones that came to nothing.
    pub failures: u64,
    pub rows: u64,
}

impl Job {
    /// `work` is given the database and the time, and returns how many rows it dealt with. What it leaves
    /// undone when it fails, it finds again at its next turn, one `every` later.
    #[must_use]
    pub fn new<F>(
        name: &'static str,
        every: Duration,
        work: impl Fn(Db, OffsetDateTime) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<u64, Fault>> + Send + 'static,
    {
        Self {
            name,
            every,
            work: Box::new(move |db, now| Box::pin(work(db, now))),
            runs: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            rows: AtomicU64::new(0),
        }
    }

    /// `<capability>.<what it does>`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    fn count(&self, done: Option<u64>) {
        self.runs.fetch_add(1, Ordering::Relaxed);
        match done {
            Some(rows) => self.rows.fetch_add(rows, Ordering::Relaxed),
            None => self.failures.fetch_add(1, Ordering::Relaxed),
        };
    }

    fn tally(&self) -> Tally {
        Tally {
            job: self.name,
            runs: self.runs.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            rows: self.rows.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Job({} every {:?})", self.name, self.every)
    }
}
