//! One allowance on this node: its part in memory, and the one conversation with its row at a time. Requests that need
//! the row wait together for one answer. The conversation is a task of its own, so a client that goes away takes
//! nothing with it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, timeout, timeout_at},
};
use uuid::Uuid;

use super::{
    model::{AllowanceId, micros},
    part::{Answer, Ask, Holder, Now, Part},
    rows::{Rows, Versioned, shared},
    store::{self, News},
};
use crate::{
    db::Db,
    types::{Clock, Fault},
};

/// How long others may take to give back before what they hold counts as used, for this once.
const PATIENCE: Duration = Duration::from_secs(1);
/// While waiting for them, how long until the row is looked at although nothing was heard.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a conversation needs.
#[derive(Clone)]
pub(super) struct Means {
    pub(super) db: Db,
    pub(super) rows: Rows,
    pub(super) clock: Clock,
    pub(super) node: Uuid,
    pub(super) term: Arc<dyn Fn() -> Option<u64> + Send + Sync>,
    /// This node is about to stop: it takes what it needs for a request that is still to be answered, and no more.
    pub(super) leaves: Arc<AtomicBool>,
}

impl Means {
    pub(super) fn now(&self) -> Now {
        Now {
            micros: micros(self.clock.now()),
            term: (self.term)().filter(|_| !self.leaves()),
        }
    }

    fn leaves(&self) -> bool {
        self.leaves.load(Ordering::Acquire)
    }
}

/// Nodes that were found gone after the row had been read in this version. In a later one they may have come back.
#[derive(Default)]
struct Dead {
    version: i64,
    nodes: Vec<Uuid>,
}

pub(super) struct Pool<P: Part> {
    id: AllowanceId,
    part: Mutex<P>,
    queue: Mutex<Queue>,
    /// Held while the row is changed: the row as it was last seen, if that is known.
    known: tokio::sync::Mutex<Option<Versioned<P::Row>>>,
    /// Others have given back.
    given: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// Somebody answers.
    busy: bool,
}

struct Waiting {
    ask: Ask,
    answer: oneshot::Sender<Result<Answer, Arc<Fault>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<P: Part> Pool<P> {
    pub(super) fn new(id: AllowanceId, holder: Holder) -> Self {
        Self {
            id,
            part: Mutex::new(P::new(holder)),
            queue: Mutex::default(),
            known: tokio::sync::Mutex::new(None),
            given: Notify::new(),
        }
    }

    pub(super) const fn id(&self) -> &AllowanceId {
        &self.id
    }

    pub(super) fn part(&self) -> MutexGuard<'_, P> {
        lock(&self.part)
    }

    pub(super) fn is_busy(&self) -> bool {
        lock(&self.queue).busy
    }

    pub(super) fn heard_of_given(&self) {
        self.given.notify_waiters();
    }

    /// Asks the row, together with whoever else does.
    pub(super) async fn ask(self: &Arc<Self>, means: &Means, ask: Ask) -> Result<Answer, Fault> {
        let (answer, answered) = oneshot::channel();
        self.enqueue(means, Some(Waiting { ask, answer }));
        match answered.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(fault)) => Err(shared(&fault)),
            Err(_closed) => Err(Fault::unavailable("whoever asked for the limits was stopped")),
        }
    }

    /// Fetches more before somebody has to wait for it.
    pub(super) fn fetch_ahead(self: &Arc<Self>, means: &Means) {
        self.enqueue(means, None);
    }

    fn enqueue(self: &Arc<Self>, means: &Means, waiting: Option<Waiting>) {
        let mut queue = lock(&self.queue);
        let ahead = waiting.is_none();
        queue.waiting.extend(waiting);
        if queue.busy {
            return;
        }
        queue.busy = true;
        drop(queue);
        tokio::spawn(Arc::clone(self).serve(means.clone(), ahead));
    }

    /// Answers until nobody waits.
    async fn serve(self: Arc<Self>, means: Means, ahead: bool) {
        let mut turn = Turn(Some(&self));
        if ahead && let Err(fault) = self.change(&means, &[], &Dead::default()).await {
            tracing::debug!(%fault, "nothing was fetched ahead");
        }
        while let Some(waiting) = turn.next() {
            let asks: Vec<_> = waiting.iter().map(|waiting| waiting.ask).collect();
            match self.answer(&means, &asks).await {
                Ok(answers) => {
                    for (waiting, answer) in waiting.into_iter().zip(answers) {
                        let _gone = waiting.answer.send(Ok(answer));
                    }
                }
                Err(fault) => {
                    let fault = Arc::new(fault);
                    for waiting in waiting {
                        let _gone = waiting.answer.send(Err(Arc::clone(&fault)));
                    }
                }
            }
        }
    }

    async fn answer(&self, means: &Means, asks: &[Ask]) -> Result<Vec<Answer>, Fault> {
        let mut asks = asks.to_vec();
        let mut final_answers: Vec<Option<Answer>> = vec![None; asks.len()];
        let mut places: Vec<usize> = (0..asks.len()).collect();
        let mut dead = Dead::default();
        let until = Instant::now() + PATIENCE;
        loop {
            let given = self.given.notified();
            let mut given = std::pin::pin!(given);
            given.as_mut().enable();
            let (seen, answers) = self.change(means, &asks, &dead).await?;
            let mut open = Vec::new();
            for ((ask, place), answer) in asks.iter().zip(&places).zip(answers) {
                match (answer, final_answers.get_mut(*place)) {
                    (Some(answer), Some(slot)) => *slot = Some(answer),
                    _ => open.push((*ask, *place)),
                }
            }
            if open.is_empty() {
                break;
            }
            (asks, places) = open.into_iter().unzip();
            let others = P::others(&seen.row, means.node);
            if others.is_empty() || Instant::now() >= until {
                let part = self.part();
                for (ask, place) in asks.iter().zip(&places) {
                    if let Some(slot) = final_answers.get_mut(*place) {
                        *slot = Some(part.unproven(*ask));
                    }
                }
                break;
            }
            let mut connection = means.db.connection().await?;
            let alive = store::alive(&mut connection, &others).await?;
            let gone = others.iter().filter(|other| !alive.contains(other)).copied();
            dead = Dead {
                version: seen.version,
                nodes: gone.collect(),
            };
            // Those that seem gone are told too: the database's clock may have leapt.
            store::tell(&mut connection, &News::Recall(self.id, others)).await?;
            drop(connection);
            if dead.nodes.is_empty() {
                let _silent = timeout_at(until, timeout(LOOK_EVERY, given)).await;
            }
        }
        Ok(final_answers
            .into_iter()
            .map(|answer| answer.unwrap_or(Answer::Look))
            .collect())
    }

    /// Changes the row as the part plans it. Goes round again once, to read what it remembers anew, and whenever another
    /// node has changed the row meanwhile, which then has got on.
    async fn change(
        &self,
        means: &Means,
        asks: &[Ask],
        dead: &Dead,
    ) -> Result<(Versioned<P::Row>, Vec<Option<Answer>>), Fault> {
        let mut known = self.known.lock().await;
        loop {
            let remembered = known.is_some();
            let seen = self.see(means, &mut known).await?;
            let dead: &[Uuid] = if dead.version == seen.version {
                &dead.nodes
            } else {
                &[]
            };
            let now = means.now();
            if asks.is_empty() && means.leaves() {
                // What is fetched ahead now would not be given back any more.
                return Ok((seen, Vec::new()));
            }
            let (next, effect) = self.part().plan(&seen.row, now, asks, dead);
            let now_known = if next == seen.row {
                // No statement has shown that it is still so.
                if remembered {
                    continue;
                }
                seen
            } else {
                match means
                    .rows
                    .replace(self.id, seen.version, next, means.clock.now(), None)
                    .await?
                {
                    Some(written) => written,
                    None => continue,
                }
            };
            let answers = self.part().apply(&now_known.row, effect, now, asks);
            *known = Some(now_known.clone());
            return Ok((now_known, answers));
        }
    }

    /// Gives back what this node holds and has not used, and tells who asked for it.
    pub(super) async fn give_back(&self, means: &Means) -> Result<(), Fault> {
        let mut known = self.known.lock().await;
        loop {
            let remembered = known.is_some();
            let seen = self.see(means, &mut known).await?;
            let Some(next) = self.part().give_back(&seen.row, means.now()) else {
                if remembered {
                    continue;
                }
                self.part().given_back();
                *known = Some(seen);
                return Ok(());
            };
            let news = News::Given(self.id);
            let at = means.clock.now();
            let replaced = means.rows.replace(self.id, seen.version, next, at, Some(&news));
            if let Some(written) = replaced.await? {
                self.part().given_back();
                *known = Some(written);
                return Ok(());
            }
        }
    }

    /// The row as it is known, which is not known any more until it has been changed, or found to need no change.
    async fn see(
        &self,
        means: &Means,
        known: &mut Option<Versioned<P::Row>>,
    ) -> Result<Versioned<P::Row>, Fault> {
        match known.take() {
            Some(seen) => Ok(seen),
            None => means.rows.read(self.id).await,
        }
    }
}

/// Whoever answers. If it is stopped, those who wait are told, and the next request has another.
struct Turn<'p, P: Part>(Option<&'p Arc<Pool<P>>>);

impl<P: Part> Turn<'_, P> {
    /// Those who wait now; None, and the turn is over, if nobody does.
    fn next(&mut self) -> Option<Vec<Waiting>> {
        let mut queue = lock(&self.0?.queue);
        queue.waiting.retain(|waiting| !waiting.answer.is_closed());
        if queue.waiting.is_empty() {
            queue.busy = false;
            self.0 = None;
            return None;
        }
        Some(std::mem::take(&mut queue.waiting))
    }
}

impl<P: Part> Drop for Turn<'_, P> {
    fn drop(&mut self) {
        if let Some(pool) = self.0 {
            let mut queue = lock(&pool.queue);
            queue.waiting.clear();
            queue.busy = false;
        }
    }
}
