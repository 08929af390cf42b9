//! The dispatcher of a node: claims what is due and sends it, woken by what acts write to the outbox, by what it has just
//! sent, and by the clock.

use std::time::Duration;

use diesel_async::AsyncPgConnection;
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use super::{
    Webhooks,
    store::{self, Room},
};
use crate::types::Fault;

/// How much longer than an attempt may take its claim holds: for the database, and clocks of nodes that differ.
const CLAIM_MARGIN: Duration = Duration::from_mins(1);
/// One account has this part of what may be under way at the most, and one place at least.
const PART: usize = 8;
/// How long a dispatcher relies on being woken.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Before the database is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// A dispatcher that runs. Dropped, it ends without a word: what it had claimed is sent by another, or the next one.
#[derive(Debug)]
pub struct Dispatching {
    stop: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Dispatching {
    /// Lets attempts that are under way come to their end, and begins no other.
    pub async fn stop(mut self) {
        self.stop.send_replace(());
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "the dispatcher of webhooks had failed");
        }
    }
}

impl Drop for Dispatching {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Webhooks {
    /// Starts the dispatcher of this node.
    #[must_use]
    pub fn start(&self) -> Dispatching {
        let (stop, stopped) = watch::channel(());
        let task = tokio::spawn(self.clone().dispatch(stopped));
        Dispatching { stop, task }
    }

    async fn dispatch(self, mut stopped: watch::Receiver<()>) {
        let mut under_way = JoinSet::new();
        let mut ears: Option<AsyncPgConnection> = None;
        loop {
            // It listens before it looks, so that nothing is written unheard in between.
            let pause = match self.look(&mut ears, &mut under_way).await {
                Ok(pause) => pause,
                Err(fault) => {
                    tracing::warn!(%fault, "webhooks wait: the outbox is out of reach");
                    ears = None;
                    PAUSE
                }
            };
            tokio::select! {
                _ = stopped.changed() => break,
                heard = heard(ears.as_mut()) => if let Err(fault) = heard {
                    tracing::warn!(%fault, "the outbox is not heard");
                    ears = None;
                },
                Some(ended) = under_way.join_next() => if let Err(error) = ended {
                    tracing::error!(%error, "a webhook's task had failed; it is sent again");
                },
                () = sleep(pause) => {}
            }
        }
        drop(ears);
        while under_way.join_next().await.is_some() {}
    }

    /// Sends what is due, as far as there is room, and says when to look again.
    async fn look(
        &self,
        ears: &mut Option<AsyncPgConnection>,
        under_way: &mut JoinSet<()>,
    ) -> Result<Duration, Fault> {
        if ears.is_none() {
            let mut opened = self.db.listening().await?;
            store::listen(&mut opened).await?;
            *ears = Some(opened);
        }
        let places = self.config.webhooks.concurrency;
        let free = places.saturating_sub(under_way.len());
        if free == 0 {
            return Ok(LOOK_EVERY);
        }
        let now = self.clock.now();
        let until = now + self.config.webhooks.timeout.duration() + CLAIM_MARGIN;
        let claim = self.entropy.uuid(&self.clock);
        let room = Room {
            most: i64::try_from(free).map_err(Fault::internal)?,
            of_account: i64::try_from(places / PART).map_err(Fault::internal)?.max(1),
        };
        let mut connection = self.db.connection().await?;
        // Asked first: once something is claimed, nothing may go wrong before it is sent.
        let next = store::next_due(&mut connection, now).await?;
        let claimed = store::claim(&mut connection, claim, now, until, &room).await?;
        drop(connection);
        for claimed in claimed {
            let webhooks = self.clone();
            under_way.spawn(async move {
                if let Err(fault) = webhooks.deliver(&claimed).await {
                    tracing::error!(%fault, delivery = %claimed.id, "webhook not dealt with; it is sent again");
                }
            });
        }
        let wait = next.map_or(LOOK_EVERY, |next| (next - now).try_into().unwrap_or_default());
        Ok(wait.min(LOOK_EVERY))
    }
}

/// Waits for word of the outbox; for ever, without ears.
async fn heard(ears: Option<&mut AsyncPgConnection>) -> Result<(), Fault> {
    match ears {
        Some(ears) => store::notified(ears).await,
        None => std::future::pending().await,
    }
}
