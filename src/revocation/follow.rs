//! The task that follows the log on one connection of its own: hears of entries, applies them, reports, and
//! renews the lease.

use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

use diesel_async::AsyncPgConnection;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    memory::{Memory, Moment},
    model::Applied,
    store,
};
use crate::{
    db::Db,
    types::{Clock, Fault, NodeId},
};

/// Entries read in one statement.
const PAGE: i64 = 5_000;
/// After a connection broke, the first pause before the next attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// Least time that one statement gets, so that a short lease does not forbid a slow database.
const PATIENCE: Duration = Duration::from_secs(1);
/// Renewals between two sweeps of the memory.
const SWEEP_EVERY: u32 = 64;

pub(super) struct Follower {
    pub(super) db: Db,
    pub(super) clock: Clock,
    pub(super) memory: Arc<Memory>,
    pub(super) node: NodeId,
    pub(super) lease: Duration,
}

impl Follower {
    /// Connects, enters the node, and catches up; when it returns, the node may answer.
    pub(super) async fn open(&self) -> Result<AsyncPgConnection, Fault> {
        let mut connection = self.within(self.db.listening()).await?;
        // The row comes first: from then on revokers wait for this node. Only then what they wrote before
        // is read. The row is written durably, as the connection does not have its own setting yet.
        let begun = Moment::now();
        let head = self
            .within(store::register(
                &mut connection,
                self.node,
                self.memory.applied(),
                self.lease,
                self.clock.now(),
            ))
            .await?;
        self.within(store::listen(&mut connection)).await?;
        self.catch_up(&mut connection, head).await?;
        self.renewed(begun);
        Ok(connection)
    }

    /// Follows until told to stop, or until whoever could tell it is gone; then takes the node out.
    pub(super) async fn run(self, mut connection: AsyncPgConnection, mut stop: watch::Receiver<()>) {
        tokio::select! {
            _ = stop.changed() => {}
            never = self.follow_for_ever(&mut connection) => match never {},
        }
        // First it stops answering, then revokers stop waiting for it.
        self.memory.stop_answering();
        drop(connection);
        let gone = self
            .within(async {
                let mut connection = self.db.dedicated().await?;
                store::deregister(&mut connection, self.node).await
            })
            .await;
        if let Err(fault) = gone {
            tracing::debug!(%fault, node = %self.node, "the node's row stays until it is swept up");
        }
    }

    async fn follow_for_ever(&self, connection: &mut AsyncPgConnection) -> Infallible {
        let mut pause = FIRST_PAUSE;
        loop {
            if self.memory.may_answer() {
                pause = FIRST_PAUSE;
            }
            let Err(fault) = self.follow(connection).await;
            tracing::warn!(%fault, node = %self.node, "lost touch with the revocation log; trying again");
            loop {
                sleep(pause).await;
                pause = pause.saturating_mul(2).min(self.lease / 4);
                match self.open().await {
                    Ok(opened) => {
                        tracing::info!(node = %self.node, "following the revocation log again");
                        *connection = opened;
                        break;
                    }
                    Err(fault) => tracing::debug!(%fault, node = %self.node, "still out of touch"),
                }
            }
        }
    }

    /// Renews, catches up, waits for news or for the next renewal, and so on.
    async fn follow(&self, connection: &mut AsyncPgConnection) -> Result<Infallible, Fault> {
        let mut round = 0_u32;
        loop {
            loop {
                let begun = Moment::now();
                let reported = self.memory.applied();
                let head = self
                    .within(store::renew(connection, self.node, reported))
                    .await?
                    .ok_or_else(|| Fault::unavailable("the node was taken for dead; it enters anew"))?;
                self.catch_up(connection, head).await?;
                self.renewed(begun);
                if self.memory.applied() == reported {
                    break;
                }
            }
            round = round.wrapping_add(1);
            if round.is_multiple_of(SWEEP_EVERY) {
                self.memory.forget_expired(self.clock.now());
            }
            if let Ok(news) = timeout(self.lease / 4, self.news(connection)).await {
                let sequence = news?;
                self.catch_up(connection, sequence).await?;
            }
        }
    }

    /// Waits until the log is longer than what this node has applied.
    async fn news(&self, connection: &mut AsyncPgConnection) -> Result<i64, Fault> {
        loop {
            let sequence = store::notified(connection).await?;
            if sequence > self.memory.applied() {
                return Ok(sequence);
            }
        }
    }

    /// Applies every entry up to `head`, which is known to be committed, and whatever has come since.
    async fn catch_up(&self, connection: &mut AsyncPgConnection, head: i64) -> Result<(), Fault> {
        let mut applied = self.memory.applied();
        if head <= applied {
            return Ok(());
        }
        let mut whole = true;
        loop {
            let page = self.within(store::read(connection, applied, PAGE)).await?;
            let now = self.clock.now();
            for entry in &page {
                whole &= entry.sequence == applied.saturating_add(1);
                self.memory.apply(entry, now);
                applied = entry.sequence;
            }
            if i64::try_from(page.len()).is_ok_and(|read| read < PAGE) {
                break;
            }
        }
        if !whole || applied < head {
            self.memory.tell(Applied::Gap);
        }
        self.memory.set_applied(applied.max(head));
        Ok(())
    }

    /// A lease runs from before its renewal was sent, so it ends before anybody else can think it has.
    fn renewed(&self, begun: Moment) {
        self.memory.answer_until(begun.plus(self.lease));
    }

    /// A statement that hangs (a cut cable says nothing) is given up, and its connection with it.
    async fn within<T>(&self, statement: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        timeout(self.lease.max(PATIENCE), statement)
            .await
            .map_err(Fault::unavailable)?
    }
}
