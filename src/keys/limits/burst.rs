//! Requests a second, by GCRA in its form as a leaky bucket: each request adds to a debt, which drains at the rate of
//! the limit and is never more than one second's worth. A request is a million units and a microsecond drains one unit
//! for each request a second, so nothing is ever rounded but when the rate itself changes, and then up.
//!
//! **The bucket is in one place at a time**: in the row, or in the memory of the node that a **claim** in the row names.
//! That is all there is to its being exact:
//!
//! - A bucket changes by [`Bucket::after`] alone, when a request is allowed. Who is refused, or only looks, changes
//!   nothing, so it does not matter in which order such requests came, or which node they asked. (But that a clock was set
//!   back is noted when it is seen, lest nothing drain until it has caught up.)
//! - In the row, a batch of requests is decided by one guarded change of what was read.
//! - A claim is made by such a change too. From then on the claimant's memory decides, for as long as its lease on the
//!   revocation log lasts without a break (the same `term`). No other node touches the bucket before the claimant has
//!   written it back, which it does when it is recalled, or its lease is over: then the bucket counts as full, since
//!   nobody knows what was taken of it, and fills from there.
//! - A claimant whose lease lapsed does not know whether it was taken for dead, so it asks the row. If the row still
//!   names it, nobody was here meanwhile, and it claims anew, by a write, so that whoever is about to take it for dead
//!   finds the row changed.
//!
//! Where more than one node has come in the last seconds the row decides, and no claim is made but by a node on which many
//! wait at once. That one keeps its claim for a few milliseconds although it is recalled, and answers what comes meanwhile
//! from memory; so a key that all nodes are busy with goes round among them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use super::part::{Answer, Ask, Holder, Look, Now, Part};

/// Units of one request.
const REQUEST: u64 = 1_000_000;
/// How many microseconds after two nodes have come no claim is made.
const SHARED: i64 = 10_000_000;
/// So many who wait at once make a claim worth its while where others come too.
const BUSY: usize = 4;
/// How long a claim of that kind is kept at the least.
const KEPT: Duration = Duration::from_millis(5);
/// A clock that is behind by up to so many microseconds waits for the time that was seen; one that is further behind has
/// been set back, and the debt goes on from where it is.
const BEHIND: i64 = 1_000_000;
/// All of a bucket drains in this time.
const SECOND: Duration = Duration::from_secs(1);

/// What was taken and has not drained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bucket {
    /// Requests a second, at which it drains.
    rate: u32,
    /// When the debt was as it says, in microseconds since 1970.
    seen: i64,
    units: u64,
}

impl Bucket {
    /// All is taken. Of a rate that is not known any will do: it is the part of a second's worth that counts.
    fn full(rate: u32, seen: i64) -> Self {
        let rate = rate.max(1);
        Self {
            rate,
            seen,
            units: u64::from(rate).saturating_mul(REQUEST),
        }
    }

    /// Goes on from `now` if the clock has been set back.
    fn noting(self, now: i64) -> Self {
        let is_set_back = self.seen.saturating_sub(now) > BEHIND;
        let seen = if is_set_back { now } else { self.seen };
        Self { seen, ..self }
    }

    /// As it stands at `now`, or at the time that was seen last if that is a little later; at this rate, of whose second's
    /// worth it is the same part as before.
    fn at(self, rate: u32, now: i64) -> Self {
        let noted = self.noting(now).seen;
        let seen = now.max(noted);
        let elapsed = u64::try_from(seen.saturating_sub(noted)).unwrap_or_default();
        let left = self
            .units
            .saturating_sub(elapsed.saturating_mul(u64::from(self.rate)));
        let units = if rate == self.rate {
            left
        } else {
            let part = (u128::from(left) * u128::from(rate)).div_ceil(u128::from(self.rate.max(1)));
            u64::try_from(part).unwrap_or(u64::MAX)
        };
        Self { rate, seen, units }
    }

    /// What becomes of it if a request is allowed; if not, how long it has to wait.
    fn after(self, rate: u32, now: i64, cost: u32) -> Result<Self, Duration> {
        if cost > rate {
            return Err(SECOND);
        }
        let before = self.at(rate, now);
        let units = before
            .units
            .saturating_add(u64::from(cost).saturating_mul(REQUEST));
        let over = units.saturating_sub(u64::from(rate).saturating_mul(REQUEST));
        if over == 0 {
            return Ok(Self { units, ..before });
        }
        let drain = over.div_ceil(u64::from(rate.max(1)));
        let ahead = u64::try_from(before.seen.saturating_sub(now)).unwrap_or_default();
        Err(Duration::from_micros(drain.saturating_add(ahead)))
    }

    /// Whole requests that are left, and how long until all are there again.
    fn remaining(self) -> (u64, Duration) {
        let left = u64::from(self.rate)
            .saturating_mul(REQUEST)
            .saturating_sub(self.units)
            / REQUEST;
        let drain = self.units.div_ceil(u64::from(self.rate.max(1)));
        (left, Duration::from_micros(drain))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BurstRow {
    /// As it was when it was claimed, if it is.
    bucket: Bucket,
    claim: Option<Claim>,
    /// Who changed the row last.
    last: Option<Uuid>,
    /// Until when no claim is made.
    shared_until: i64,
}

/// Whose memory the bucket is in, and the lease under which that decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    holder: Holder,
    term: u64,
}

#[derive(Debug)]
pub(super) struct Burst {
    holder: Holder,
    /// Under a claim, how it is; without one, how it was when the row was last seen.
    bucket: Option<Bucket>,
    /// The term of our claim: only during it does memory decide.
    term: Option<u64>,
    /// The row may name us.
    is_named: bool,
    touched: i64,
    /// Until when a recall can wait.
    keeps_until: Option<Instant>,
}

#[derive(Debug)]
pub(super) enum Effect {
    /// The bucket is in our memory for this term.
    Ours(u64),
    /// It is in our memory, and was only looked at.
    Looked,
    /// It is in the row, and this was decided there.
    Decided(Bucket, Vec<Answer>),
    /// It is in another node's memory.
    Theirs,
}

fn rate_of(limit: u64) -> u32 {
    u32::try_from(limit).unwrap_or(u32::MAX)
}

impl Burst {
    /// What memory says.
    pub(super) fn look(&mut self, rate: u32, cost: u32, now: Now) -> Look {
        self.touched = now.micros;
        if cost > rate {
            return Look::No(SECOND);
        }
        match self.bucket {
            Some(bucket) if now.term.is_some() && self.term == now.term => {
                if cost > 0 {
                    self.bucket = Some(bucket.noting(now.micros));
                }
                match bucket.after(rate, now.micros, cost) {
                    Ok(_) => Look::Yes,
                    Err(wait) => Look::No(wait),
                }
            }
            _ => Look::Ask,
        }
    }

    /// After a look that said yes, at the same time and under the same lock.
    pub(super) fn take(&mut self, rate: u32, cost: u32, now: Now) {
        if let Some(after) = self
            .bucket
            .and_then(|bucket| bucket.after(rate, now.micros, cost).ok())
        {
            self.bucket = Some(after);
        }
    }

    /// Requests left, and how long until all are there again, as far as this node knows.
    pub(super) fn remaining(&self, rate: u32, now: Now) -> (u64, Duration) {
        self.bucket
            .map_or_else(
                || Bucket::full(rate, now.micros),
                |bucket| bucket.at(rate, now.micros),
            )
            .remaining()
    }

    /// Until when a recall is not obeyed.
    pub(super) fn keeps_until(&self) -> Option<Instant> {
        self.keeps_until.filter(|_| self.term.is_some())
    }

    /// The row does not name us.
    fn is_not_ours(&mut self) {
        self.term = None;
        self.is_named = false;
    }
}

impl Part for Burst {
    type Row = BurstRow;
    type Effect = Effect;

    fn new(holder: Holder) -> Self {
        Self {
            holder,
            bucket: None,
            term: None,
            is_named: false,
            touched: i64::MIN,
            keeps_until: None,
        }
    }

    fn plan(&mut self, row: &BurstRow, now: Now, asks: &[Ask], dead: &[Uuid]) -> (BurstRow, Effect) {
        let node = self.holder.node;
        let only_looks = !asks.is_empty() && asks.iter().all(|ask| ask.cost == 0);
        let is_ours = row.claim.is_some_and(|claim| claim.holder == self.holder);
        if !is_ours {
            self.is_not_ours();
        }
        let bucket = match (row.claim, self.bucket) {
            (None, _) => row.bucket,
            (Some(_), Some(own)) if is_ours => own,
            (Some(Claim { holder, .. }), _) if holder.node != node && !dead.contains(&holder.node) => {
                return (row.clone(), Effect::Theirs);
            }
            // A dead node's, or that of an earlier part of ours: what it took is not known.
            (Some(_), _) => Bucket::full(row.bucket.rate, now.micros),
        };
        if only_looks {
            let effect = if is_ours {
                Effect::Looked
            } else {
                Effect::Decided(bucket, vec![Answer::Taken; asks.len()])
            };
            return (row.clone(), effect);
        }
        let noted = bucket.noting(now.micros);
        let shared = now.micros.saturating_add(SHARED);
        let shared_until = if row.last.is_some_and(|last| last != node) {
            shared
        } else {
            row.shared_until.min(shared)
        };
        let is_shared = now.micros < shared_until;
        if let Some(term) = now.term
            && (is_ours || !is_shared || asks.len() >= BUSY)
        {
            // Set before it is written: should the answer be lost, it is known what was claimed.
            self.bucket = Some(noted);
            self.is_named = true;
            self.keeps_until = is_shared.then(|| Instant::now() + KEPT);
            let holder = self.holder;
            let next = BurstRow {
                bucket: if is_ours { row.bucket } else { noted },
                claim: Some(Claim { holder, term }),
                last: Some(node),
                shared_until,
            };
            return (next, Effect::Ours(term));
        }
        self.term = None;
        let (mut after, mut is_changed) = (noted, noted != bucket);
        let answers = asks
            .iter()
            .map(
                |ask| match after.after(rate_of(ask.limit), now.micros, ask.cost) {
                    Err(wait) => Answer::Refused(wait),
                    Ok(_) if ask.cost == 0 => Answer::Taken,
                    Ok(next) => {
                        (after, is_changed) = (next, true);
                        Answer::Taken
                    }
                },
            )
            .collect();
        let next = if is_changed || row.claim.is_some() {
            BurstRow {
                bucket: after,
                claim: None,
                last: Some(node),
                shared_until,
            }
        } else {
            row.clone()
        };
        (next, Effect::Decided(after, answers))
    }

    fn apply(&mut self, _row: &BurstRow, effect: Effect, _now: Now, asks: &[Ask]) -> Vec<Option<Answer>> {
        match effect {
            Effect::Ours(term) => {
                self.term = Some(term);
                vec![Some(Answer::Look); asks.len()]
            }
            Effect::Looked => vec![Some(Answer::Taken); asks.len()],
            Effect::Decided(bucket, answers) => {
                self.bucket = Some(bucket);
                self.is_not_ours();
                answers.into_iter().map(Some).collect()
            }
            Effect::Theirs => vec![None; asks.len()],
        }
    }

    fn unproven(&self, ask: Ask) -> Answer {
        match Bucket::full(rate_of(ask.limit), 0).after(rate_of(ask.limit), 0, ask.cost) {
            Ok(_) => Answer::Taken,
            Err(wait) => Answer::Refused(wait),
        }
    }

    fn others(row: &BurstRow, node: Uuid) -> Vec<Uuid> {
        row.claim
            .map(|claim| claim.holder.node)
            .filter(|claimant| *claimant != node)
            .into_iter()
            .collect()
    }

    fn give_back(&mut self, row: &BurstRow, now: Now) -> Option<BurstRow> {
        self.term = None;
        let claim = row.claim.filter(|claim| claim.holder.node == self.holder.node)?;
        let own = self.bucket.filter(|_| claim.holder == self.holder);
        Some(BurstRow {
            bucket: own.unwrap_or_else(|| Bucket::full(row.bucket.rate, now.micros)),
            claim: None,
            ..row.clone()
        })
    }

    fn given_back(&mut self) {
        self.is_not_ours();
    }

    fn holds(&self) -> bool {
        self.is_named
    }

    fn touched(&self) -> i64 {
        self.touched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_000_000_000;

    fn full_at(rate: u32, now: i64) -> Bucket {
        let empty = Bucket::default();
        empty.after(rate, now, rate).unwrap()
    }

    #[test]
    fn a_bucket_drains_at_its_rate_and_never_gives_one_too_many() {
        let full = full_at(3, START);
        assert_eq!(full.after(3, START, 1), Err(Duration::from_micros(333_334)));
        assert_eq!(full.after(3, START + 333_333, 1), Err(Duration::from_micros(1)));
        assert!(full.after(3, START + 333_334, 1).is_ok());
        assert_eq!(full.at(3, START + 333_334).remaining().0, 1);
        assert_eq!(full.after(3, START, 4), Err(SECOND));
    }

    #[test]
    fn a_changed_rate_keeps_the_part_of_a_second_that_is_taken() {
        let full = full_at(3, START);
        for rate in [1, 2, 7, 1_000] {
            assert_eq!(full.at(rate, START), Bucket::full(rate, START));
        }
        let third = Bucket::default().after(3, START, 1).unwrap();
        assert_eq!(third.at(100, START).units, 33_333_334);
    }

    #[test]
    fn a_clock_a_little_behind_waits_and_one_that_was_set_back_goes_on_from_there() {
        let full = full_at(10, START);
        assert_eq!(
            full.after(10, START - BEHIND, 1),
            Err(Duration::from_millis(1_100))
        );
        assert_eq!(
            full.after(10, START - BEHIND - 1, 1),
            Err(Duration::from_millis(100))
        );
    }
}
