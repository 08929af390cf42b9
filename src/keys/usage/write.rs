//! How what was counted comes into the database.
//!
//! A batch that was taken out of memory stays as it is until all of it is written; meanwhile the next one gathers. Counts are
//! added in one transaction with the number of their batch, which is taken once: a batch that is sent again, because the
//! database went away before it answered, adds nothing if it had arrived. What is written of each key beside its counts may
//! be written twice and is the same.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use time::OffsetDateTime;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{
    memory::{Batch, Counted, SeenKey, Sight},
    place,
    store::{
        counts,
        keys::{self, KeyNow},
        last_use::{self, LastUse},
        samples,
    },
};
use crate::{
    audit::{Action, Actor, Record, Subject},
    config,
    crypto::{Keyring, Origin},
    db::Db,
    types::{ApiKeyId, ClientContext, Fault},
};

/// Counts in one statement.
const CHUNK: usize = 5_000;
/// Keys in one transaction: their rows are locked while it lasts.
const KEYS: usize = 500;

/// Writes one batch after another.
pub(super) struct Writer {
    id: Uuid,
    state: Mutex<State>,
    progress: Progress,
}

/// How the writing goes on, for metrics.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Counts that were taken out of memory and are not in the database yet.
    pub(super) in_hand: AtomicUsize,
    /// Batches of which all is written.
    pub(super) written: AtomicU64,
    /// Times that it came to nothing: what was to be written is kept, and written another time.
    pub(super) failed: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Of the last batch that was taken.
    number: i64,
    /// What is left of it to be written.
    batch: Batch,
}

impl Writer {
    pub(super) fn new(id: Uuid) -> Self {
        Self {
            id,
            state: Mutex::default(),
            progress: Progress::default(),
        }
    }

    pub(super) const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Writes what is left of the last batch, then what `take` gives.
    pub(super) async fn write(
        &self,
        db: &Db,
        keyring: &Keyring,
        config: &config::Usage,
        take: impl FnOnce() -> Batch,
    ) -> Result<(), Fault> {
        let mut state = self.state.lock().await;
        let written = async {
            self.finish(&mut state, db, keyring, config).await?;
            let batch = take();
            if batch.is_empty() {
                return Ok(());
            }
            state.number += 1;
            state.batch = batch;
            self.progress.in_hand.store(state.batch.counts.len(), Relaxed);
            self.finish(&mut state, db, keyring, config).await?;
            self.progress.written.fetch_add(1, Relaxed);
            Ok(())
        }
        .await;
        self.progress.in_hand.store(state.batch.counts.len(), Relaxed);
        self.progress
            .failed
            .fetch_add(u64::from(written.is_err()), Relaxed);
        written
    }

    /// Whether a use of this key that is not older than `since` is in the batch that is being written.
    pub(super) async fn writes_use(&self, key: ApiKeyId, since: OffsetDateTime) -> bool {
        let state = self.state.lock().await;
        state
            .batch
            .keys
            .iter()
            .any(|seen| seen.key == key && seen.seen.last.as_ref().is_some_and(|last| last.at >= since))
    }

    async fn finish(
        &self,
        state: &mut State,
        db: &Db,
        keyring: &Keyring,
        config: &config::Usage,
    ) -> Result<(), Fault> {
        let batch = &mut state.batch;
        if !batch.counts.is_empty() {
            self.add(db, state.number, batch).await?;
            batch.counts.clear();
        }
        while !batch.keys.is_empty() {
            let chunk = batch.keys.len().min(KEYS);
            let first = batch.keys.get(..chunk).unwrap_or_default();
            write_keys(db, keyring, first).await?;
            batch.keys.drain(..chunk);
        }
        if !batch.samples.is_empty() {
            let mut keys: Vec<ApiKeyId> = batch.samples.iter().map(|sample| sample.key).collect();
            keys.sort_unstable();
            keys.dedup();
            let most = i64::from(config.requests_per_key);
            samples::trim(&mut *db.connection().await?, &keys, most).await?;
            batch.samples.clear();
        }
        Ok(())
    }

    /// Adds counts and samples, unless that has been done.
    async fn add(&self, db: &Db, number: i64, batch: &mut Batch) -> Result<(), Fault> {
        // In one order on all nodes, so that no two wait for each other.
        batch
            .counts
            .sort_unstable_by(|one, other| order(one).cmp(&order(other)));
        let newest = batch.counts.iter().map(|counted| counted.at).max();
        let at = newest.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let mut transaction = db.begin().await?;
        if counts::is_new(&mut transaction, self.id, number, at).await? {
            for chunk in batch.counts.chunks(CHUNK) {
                counts::add(&mut transaction, chunk).await?;
            }
            samples::insert(&mut transaction, &batch.samples).await?;
            transaction.commit().await?;
        }
        Ok(())
    }
}

fn order(counted: &Counted) -> (ApiKeyId, OffsetDateTime, &str, &str) {
    (counted.key, counted.at, &counted.scope, counted.outcome.name())
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.keys.is_empty() && self.samples.is_empty()
    }
}

/// Last uses, and the records of what is worth one, in one transaction.
async fn write_keys(db: &Db, keyring: &Keyring, seen: &[SeenKey]) -> Result<(), Fault> {
    let mut transaction = db.begin().await?;
    let ids: Vec<ApiKeyId> = seen.iter().map(|seen| seen.key).collect();
    let rows = keys::lock(&mut transaction, &ids).await?;
    let mut uses = Vec::new();
    let mut records = Vec::new();
    let mut bounded = Vec::new();
    for seen_key in seen {
        // One that is gone has nobody who would ask.
        let Some(now) = rows.get(&seen_key.key) else {
            continue;
        };
        if let Some(last) = &seen_key.seen.last
            && now.last_used_at.is_none_or(|before| before < last.at)
        {
            uses.push(LastUse {
                key: seen_key.key,
                at: last.at,
                sealed: sealed(keyring, seen_key.key, last)?,
            });
            if now.last_used_at.is_none() {
                let first = seen_key.seen.first.as_ref().unwrap_or(last);
                records.push(record(Record::done, Action::KeyFirstUsed, seen_key, now, first));
            }
        }
        if let Some(moved) = moved(keyring, seen_key, now) {
            bounded.push(record(Record::done, Action::KeyMoved, seen_key, now, moved));
        }
        if let Some((outcome, sight)) = &seen_key.seen.refused {
            let refused = record(Record::refused, Action::KeyRefused, seen_key, now, sight);
            bounded.push(Noted {
                record: refused.record.detail("reason", outcome.name()),
                ..refused
            });
        }
    }
    last_use::write(&mut transaction, &uses).await?;
    let asked: Vec<_> = bounded
        .iter()
        .map(|noted| (noted.key, noted.action, noted.at))
        .collect();
    let may = last_use::may_note(&mut transaction, &asked).await?;
    bounded.retain(|noted| may.contains(&(noted.key, noted.action)));
    records.append(&mut bounded);
    let records: Vec<_> = records.into_iter().map(|noted| noted.record).collect();
    Record::write_all(&records, &mut transaction).await?;
    transaction.commit().await
}

/// A record with what bounds it.
struct Noted {
    key: ApiKeyId,
    action: Action,
    at: OffsetDateTime,
    record: Record,
}

fn record(
    how: fn(OffsetDateTime, Actor, Action, Subject) -> Record,
    action: Action,
    seen: &SeenKey,
    now: &KeyNow,
    sight: &Sight,
) -> Noted {
    let context = sight.address.map(|address| ClientContext {
        address,
        user_agent: sight.user_agent.clone(),
        request_id: sight.request_id.clone(),
    });
    Noted {
        key: seen.key,
        action,
        at: sight.at,
        record: how(sight.at, Actor::Key(seen.key), action, Subject::ApiKey(seen.key))
            .account(seen.account)
            .from(context.as_ref())
            .detail("name", now.name.as_str())
            .detail("hint", now.hint.as_str()),
    }
}

/// The use, if any, that came from another address or program than the one before it. Of a last use whose origin is not
/// known, nothing can be said.
fn moved<'s>(keyring: &Keyring, seen: &'s SeenKey, now: &KeyNow) -> Option<&'s Sight> {
    let first = seen.seen.first.as_ref()?;
    let before = now
        .last_used_sealed
        .as_deref()
        .filter(|_| now.last_used_at.is_some_and(|before| before <= first.at))
        .and_then(|sealed| keyring.open_origin(&place(seen.key), sealed));
    match (before, first.origin()) {
        (Some(before), Some(origin)) if before != origin => Some(first),
        _ => seen.seen.turned.as_ref(),
    }
}

fn sealed(keyring: &Keyring, key: ApiKeyId, last: &Sight) -> Result<Option<Vec<u8>>, Fault> {
    last.origin()
        .map(|origin| keyring.seal_origin(&place(key), &origin))
        .transpose()
}

impl Sight {
    fn origin(&self) -> Option<Origin> {
        Some(Origin {
            address: self.address?,
            user_agent: self.user_agent.clone(),
        })
    }
}
