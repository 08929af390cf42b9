//! What was counted and not written yet. Keys are spread over shards, so that threads seldom wait for each other; a request
//! like the last one of its key finds all its places there, and takes no memory.

use std::{
    collections::VecDeque,
    hash::Hash,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hashbrown::{Equivalent, HashMap};
use time::OffsetDateTime;

use super::model::{Count, Outcome, Used};
use crate::types::{AccountId, ApiKeyId, AppId, Scope};

/// Stands for all scopes beyond the first `SCOPES` of a key, and for what is no scope. No scope has a space.
pub const OTHER_SCOPES: &str = "other scopes";

const SHARDS: usize = 16;
/// Different scopes that are counted apart, of one key a day. Callers say what they ask for, and could ask for anything.
const SCOPES: usize = 32;
/// Counts of one shard, while the database is away; from there on, hours are counted and no scopes.
const ROOM: usize = 8_192;
/// Of each key, so many refusals and so many other requests a batch are kept to be read.
const SAMPLES: usize = 10;
/// Of all keys of one shard.
const ALL_SAMPLES: usize = 1_024;
/// How long a key that is not used is remembered.
const REMEMBERED: i64 = 60;
const MINUTES_OF_A_DAY: i64 = 24 * 60;

const LONGEST_ROUTE: usize = 200;
const LONGEST_USER_AGENT: usize = 300;
const LONGEST_REQUEST_ID: usize = 100;

pub(super) struct Memory {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    counts: HashMap<Cell, Count>,
    keys: HashMap<ApiKeyId, OfKey>,
    samples: usize,
    /// The last hour in which there was room for hours.
    hour: i64,
}

#[derive(PartialEq, Eq, Hash)]
struct Cell {
    key: ApiKeyId,
    minute: i64,
    outcome: Outcome,
    scope: Arc<str>,
}

/// A [`Cell`] to look for: hashes as one.
#[derive(Clone, Copy, Hash)]
struct CellRef<'a> {
    key: ApiKeyId,
    minute: i64,
    outcome: Outcome,
    scope: &'a str,
}

impl Equivalent<Cell> for CellRef<'_> {
    fn equivalent(&self, cell: &Cell) -> bool {
        self.key == cell.key
            && self.minute == cell.minute
            && self.outcome == cell.outcome
            && *self.scope == *cell.scope
    }
}

/// What is known of a key that is in use.
struct OfKey {
    app: AppId,
    account: AccountId,
    last_minute: i64,
    /// The scopes that are counted apart on `day`.
    scopes: Vec<Arc<str>>,
    day: i64,
    /// None until something is to be written.
    seen: Option<Box<Seen>>,
}

/// What is to be written of a key beside its counts.
#[derive(Default)]
pub(super) struct Seen {
    /// The first use, the last one, and the first that came from elsewhere than the one before it.
    pub(super) first: Option<Sight>,
    pub(super) last: Option<Sight>,
    pub(super) turned: Option<Sight>,
    /// The first refusal.
    pub(super) refused: Option<(Outcome, Sight)>,
    refusals: VecDeque<Sample>,
    others: VecDeque<Sample>,
}

/// From where a request came, and when.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    pub(super) at: OffsetDateTime,
    pub(super) address: Option<std::net::IpAddr>,
    pub(super) user_agent: String,
    pub(super) request_id: String,
}

/// A request that is kept to be read.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) key: ApiKeyId,
    pub(super) at: OffsetDateTime,
    pub(super) route: String,
    pub(super) outcome: Outcome,
    pub(super) status: u16,
    pub(super) address: Option<std::net::IpAddr>,
    pub(super) latency_us: i32,
    pub(super) request_id: String,
}

/// A count with what it is of.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    pub(super) key: ApiKeyId,
    pub(super) app: AppId,
    pub(super) at: OffsetDateTime,
    pub(super) scope: Arc<str>,
    pub(super) outcome: Outcome,
    pub(super) count: Count,
}

/// A key of which there is more to write than counts.
pub(super) struct SeenKey {
    pub(super) key: ApiKeyId,
    pub(super) account: AccountId,
    pub(super) seen: Box<Seen>,
}

/// All that was in memory at one time.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) counts: Vec<Counted>,
    pub(super) samples: Vec<Sample>,
    pub(super) keys: Vec<SeenKey>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

impl Memory {
    /// The shard of a key: the end of an id is random.
    fn shard(&self, key: ApiKeyId) -> MutexGuard<'_, Shard> {
        let [first, rest @ ..] = &self.shards;
        let [.., last] = *key.uuid().as_bytes();
        rest.get(usize::from(last) % SHARDS)
            .unwrap_or(first)
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record(&self, used: &Used<'_>) {
        let minute = used.at.unix_timestamp().div_euclid(60);
        let mut shard = self.shard(used.key);
        let Shard {
            counts,
            keys,
            samples,
            hour,
        } = &mut *shard;
        let of_key = keys.entry(used.key).or_insert_with(|| OfKey::new(used, minute));
        of_key.last_minute = of_key.last_minute.max(minute);
        let mut cell = CellRef {
            key: used.key,
            minute,
            outcome: used.outcome,
            scope: used.scope.unwrap_or_default(),
        };
        if !of_key.counts_apart(cell.scope, minute) {
            cell.scope = OTHER_SCOPES;
        }
        if counts.len() >= ROOM && !counts.contains_key(&cell) {
            if counts.len() < 2 * ROOM {
                *hour = minute - minute.rem_euclid(60);
            }
            cell.minute = *hour;
            cell.scope = OTHER_SCOPES;
        }
        if let Some(count) = counts.get_mut(&cell) {
            *count += Count::of(used);
        } else {
            counts.insert(cell.owned(), Count::of(used));
        }
        of_key.seen.get_or_insert_default().note(used, samples);
    }

    /// Whether a use of this key waits to be written that is not older than `since`.
    pub(super) fn was_used(&self, key: ApiKeyId, since: OffsetDateTime) -> bool {
        let shard = self.shard(key);
        let seen = shard.keys.get(&key).and_then(|of_key| of_key.seen.as_ref());
        seen.and_then(|seen| seen.last.as_ref())
            .is_some_and(|last| last.at >= since)
    }

    /// Counts that wait to be taken.
    pub(super) fn len(&self) -> usize {
        let shards = self.shards.iter();
        shards
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).counts.len())
            .sum()
    }

    /// Whether there may soon be too little room.
    pub(super) fn is_filling(&self) -> bool {
        self.len() >= SHARDS * ROOM / 2
    }

    /// Takes all that is there, and forgets keys that have not been used for long.
    pub(super) fn take(&self, now: OffsetDateTime) -> Batch {
        let forgotten = now.unix_timestamp().div_euclid(60) - REMEMBERED;
        let mut batch = Batch::default();
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let counts = mem::take(&mut shard.counts);
            batch
                .counts
                .extend(counts.into_iter().filter_map(|(cell, count)| {
                    Some(Counted {
                        key: cell.key,
                        app: shard.keys.get(&cell.key)?.app,
                        at: OffsetDateTime::from_unix_timestamp(cell.minute.saturating_mul(60)).ok()?,
                        scope: cell.scope,
                        outcome: cell.outcome,
                        count,
                    })
                }));
            shard.samples = 0;
            shard.keys.retain(|key, of_key| {
                if let Some(mut seen) = of_key.seen.take() {
                    batch.samples.extend(seen.samples());
                    batch.keys.push(SeenKey {
                        key: *key,
                        account: of_key.account,
                        seen,
                    });
                }
                of_key.last_minute > forgotten
            });
        }
        batch.samples.sort_by_key(|sample| sample.at);
        batch.keys.sort_by_key(|seen| seen.key);
        batch
    }
}

impl CellRef<'_> {
    fn owned(self) -> Cell {
        Cell {
            key: self.key,
            minute: self.minute,
            outcome: self.outcome,
            scope: self.scope.into(),
        }
    }
}

impl OfKey {
    fn new(used: &Used<'_>, minute: i64) -> Self {
        Self {
            app: used.app,
            account: used.account,
            last_minute: minute,
            scopes: Vec::new(),
            day: 0,
            seen: None,
        }
    }

    /// Whether requests for this scope have a count of their own.
    fn counts_apart(&mut self, scope: &str, minute: i64) -> bool {
        let day = minute.div_euclid(MINUTES_OF_A_DAY);
        if day > self.day {
            self.day = day;
            self.scopes.clear();
        }
        if scope.is_empty() || self.scopes.iter().any(|known| **known == *scope) {
            return true;
        }
        let is_new = self.scopes.len() < SCOPES && scope.parse::<Scope>().is_ok();
        if is_new {
            self.scopes.push(scope.into());
        }
        is_new
    }
}

impl Seen {
    fn note(&mut self, used: &Used<'_>, samples: &mut usize) {
        if used.outcome.is_use() {
            self.note_use(used);
        }
        if used.outcome == Outcome::Valid {
            keep(&mut self.others, used, samples);
        } else {
            self.refused
                .get_or_insert_with(|| (used.outcome, Sight::of(used)));
            keep(&mut self.refusals, used, samples);
        }
    }

    fn note_use(&mut self, used: &Used<'_>) {
        let Some(last) = &mut self.last else {
            self.first = Some(Sight::of(used));
            self.last = Some(Sight::of(used));
            return;
        };
        if used.at < last.at {
            return;
        }
        if self.turned.is_none() && last.is_elsewhere(used) {
            self.turned = Some(Sight::of(used));
        }
        last.set(used);
    }

    /// The last few requests, refusals before others.
    fn samples(&mut self) -> impl Iterator<Item = Sample> {
        let refusals = mem::take(&mut self.refusals);
        let rest = SAMPLES.saturating_sub(refusals.len());
        let mut others = mem::take(&mut self.others);
        let older = others.len().saturating_sub(rest);
        others.drain(..older);
        refusals.into_iter().chain(others)
    }
}

/// Puts a request among the last ones of its kind; the oldest makes room, and its memory is used again.
fn keep(kept: &mut VecDeque<Sample>, used: &Used<'_>, all: &mut usize) {
    let sample = if kept.len() < SAMPLES && *all < ALL_SAMPLES {
        *all += 1;
        Sample::of(used)
    } else if let Some(mut oldest) = kept.pop_front() {
        oldest.set(used);
        oldest
    } else {
        return;
    };
    kept.push_back(sample);
}

impl Sight {
    fn of(used: &Used<'_>) -> Self {
        let mut sight = Self {
            at: used.at,
            address: None,
            user_agent: String::new(),
            request_id: String::new(),
        };
        sight.set(used);
        sight
    }

    fn set(&mut self, used: &Used<'_>) {
        self.at = used.at;
        self.address = used.address;
        copy(used.user_agent, LONGEST_USER_AGENT, &mut self.user_agent);
        copy(used.request_id, LONGEST_REQUEST_ID, &mut self.request_id);
    }

    fn is_elsewhere(&self, used: &Used<'_>) -> bool {
        self.address.is_some()
            && used.address.is_some()
            && (self.address != used.address
                || !visible(used.user_agent, LONGEST_USER_AGENT).eq(self.user_agent.chars()))
    }
}

impl Sample {
    fn of(used: &Used<'_>) -> Self {
        let mut sample = Self {
            key: used.key,
            at: used.at,
            route: String::new(),
            outcome: used.outcome,
            status: used.status,
            address: None,
            latency_us: 0,
            request_id: String::new(),
        };
        sample.set(used);
        sample
    }

    fn set(&mut self, used: &Used<'_>) {
        self.at = used.at;
        self.outcome = used.outcome;
        self.status = used.status;
        self.address = used.address;
        self.latency_us = i32::try_from(used.latency.as_micros()).unwrap_or(i32::MAX);
        // What follows may be a secret.
        let route = used.route.split('?').next().unwrap_or_default();
        copy(route, LONGEST_ROUTE, &mut self.route);
        copy(used.request_id, LONGEST_REQUEST_ID, &mut self.request_id);
    }
}

/// Characters that the database takes and a page can show.
fn visible(text: &str, most: usize) -> impl Iterator<Item = char> {
    text.chars()
        .filter(|character| !character.is_control())
        .take(most)
}

fn copy(text: &str, most: usize, to: &mut String) {
    to.clear();
    // As nearly all is, and this is on the way of every request.
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte);
    if text.len() <= most && text.bytes().all(is_plain) {
        to.push_str(text);
    } else {
        to.extend(visible(text, most));
    }
}

#[cfg(test)]
mod tests;
