//! After commit: waiting until no node can answer without what was recorded.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{
    Recorded, Revocations,
    memory::Moment,
    model::{Behind, Revocation},
    store,
};
use crate::types::{Fault, NodeId};

/// The first pause between two looks at the nodes; each further one is twice as long, up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));

impl Revocations {
    /// Puts what was recorded in force: here at once, then waits until no other node can answer without it.
    /// Call it after the commit, never without one.
    ///
    /// Alone, a node waits for one look into the database. Otherwise the wait ends when every other node
    /// has reported the sequence (milliseconds), and at the latest when the longest lease among those that
    /// have not is over, counted from here and now. If the database dies meanwhile, that limit holds all
    /// the same: no lease lasts longer without a renewal, and a renewal after the commit shows the entry.
    /// So there is nothing to fail.
    pub async fn settle(&self, recorded: Recorded) {
        let Some(sequence) = recorded.sequence else {
            return;
        };
        let memory = &self.shared.memory;
        let begun = Moment::now();
        let now = self.shared.clock.now();
        for Revocation { subject, until, .. } in &recorded.entries {
            memory.refuse(subject, *until, now);
        }
        // What was recorded here is in force here by now; what others recorded need not be.
        let own = self.shared.node.as_ref().map(|node| node.id);
        let own = own.filter(|_| !recorded.entries.is_empty());
        let (mut pause, longest_pause) = PAUSES;
        let mut first_look: Option<Vec<Behind>> = None;
        let mut limit = begun.plus(with_drift(self.shared.lease));
        loop {
            let left = limit.until();
            match timeout(left, self.behind(sequence, own)).await {
                Ok(Ok(behind)) if behind.is_empty() => return,
                Ok(Ok(behind)) => {
                    // Who enters after the commit reads what it wrote; only those of the first look matter
                    // for the limit.
                    if first_look.is_none() {
                        let longest = behind.iter().map(|node| node.lease).max().unwrap_or_default();
                        limit = Moment::now().plus(with_drift(longest));
                        first_look = Some(behind);
                    }
                }
                Ok(Err(fault)) => {
                    tracing::warn!(%fault, "cannot ask the other nodes; waiting out their leases");
                }
                Err(_) => {}
            }
            let left = limit.until();
            if left.is_zero() {
                break;
            }
            sleep(pause.min(left)).await;
            pause = pause.saturating_mul(2).min(longest_pause);
        }
        self.remove_silent(first_look.unwrap_or_default()).await;
    }

    async fn behind(&self, sequence: i64, own: Option<NodeId>) -> Result<Vec<Behind>, Fault> {
        store::behind(&mut *self.shared.db.connection().await?, sequence, own).await
    }

    /// Whoever has not renewed since the first look has no lease now, and need not be waited for again.
    async fn remove_silent(&self, nodes: Vec<Behind>) {
        let removed = timeout(self.shared.lease, async {
            let mut connection = self.shared.db.connection().await?;
            for node in nodes {
                store::remove_silent(&mut connection, node).await?;
            }
            Ok::<(), Fault>(())
        });
        if let Ok(Err(fault)) = removed.await {
            tracing::debug!(%fault, "silent nodes stay until they are swept up");
        }
    }
}

/// Two machines' clocks need not run equally fast: two in a hundred is far more than they differ.
fn with_drift(lease: Duration) -> Duration {
    lease.saturating_add(lease / 50)
}
