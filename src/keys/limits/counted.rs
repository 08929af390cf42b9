//! An hour's or a month's allowance: a number of requests, counted.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::part::{Answer, Ask, Holder, Look, Now, Part};

/// The row: what is used, and what nodes may use. Their sum is never more than the limit of any node that has not used
/// all that it was granted, so whatever is still taken from a grant is within the limit that it was made under.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CountedRow {
    /// By who holds nothing any more.
    pub(super) used: u64,
    pub(super) held: Vec<Held>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    node: Uuid,
    part: u64,
    /// All that this part was ever given, so that a grant whose answer was lost can be found again.
    granted: u64,
    /// Under which it was last granted.
    limit: u64,
}

impl CountedRow {
    fn of(&self, node: Uuid) -> Option<&Held> {
        self.held.iter().find(|held| held.node == node)
    }

    fn others(&self, node: Uuid) -> impl Iterator<Item = &Held> {
        self.held.iter().filter(move |held| held.node != node)
    }

    fn remove(&mut self, node: Uuid) -> Option<Held> {
        let place = self.held.iter().position(|held| held.node == node)?;
        Some(self.held.remove(place))
    }

    fn set(&mut self, held: Held) {
        if let Some(before) = self.held.iter_mut().find(|before| before.node == held.node) {
            *before = held;
        } else {
            // Rows are remembered for each key in use, and most have one node.
            self.held.reserve_exact(1);
            self.held.push(held);
        }
    }

    fn use_up(&mut self, node: Uuid) {
        if let Some(held) = self.remove(node) {
            self.used = self.used.saturating_add(held.granted);
        }
    }

    fn held_by_others(&self, node: Uuid) -> u64 {
        self.others(node)
            .fold(0, |sum, held| sum.saturating_add(held.granted))
    }

    /// How far the sum may grow for a node that has this limit. Others may hold under a lower one, as where the limit has
    /// just been changed: they give back first.
    fn ceiling(&self, node: Uuid, limit: u64) -> u64 {
        self.others(node)
            .fold(limit, |ceiling, held| ceiling.min(held.limit))
    }
}

/// What the row last said of what nobody holds.
#[derive(Clone, Copy, Debug)]
struct Outside {
    limit: u64,
    free: u64,
    /// No other node holds any, so there will never be more.
    all: bool,
}

#[derive(Debug)]
pub(super) struct Counted {
    holder: Holder,
    granted: u64,
    used: u64,
    /// Under which all that is held was granted, or a lower one.
    limit: u64,
    outside: Option<Outside>,
    /// What is held may be on its way back.
    frozen: bool,
    touched: i64,
    /// When the last block was granted, how much was used then, and how big it was.
    since: i64,
    used_then: u64,
    block: u64,
}

/// What was planned.
#[derive(Debug)]
#[allow(
    clippy::struct_field_names,
    reason = "of all there is to say of a grant, this is how much"
)]
pub(super) struct Granted {
    limit: u64,
    granted: u64,
    grew: bool,
}

/// A block is what was used in so many microseconds.
const BLOCK_FOR: u64 = 1_000_000;
/// And no more than this part of what is left.
const SHARE: u64 = 4;
/// And no less than this part: a key that is used now and then does not come to the row each time. So little is lost with
/// a node that is killed.
const LEAST: u64 = 64;

impl Counted {
    fn held(&self) -> u64 {
        self.granted.saturating_sub(self.used)
    }

    /// What memory says. `unproven` if the row has just been asked, and others did not answer.
    pub(super) fn look(&mut self, limit: u64, cost: u32, now: i64, unproven: bool, left: Duration) -> Look {
        self.touched = now;
        let cost = u64::from(cost);
        if cost > limit {
            return Look::No(left);
        }
        if self.frozen || limit < self.limit {
            return Look::Ask;
        }
        let Some(outside) = self.outside.filter(|outside| outside.limit == limit) else {
            return Look::Ask;
        };
        if cost <= self.held() {
            Look::Yes
        } else if (outside.all || unproven) && cost > self.held().saturating_add(outside.free) {
            Look::No(left)
        } else {
            Look::Ask
        }
    }

    /// After a look that said yes.
    pub(super) fn take(&mut self, cost: u32) {
        self.used = self.used.saturating_add(u64::from(cost));
    }

    /// Whether it is time to fetch the next block, before somebody has to wait for it.
    pub(super) fn is_low(&self) -> bool {
        let held = self.held();
        held > 0 && held <= self.block / 4 && self.outside.is_some_and(|outside| outside.free > 0)
    }

    pub(super) fn remaining(&self, limit: u64) -> u64 {
        let outside = self
            .outside
            .filter(|outside| outside.limit == limit)
            .map_or(0, |outside| outside.free);
        self.held().saturating_add(outside).min(limit)
    }

    /// What this part seems to use in the time of a block.
    fn pace(&self, now: i64) -> u64 {
        let elapsed = u64::try_from(now.saturating_sub(self.since))
            .unwrap_or_default()
            .max(1_000);
        self.used.saturating_sub(self.used_then).saturating_mul(BLOCK_FOR) / elapsed
    }
}

impl Part for Counted {
    type Row = CountedRow;
    type Effect = Granted;

    fn new(holder: Holder) -> Self {
        Self {
            holder,
            granted: 0,
            used: 0,
            limit: 0,
            outside: None,
            frozen: false,
            touched: i64::MIN,
            since: i64::MIN,
            used_then: 0,
            block: 0,
        }
    }

    fn plan(&mut self, row: &CountedRow, now: Now, asks: &[Ask], dead: &[Uuid]) -> (CountedRow, Granted) {
        let mut next = row.clone();
        for node in dead {
            next.use_up(*node);
        }
        let node = self.holder.node;
        match next.of(node) {
            Some(held) if held.part == self.holder.part => self.granted = held.granted,
            // An earlier part's; or ours, which somebody took for that of a dead node. Both count as used.
            _ => {
                next.use_up(node);
                (self.granted, self.used, self.used_then) = (0, 0, 0);
            }
        }
        let limit = asks.last().map_or(self.limit, |ask| ask.limit);
        let lowered = limit < self.limit;
        // What is held may shrink, so nobody takes of it meanwhile.
        self.frozen |= lowered && self.held() > 0;
        let need = asks
            .iter()
            .fold(0_u64, |sum, ask| sum.saturating_add(u64::from(ask.cost)));
        let others = next.held_by_others(node);
        let taken = next.used.saturating_add(others).saturating_add(self.used);
        let free = next.ceiling(node, limit).saturating_sub(taken);
        let only_looks = need == 0 && !asks.is_empty();
        let wanted = if only_looks {
            0
        } else {
            self.pace(now.micros)
                .max(free / LEAST)
                .min(free / SHARE)
                .max(need)
        };
        let kept = if lowered { 0 } else { self.held() };
        let hold = if only_looks { self.held() } else { wanted.max(kept) }.min(free.max(kept));
        let granted = self.used.saturating_add(hold);
        if hold == 0 && granted == 0 {
            next.remove(node);
        } else {
            next.set(Held {
                node,
                part: self.holder.part,
                granted,
                limit,
            });
        }
        let grew = granted > self.granted;
        (next, Granted { limit, granted, grew })
    }

    fn apply(&mut self, row: &CountedRow, effect: Granted, now: Now, asks: &[Ask]) -> Vec<Option<Answer>> {
        self.granted = effect.granted;
        self.limit = effect.limit;
        self.frozen = false;
        let others = row.held_by_others(self.holder.node);
        let taken = row.used.saturating_add(others).saturating_add(self.granted);
        self.outside = Some(Outside {
            limit: effect.limit,
            free: row.ceiling(self.holder.node, effect.limit).saturating_sub(taken),
            all: others == 0,
        });
        if effect.grew {
            (self.since, self.used_then, self.block) = (now.micros, self.used, self.held());
        }
        let need = asks
            .iter()
            .fold(0_u64, |sum, ask| sum.saturating_add(u64::from(ask.cost)));
        let enough = need <= self.held() || others == 0;
        asks.iter().map(|_| enough.then_some(Answer::Look)).collect()
    }

    fn unproven(&self, _ask: Ask) -> Answer {
        Answer::Unproven
    }

    fn others(row: &CountedRow, node: Uuid) -> Vec<Uuid> {
        row.others(node).map(|held| held.node).collect()
    }

    fn give_back(&mut self, row: &CountedRow, _now: Now) -> Option<CountedRow> {
        let mut next = row.clone();
        let Some(held) = next.remove(self.holder.node) else {
            self.given_back();
            return None;
        };
        self.frozen = true;
        let used = if held.part == self.holder.part {
            self.used
        } else {
            held.granted
        };
        next.used = next.used.saturating_add(used);
        Some(next)
    }

    fn given_back(&mut self) {
        (self.granted, self.used, self.used_then) = (0, 0, 0);
        self.frozen = false;
        self.outside = None;
    }

    fn holds(&self) -> bool {
        self.frozen || self.granted > 0
    }

    fn touched(&self) -> i64 {
        self.touched
    }
}
