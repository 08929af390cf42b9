//! A watch over one connection: a database that takes a statement and never answers (stopped, or behind a cable that
//! says nothing) must not hold a request for ever. The connection is closed, which fails whatever waits on it, and the
//! pool does not take it back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use diesel::connection::{Instrumentation, InstrumentationEvent};
use tokio::time::{MissedTickBehavior, interval};
use tokio_postgres::{Connection, Socket, tls::TlsStream};

/// What a connection waits for. Looked at a few times in the while that it may wait, so that a statement costs no look
/// at a clock.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Statements that were sent, and whose answer has not come.
    open: AtomicUsize,
    /// Changes with each statement sent and each answer.
    progress: AtomicU64,
}

/// Looks in the while that a statement may take.
const LOOKS: u32 = 4;

impl Watch {
    /// Forgets statements that nobody waits for any more: their answers are read by whoever asks next.
    pub(super) fn reset(&self) {
        self.0.open.store(0, Ordering::Relaxed);
    }

    fn waits_since(&self) -> Option<u64> {
        (self.0.open.load(Ordering::Relaxed) > 0).then(|| self.0.progress.load(Ordering::Relaxed))
    }

    /// Drives a connection to its end, or until no answer has come for longer than `patience`, by up to a half of it:
    /// the database itself is told to give a statement up after `patience`, and its word comes first if it has one.
    pub(super) async fn drive<S>(self, connection: Connection<Socket, S>, patience: Duration)
    where
        S: TlsStream + Unpin,
    {
        let mut connection = std::pin::pin!(connection);
        let mut looks = interval((patience / LOOKS).max(Duration::from_millis(1)));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut since, mut silent) = (None, 0);
        loop {
            tokio::select! {
                ended = &mut connection => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection to the database has ended");
                    }
                    return;
                }
                _ = looks.tick() => {}
            }
            let now = self.waits_since();
            silent = if now.is_some() && now == since {
                silent + 1
            } else {
                0
            };
            since = now;
            if silent > LOOKS {
                tracing::warn!(
                    ?patience,
                    "the database does not answer; the connection is given up"
                );
                return;
            }
        }
    }
}

impl Instrumentation for Watch {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartQuery { .. } => {
                self.0.open.fetch_add(1, Ordering::Relaxed);
            }
            InstrumentationEvent::FinishQuery { .. } => {
                // One from before a reset is not counted.
                let _ = self
                    .0
                    .open
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| open.checked_sub(1));
            }
            _ => return,
        }
        self.0.progress.fetch_add(1, Ordering::Relaxed);
    }
}
