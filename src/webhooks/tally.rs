//! What this node has sent, and what all nodes have to send, for whoever watches the server.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{Webhooks, store};
use crate::types::Fault;

/// How an attempt went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    Delivered,
    /// It was answered with another status.
    Refused,
    /// It was answered with 410, for good.
    Gone,
    /// There was no answer.
    Unanswered,
}

impl Outcome {
    pub const ALL: [Self; 4] = [Self::Delivered, Self::Refused, Self::Gone, Self::Unanswered];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Gone => "gone",
            Self::Unanswered => "unanswered",
        }
    }
}

/// The counts of one node. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    attempts: [AtomicU64; Outcome::ALL.len()],
    given_up: AtomicU64,
    waiting: AtomicU64,
    late_by: AtomicU64,
}

impl Tally {
    pub(super) fn count(&self, outcome: Outcome, given_up: bool) {
        for (own, count) in Outcome::ALL.iter().zip(&self.0.attempts) {
            if *own == outcome {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
        if given_up {
            self.0.given_up.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Attempts of this node, by how they went.
    pub fn attempts(&self) -> impl Iterator<Item = (Outcome, u64)> {
        let counts = self.0.attempts.iter().map(|count| count.load(Ordering::Relaxed));
        Outcome::ALL.into_iter().zip(counts)
    }

    /// Deliveries that this node has given up.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.0.given_up.load(Ordering::Relaxed)
    }

    /// Deliveries that wait to be sent, of all nodes, when this was last looked at: counted up to ten thousand.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// For how many seconds the first of them has been due, then.
    #[must_use]
    pub fn late_by(&self) -> u64 {
        self.0.late_by.load(Ordering::Relaxed)
    }
}

impl Webhooks {
    /// Looks how much waits to be sent. For each node to do now and then.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn look_at_backlog(&self) -> Result<(), Fault> {
        let now = self.clock.now();
        let (waiting, late_by) = store::backlog(&mut *self.db.connection().await?, now).await?;
        self.tally.0.waiting.store(waiting, Ordering::Relaxed);
        self.tally.0.late_by.store(late_by, Ordering::Relaxed);
        Ok(())
    }
}
