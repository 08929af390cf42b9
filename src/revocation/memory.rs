//! The part of the log that a node holds in memory, and the lease under which it may answer from it.

use std::{
    array,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use hashbrown::HashMap;
use rustix::time::{ClockId, clock_gettime};
use time::OffsetDateTime;

use super::model::{Applied, Entry, Subject};

/// Entries are spread over so many maps that neither two readers nor a reader and the follower often meet.
const SHARDS: usize = 64;

/// How long past its end an entry is kept, here and in the table: a node whose clock runs behind still takes
/// for alive what has expired by the clock of the node that removes the entry.
pub(super) const GRACE: time::Duration = time::Duration::minutes(5);

/// Of Linux, `Monotonic` stands still while the machine sleeps; of others, it is the one that there is.
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

type Hook = Box<dyn Fn(Applied<'_>) + Send + Sync>;
/// A subject, and when its entry is over, in seconds since 1970: 24 bytes together, good until 2106.
type Shard = HashMap<Subject, u32>;

pub(super) struct Memory {
    /// When the lease runs out.
    deadline: AtomicU64,
    /// Counts how often the lease began anew after it had run out: changes before `deadline` does.
    terms: AtomicU64,
    /// Every entry up to this sequence is in force here.
    applied: AtomicI64,
    /// Counts what was applied: changes before any hook is called.
    epoch: AtomicU64,
    shards: [RwLock<Shard>; SHARDS],
    hooks: RwLock<Vec<Hook>>,
}

/// A moment on the node's own clock, in nanoseconds since some other: one that never steps, and goes on while the machine
/// sleeps. A lease that another clock measured would be fresh on waking, though everybody else has long given it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

impl Moment {
    pub(super) fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(nanoseconds(by)))
    }

    /// How long it is until then.
    pub(super) fn until(self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(Self::now().0))
    }

    pub(super) fn now() -> Self {
        let now = clock_gettime(CLOCK);
        let seconds = Duration::from_secs(u64::try_from(now.tv_sec).unwrap_or_default());
        let rest = Duration::from_nanos(u64::try_from(now.tv_nsec).unwrap_or_default());
        Self(nanoseconds(seconds.saturating_add(rest)))
    }
}

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            deadline: AtomicU64::new(0),
            terms: AtomicU64::new(0),
            applied: AtomicI64::new(0),
            epoch: AtomicU64::new(0),
            shards: array::from_fn(|_| RwLock::default()),
            hooks: RwLock::default(),
        }
    }

    /// Whether the lease is fresh.
    pub(super) fn may_answer(&self) -> bool {
        Moment::now().0 < self.deadline.load(Ordering::Acquire)
    }

    /// While the lease is fresh, a number that is the same for as long as it was so without a break.
    pub(super) fn term(&self) -> Option<u64> {
        // In this order: the number that was set before the deadline that is looked at, or a later one.
        self.may_answer().then(|| self.terms.load(Ordering::Acquire))
    }

    pub(super) fn lease_left(&self) -> Duration {
        Moment(self.deadline.load(Ordering::Acquire)).until()
    }

    /// The node may answer until `moment`; called once all that the renewal showed has been applied.
    pub(super) fn answer_until(&self, moment: Moment) {
        if !self.may_answer() {
            self.terms.fetch_add(1, Ordering::AcqRel);
        }
        self.deadline.store(moment.0, Ordering::Release);
    }

    pub(super) fn stop_answering(&self) {
        self.deadline.store(0, Ordering::Release);
    }

    pub(super) fn applied(&self) -> i64 {
        self.applied.load(Ordering::Acquire)
    }

    pub(super) fn set_applied(&self, sequence: i64) {
        self.applied.store(sequence, Ordering::Release);
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(super) fn contains(&self, subject: &Subject) -> bool {
        self.shard(subject)
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(subject)
    }

    pub(super) fn add_hook(&self, hook: Hook) {
        self.hooks
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(hook);
    }

    pub(super) fn apply(&self, entry: &Entry, now: OffsetDateTime) {
        if let Some(subject) = &entry.subject {
            self.refuse(subject, entry.until, now);
        }
    }

    /// Puts one entry in force and tells the hooks.
    pub(super) fn refuse(&self, subject: &Subject, until: OffsetDateTime, now: OffsetDateTime) {
        if until > now - GRACE {
            let until = seconds(until);
            let mut shard = self
                .shard(subject)
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            let kept = shard.entry(*subject).or_insert(until);
            *kept = until.max(*kept);
        }
        self.tell(Applied::Entry(subject));
    }

    pub(super) fn tell(&self, applied: Applied<'_>) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        for hook in self.hooks.read().unwrap_or_else(PoisonError::into_inner).iter() {
            hook(applied);
        }
    }

    /// Drops the entries that were over a while before `now`.
    pub(super) fn forget_expired(&self, now: OffsetDateTime) {
        let limit = seconds(now - GRACE);
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|_, until| *until > limit);
            let enough = shard.len().saturating_mul(2);
            shard.shrink_to(enough);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len())
            .sum()
    }

    /// Ids end in random bits, so their last byte spreads them evenly.
    #[allow(
        clippy::indexing_slicing,
        reason = "an index into an array, reduced by its length"
    )]
    fn shard(&self, subject: &Subject) -> &RwLock<Shard> {
        let [.., last] = subject.uuid().into_bytes();
        &self.shards[usize::from(last) % SHARDS]
    }
}

/// Rounded up, so that an entry is never dropped before its time.
fn seconds(at: OffsetDateTime) -> u32 {
    u32::try_from(at.unix_timestamp().saturating_add(1).max(0)).unwrap_or(u32::MAX)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_that_ran_out_begins_another_term_and_one_that_goes_on_does_not() {
        let memory = Memory::new();
        assert_eq!(memory.term(), None);
        let soon = Moment::now().plus(Duration::from_mins(1));
        memory.answer_until(soon);
        let first = memory.term();
        assert!(first.is_some());
        memory.answer_until(soon.plus(Duration::from_mins(1)));
        assert_eq!(memory.term(), first);
        memory.stop_answering();
        assert_eq!(memory.term(), None);
        memory.answer_until(soon);
        assert_ne!(memory.term(), first);
    }
}
