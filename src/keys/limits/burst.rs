//! Requests a second, by GCRA in its form as a leaky bucket: each request adds to a debt, which drains at the rate of
//! the limit and is never more than one second's worth. A request is a million units and a microsecond drains one unit
//! for each request a second, so nothing is ever rounded but when the rate itself changes.
//!
//! One node alone **claims** the bucket for some seconds: the row then says that all of it is taken until the claim
//! ends, and the node counts in memory. Another node that wants some recalls the claim; the claimant writes the debt as
//! it is. From then on, and until only one node has come for a while, each batch of requests is decided at the row.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::part::{Answer, Ask, Holder, Look, Part};

/// Units of one request.
const REQUEST: u64 = 1_000_000;
/// Microseconds for which a claim is made: so long a key may be refused when its claimant was killed.
const CLAIM: i64 = 4_000_000;
/// How long after two nodes have come no claim is made.
const SHARED: i64 = 10_000_000;
/// A clock that is behind by up to so much waits for the time that was seen; one that is further behind has been set
/// back, and the debt goes on from where it is.
const BEHIND: i64 = 1_000_000;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BurstRow {
    /// Requests a second, in which the debt is counted.
    pub(super) rate: u32,
    /// When the debt was as it says, in microseconds since 1970; of a claim, its end.
    pub(super) seen: i64,
    pub(super) debt: u64,
    pub(super) claimed: Option<Holder>,
    pub(super) last: Option<Uuid>,
    /// Until when no claim is made.
    pub(super) shared_until: i64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Debt {
    rate: u32,
    seen: i64,
    units: u64,
}

impl Debt {
    fn full(rate: u32, seen: i64) -> Self {
        Self {
            rate,
            seen,
            units: u64::from(rate).saturating_mul(REQUEST),
        }
    }

    /// The same part of a second's worth at another rate, rounded up.
    fn at_rate(self, rate: u32) -> Self {
        if rate == self.rate {
            return self;
        }
        let units = (u128::from(self.units) * u128::from(rate)).div_ceil(u128::from(self.rate.max(1)));
        Self {
            rate,
            units: u64::try_from(units).unwrap_or(u64::MAX),
            ..self
        }
    }

    /// As of `now`, or of when it was seen if that is later.
    fn at(self, now: i64) -> Self {
        let elapsed = u64::try_from(now.saturating_sub(self.seen)).unwrap_or_default();
        Self {
            seen: now.max(self.seen),
            units: self
                .units
                .saturating_sub(elapsed.saturating_mul(u64::from(self.rate))),
            ..self
        }
    }

    fn is_set_back(self, now: i64, ahead: i64) -> bool {
        self.seen.saturating_sub(now) > BEHIND.saturating_add(ahead)
    }

    fn with(self, cost: u32) -> Self {
        Self {
            units: self.units.saturating_add(u64::from(cost).saturating_mul(REQUEST)),
            ..self
        }
    }

    /// How long until it is no more than a second's worth; None if it is.
    fn wait(self, now: i64) -> Option<Duration> {
        let over = self
            .units
            .saturating_sub(u64::from(self.rate).saturating_mul(REQUEST));
        (over > 0).then(|| {
            let drain = over.div_ceil(u64::from(self.rate.max(1)));
            let until = u64::try_from(self.seen.saturating_sub(now)).unwrap_or_default();
            Duration::from_micros(drain.saturating_add(until))
        })
    }

    fn left(self) -> u64 {
        u64::from(self.rate)
            .saturating_mul(REQUEST)
            .saturating_sub(self.units)
            / REQUEST
    }
}

#[derive(Debug)]
pub(super) struct Burst {
    holder: Holder,
    /// As it is under a claim, and no more than it is without.
    debt: Option<Debt>,
    /// The end of the claim.
    until: Option<i64>,
    touched: i64,
}

#[derive(Debug)]
pub(super) enum Effect {
    /// The claim begins, or begins anew.
    Claim(Debt, i64),
    /// The claim goes on; what was taken meanwhile stays taken.
    Extend(i64),
    /// Nobody claims it: this is how it stands, and what was decided.
    Known(Debt, Vec<Answer>),
    /// Another node claims it.
    Claimed,
}

fn rate_of(limit: u64) -> u32 {
    u32::try_from(limit).unwrap_or(u32::MAX)
}

impl Burst {
    /// What memory says.
    pub(super) fn look(&mut self, rate: u32, cost: u32, now: i64) -> Look {
        self.touched = now;
        if cost > rate {
            return Look::No(Duration::from_secs(1));
        }
        // Without a claim, what was seen ahead of this clock may have been set back at the row meanwhile.
        let is_current = |debt: &Debt| debt.seen <= now || self.until.is_some() || cost == 0;
        let Some(debt) = self
            .debt
            .filter(|debt| !debt.is_set_back(now, 0) && is_current(debt))
        else {
            return Look::Ask;
        };
        let debt = debt.at_rate(rate).at(now);
        self.debt = Some(debt);
        let claimed = self.until.is_some_and(|until| debt.seen <= until);
        match debt.with(cost).wait(now) {
            Some(wait) => Look::No(wait),
            None if claimed || cost == 0 => Look::Yes,
            None => Look::Ask,
        }
    }

    /// After a look that said yes.
    pub(super) fn take(&mut self, cost: u32) {
        self.debt = self.debt.map(|debt| debt.with(cost));
    }

    /// Whether a claim ends soon.
    pub(super) fn is_low(&self, now: i64) -> bool {
        self.until
            .is_some_and(|until| until >= now && until.saturating_sub(now) < CLAIM / 4)
    }

    /// Requests left, and how long until all are there again.
    pub(super) fn remaining(&self, rate: u32, now: i64) -> (u64, Duration) {
        let debt = self
            .debt
            .map_or_else(|| Debt::full(rate, now), |debt| debt.at_rate(rate).at(now));
        let drain = debt.units.div_ceil(u64::from(rate.max(1)));
        (debt.left(), Duration::from_micros(drain))
    }
}

impl Part for Burst {
    type Row = BurstRow;
    type Effect = Effect;

    fn new(holder: Holder) -> Self {
        Self {
            holder,
            debt: None,
            until: None,
            touched: i64::MIN,
        }
    }

    fn plan(&mut self, row: &BurstRow, now: i64, asks: &[Ask], dead: &[Uuid]) -> (BurstRow, Effect) {
        let node = self.holder.node;
        let mine = row.claimed == Some(self.holder);
        let rate = asks.last().map_or_else(
            || self.debt.map_or(row.rate, |debt| debt.rate),
            |ask| rate_of(ask.limit),
        );
        let written = Debt {
            rate: row.rate,
            seen: row.seen,
            units: row.debt,
        };
        let (mut debt, ahead) = match (row.claimed, self.debt) {
            (Some(_), Some(own)) if mine => (own, 0),
            (Some(claimed), _) if claimed.node != node => {
                // A claim that is over has left all of it taken at its end. That of a dead node ends by itself, unless the
                // clock was set back and its end is far away.
                let ends = !(dead.contains(&claimed.node) && written.is_set_back(now, CLAIM));
                if written.seen > now && ends {
                    self.debt = None;
                    self.until = None;
                    return (row.clone(), Effect::Claimed);
                }
                (written, CLAIM)
            }
            // An earlier part's: what it took is not known.
            (Some(_), _) => (Debt::full(row.rate, row.seen.min(now)), CLAIM),
            (None, _) => (written, 0),
        };
        if debt.is_set_back(now, ahead) {
            debt.seen = now;
        }
        let debt = debt.at_rate(rate).at(now);
        if !asks.is_empty() && asks.iter().all(|ask| ask.cost == 0) {
            let answers = asks.iter().map(|_| Answer::Look).collect();
            self.until = self.until.filter(|_| mine);
            return (row.clone(), Effect::Known(debt, answers));
        }
        let shared_until = if row.last.is_some_and(|last| last != node) {
            debt.seen.saturating_add(SHARED)
        } else {
            row.shared_until.min(debt.seen.saturating_add(SHARED))
        };
        if debt.seen >= shared_until {
            let until = debt.seen.saturating_add(CLAIM);
            let next = BurstRow {
                rate,
                seen: until,
                debt: Debt::full(rate, until).units,
                claimed: Some(self.holder),
                last: Some(node),
                shared_until,
            };
            // A claim under which the clock was set back begins anew.
            let goes_on =
                mine && self.until.is_some() && self.debt.is_some_and(|own| !own.is_set_back(now, 0));
            if goes_on {
                return (next, Effect::Extend(until));
            }
            // Should the answer to the claim be lost, it is known what was claimed.
            self.debt = Some(debt);
            return (next, Effect::Claim(debt, until));
        }
        self.until = None;
        let (mut after, mut taken) = (debt, false);
        let answers = asks
            .iter()
            .map(|ask| {
                if rate_of(ask.limit) != rate {
                    return Answer::Look;
                }
                let with = after.with(ask.cost);
                if let Some(wait) = with.wait(now) {
                    return Answer::Refused(wait);
                }
                taken |= ask.cost > 0;
                after = with;
                Answer::Taken
            })
            .collect();
        let next = if taken || mine {
            BurstRow {
                rate,
                seen: after.seen,
                debt: after.units,
                claimed: None,
                last: Some(node),
                shared_until,
            }
        } else {
            row.clone()
        };
        (next, Effect::Known(after, answers))
    }

    fn apply(&mut self, _row: &BurstRow, effect: Effect, _now: i64, asks: &[Ask]) -> Vec<Option<Answer>> {
        let look = || asks.iter().map(|_| Some(Answer::Look)).collect();
        match effect {
            Effect::Claim(debt, until) => {
                self.debt = Some(debt);
                self.until = Some(until);
                look()
            }
            Effect::Extend(until) => {
                self.until = Some(until);
                look()
            }
            Effect::Known(debt, answers) => {
                if self.until.is_none() {
                    self.debt = Some(debt);
                }
                answers.into_iter().map(Some).collect()
            }
            Effect::Claimed => asks.iter().map(|_| None).collect(),
        }
    }

    fn unproven(&self, row: &BurstRow, now: i64, ask: Ask) -> Answer {
        if ask.cost == 0 {
            return Answer::Taken;
        }
        let claim = Debt::full(rate_of(ask.limit), row.seen).at(now);
        claim
            .with(ask.cost)
            .wait(now)
            .map_or(Answer::Look, Answer::Refused)
    }

    fn others(row: &BurstRow, now: i64, node: Uuid) -> Vec<Uuid> {
        row.claimed
            .filter(|claimed| claimed.node != node && row.seen > now)
            .map(|claimed| claimed.node)
            .into_iter()
            .collect()
    }

    fn give_back(&mut self, row: &BurstRow, now: i64) -> Option<BurstRow> {
        let claimed = row.claimed.filter(|claimed| claimed.node == self.holder.node);
        self.until = None;
        let claimed = claimed?;
        let debt = match self.debt {
            Some(own) if claimed == self.holder => own,
            _ => Debt::full(row.rate, row.seen.min(now)),
        };
        Some(BurstRow {
            rate: debt.rate,
            seen: debt.seen,
            debt: debt.units,
            claimed: None,
            ..row.clone()
        })
    }

    fn given_back(&mut self) {
        self.until = None;
    }

    fn holds(&self, now: i64) -> bool {
        self.until.is_some_and(|until| until > now)
    }

    fn touched(&self) -> i64 {
        self.touched
    }
}
