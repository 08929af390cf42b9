//! What this node knows of each key and account, spread over many maps so that two requests hardly ever meet.

use std::{
    array,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use hashbrown::HashMap;
use uuid::Uuid;

use super::{
    burst::Burst,
    counted::Counted,
    model::{AllowanceId, Kind},
    part::{Holder, Part as _},
    pool::Pool,
};

const SHARDS: usize = 64;

/// A key or an account.
pub(super) struct Subject {
    id: Uuid,
    /// Once a limit of seconds was asked of.
    burst: OnceLock<Arc<Pool<Burst>>>,
    /// This hour, this month, and whichever were asked of lately.
    windows: Mutex<Vec<Arc<Pool<Counted>>>>,
}

pub(super) struct Registry {
    node: Uuid,
    parts: AtomicU64,
    shards: [RwLock<HashMap<Uuid, Arc<Subject>>>; SHARDS],
}

impl Registry {
    pub(super) fn new(node: Uuid) -> Self {
        Self {
            node,
            parts: AtomicU64::new(0),
            shards: array::from_fn(|_| RwLock::default()),
        }
    }

    fn holder(&self) -> Holder {
        Holder {
            node: self.node,
            part: self.parts.fetch_add(1, Ordering::Relaxed),
        }
    }

    pub(super) fn find(&self, id: Uuid) -> Option<Arc<Subject>> {
        let shard = self.shard(id).read().unwrap_or_else(PoisonError::into_inner);
        shard.get(&id).map(Arc::clone)
    }

    pub(super) fn subject(&self, id: Uuid) -> Arc<Subject> {
        if let Some(found) = self.find(id) {
            return found;
        }
        let mut shard = self.shard(id).write().unwrap_or_else(PoisonError::into_inner);
        let subject = shard.entry(id).or_insert_with(|| {
            Arc::new(Subject {
                id,
                burst: OnceLock::new(),
                windows: Mutex::default(),
            })
        });
        Arc::clone(subject)
    }

    pub(super) fn burst<'s>(&self, subject: &'s Subject) -> &'s Arc<Pool<Burst>> {
        subject.burst.get_or_init(|| {
            let allowance = AllowanceId {
                subject: subject.id,
                kind: Kind::Second,
                began: 0,
            };
            Arc::new(Pool::new(allowance, self.holder()))
        })
    }

    pub(super) fn window(&self, subject: &Subject, kind: Kind, began: i64) -> Arc<Pool<Counted>> {
        let mut windows = subject.windows();
        if let Some(found) = windows
            .iter()
            .find(|pool| pool.id().kind == kind && pool.id().began == began)
        {
            return Arc::clone(found);
        }
        let id = AllowanceId {
            subject: subject.id,
            kind,
            began,
        };
        let pool = Arc::new(Pool::new(id, self.holder()));
        windows.push(Arc::clone(&pool));
        pool
    }

    pub(super) fn all(&self) -> Vec<Arc<Subject>> {
        self.shards
            .iter()
            .flat_map(|shard| {
                let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
                shard.values().map(Arc::clone).collect::<Vec<_>>()
            })
            .collect()
    }

    /// Forgets what `is_idle` (by when it was last asked) and holds nothing, and whoever has nothing left.
    pub(super) fn forget(&self, is_idle: impl Fn(i64) -> bool) {
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|_, subject| {
                // Whoever is about to ask has a share in it, and takes it under this lock.
                subject.windows().retain(|pool| {
                    let part = pool.part();
                    Arc::strong_count(pool) > 1 || pool.is_busy() || part.holds() || !is_idle(part.touched())
                });
                let needs_burst = subject.burst.get().is_some_and(|pool| {
                    let part = pool.part();
                    Arc::strong_count(pool) > 1 || part.holds() || !is_idle(part.touched())
                });
                Arc::strong_count(subject) > 1 || needs_burst || !subject.windows().is_empty()
            });
        }
    }

    /// Ids end in random bits, so their last byte spreads them evenly.
    #[allow(
        clippy::indexing_slicing,
        reason = "an index into an array, reduced by its length"
    )]
    fn shard(&self, id: Uuid) -> &RwLock<HashMap<Uuid, Arc<Subject>>> {
        let [.., last] = id.into_bytes();
        &self.shards[usize::from(last) % SHARDS]
    }
}

impl Subject {
    /// How many of its parts hold something.
    pub(super) fn holds(&self) -> usize {
        let windows = self.windows();
        let held = windows.iter().filter(|pool| pool.part().holds()).count();
        held + usize::from(self.burst().is_some_and(|burst| burst.part().holds()))
    }

    pub(super) fn burst(&self) -> Option<&Arc<Pool<Burst>>> {
        self.burst.get()
    }

    pub(super) fn windows(&self) -> MutexGuard<'_, Vec<Arc<Pool<Counted>>>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
