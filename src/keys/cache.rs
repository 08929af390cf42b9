//! This node's copies of keys that are good. They may be answered from, because whoever changes or revokes a key appends
//! to the revocation log and waits until every node has dropped its copy or lost its lease.

use std::{
    array,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use super::LiveKey;
use crate::{
    revocation::{Applied, Revocations, Subject},
    types::{ApiKeyId, AppId},
};

/// The digest of a key under the current pepper.
type Tag = [u8; 32];
type Shard = hashbrown::HashMap<Tag, Arc<LiveKey>>;

const SHARDS: usize = 64;
/// Keys in memory, some 600 bytes each. When a shard is full it begins anew: what is in use comes back by itself.
const MOST: usize = 256_000;

#[derive(Clone)]
pub(super) struct KeyCache(Arc<Copies>);

struct Copies {
    revocations: Revocations,
    shards: [RwLock<Shard>; SHARDS],
    /// Where the copy of each key is. Locked before a shard.
    tags: Mutex<HashMap<ApiKeyId, Tag>>,
}

impl KeyCache {
    pub(super) fn new(revocations: &Revocations) -> Self {
        let copies = Arc::new(Copies {
            revocations: revocations.clone(),
            shards: array::from_fn(|_| RwLock::default()),
            tags: Mutex::default(),
        });
        // The log outlives no server, and a strong reference from it to here would make both immortal.
        let applied_to = Arc::downgrade(&copies);
        revocations.on_applied(move |applied| {
            let Some(copies) = applied_to.upgrade() else {
                return;
            };
            match applied {
                Applied::Entry(Subject::ApiKey(id)) => copies.forget(*id),
                Applied::Entry(Subject::App(app)) => copies.forget_all(Some(*app)),
                Applied::Gap => copies.forget_all(None),
                Applied::Entry(_) => {}
            }
        });
        Self(copies)
    }

    /// A copy that this node may answer from now.
    pub(super) fn get(&self, tag: &Tag) -> Option<Arc<LiveKey>> {
        self.0.revocations.view().ok()?;
        let shard = self.0.shard(tag).read().unwrap_or_else(PoisonError::into_inner);
        shard.get(tag).cloned()
    }

    /// Ask before a key is read from the database; [`KeyCache::keep`] wants the answer.
    pub(super) fn epoch(&self) -> u64 {
        self.0.revocations.epoch()
    }

    /// Keeps a copy, unless anything was taken back since `epoch`: it may not be in what was read.
    pub(super) fn keep(&self, tag: Tag, key: &Arc<LiveKey>, epoch: u64) {
        let mut tags = self.0.tags();
        if self.0.revocations.epoch() != epoch {
            return;
        }
        let mut shard = self.0.shard(&tag).write().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= MOST / SHARDS {
            for gone in shard.values() {
                tags.remove(&gone.id);
            }
            shard.clear();
        }
        shard.insert(tag, key.clone());
        drop(shard);
        // A key that was read under another pepper before has another place.
        if let Some(before) = tags.insert(key.id, tag).filter(|before| *before != tag) {
            self.0.remove(&before);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.tags().len()
    }
}

impl Copies {
    fn tags(&self) -> MutexGuard<'_, HashMap<ApiKeyId, Tag>> {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[allow(
        clippy::indexing_slicing,
        reason = "an index into an array, reduced by its length"
    )]
    fn shard(&self, tag: &Tag) -> &RwLock<Shard> {
        let [.., last] = *tag;
        &self.shards[usize::from(last) % SHARDS]
    }

    fn remove(&self, tag: &Tag) {
        self.shard(tag)
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(tag);
    }

    fn forget(&self, id: ApiKeyId) {
        let mut tags = self.tags();
        if let Some(tag) = tags.remove(&id) {
            self.remove(&tag);
        }
    }

    /// Drops the copies of an app, or all.
    fn forget_all(&self, app: Option<AppId>) {
        let mut tags = self.tags();
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|_, key| {
                let stays = app.is_some_and(|app| key.app_id != app);
                if !stays {
                    tags.remove(&key.id);
                }
                stays
            });
        }
    }
}
