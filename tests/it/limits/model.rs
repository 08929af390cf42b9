//! Random requests, nodes, clocks, changes of limits, crashes and lost leases, against a plain model that counts.

use std::{
    collections::{HashMap, HashSet},
    num::NonZero,
    time::Duration,
};

use claviger::keys::limits::Limits;
use proptest::{
    prelude::*,
    test_runner::{TestRng, TestRunner},
};

use super::Scene;
use crate::support::cluster::PATIENCE;

#[derive(Clone, Debug)]
enum Step {
    Take {
        node: usize,
        cost: u32,
        limits: usize,
    },
    /// Milliseconds, back or forth.
    Clock(i64),
    Sweep {
        node: usize,
    },
    /// Stops gracefully, and another one joins.
    Replace {
        node: usize,
    },
    /// Is killed, and another one joins.
    Kill {
        node: usize,
    },
    /// Loses its lease, as when it is out of touch with the database.
    Lapse {
        node: usize,
    },
    /// Has its lease again.
    Return {
        node: usize,
    },
}

use Step::{Clock, Lapse, Return};

/// By second, hour, month, and month of the account. A part of a second at one rate is a whole number of units at each
/// other, so that nothing is rounded and the model can be exact.
const LIMITS: [(u32, u64, u64, u64); 3] = [(5, 12, 25, 40), (10, 20, 0, 33), (4, 8, 30, 0)];

fn limits(index: usize) -> Limits {
    let (second, hour, month, account) = LIMITS[index];
    Limits {
        per_second: NonZero::new(second),
        per_hour: NonZero::new(hour),
        per_month: NonZero::new(month),
        account_per_month: NonZero::new(account),
    }
}

fn steps(faults: bool) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..3_usize, 0..4_u32, 0..3_usize).prop_map(|(node, cost, limits)| Step::Take { node, cost, limits }),
        4 => (0..1_500_i64).prop_map(Step::Clock),
        1 => (-1_500..0_i64).prop_map(Step::Clock),
        1 => (1_700_000..5_000_000_i64).prop_map(Step::Clock),
        1 => (-5_000_000..-1_000_i64).prop_map(Step::Clock),
        1 => (0..3_usize).prop_map(|node| Step::Sweep { node }),
        1 => (0..3_usize).prop_map(|node| Step::Replace { node }),
        u32::from(faults) => (0..3_usize).prop_map(|node| Step::Kill { node }),
        u32::from(faults) => (0..3_usize).prop_map(|node| Step::Lapse { node }),
        2 * u32::from(faults) => (0..3_usize).prop_map(|node| Step::Return { node }),
    ];
    proptest::collection::vec(step, 1..60)
}

/// What was taken of the second and has not drained, as a part of a second's worth; and when.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Debt {
    units: u64,
    seen: i64,
}

/// A second's worth at any rate.
const FULL: u64 = 1_000_000;

impl Debt {
    /// A clock that is behind by up to a second waits; further behind, it has been set back.
    fn noting(self, now: i64) -> Self {
        let is_set_back = self.seen - now > 1_000_000;
        Self {
            seen: if is_set_back { now } else { self.seen },
            ..self
        }
    }

    /// After a take, if a second's worth has room for it.
    fn with(self, now: i64, cost: u32, rate: u32) -> Option<Self> {
        let noted = self.noting(now);
        let seen = noted.seen.max(now);
        let drained = u64::try_from(seen - noted.seen).unwrap();
        let units = self.units.saturating_sub(drained) + u64::from(cost) * FULL / u64::from(rate);
        (units <= FULL).then_some(Self { units, seen })
    }
}

fn micros(at: time::OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap()
}

/// What one counter would do.
struct Model {
    counts: HashMap<(&'static str, i64), u64>,
    /// Those that it may have: whoever is refused or only looks may note that the clock was set back, or not.
    debts: HashSet<Debt>,
}

/// What it would say.
#[derive(PartialEq)]
enum Says {
    Yes,
    No,
    Either,
}

impl Model {
    fn windows(limits: &Limits, now: time::OffsetDateTime) -> Vec<((&'static str, i64), u64)> {
        let hour = now.unix_timestamp() / 3_600;
        let month = i64::from(now.year()) * 12 + i64::from(u8::from(now.month()));
        [
            ("hour", hour, limits.per_hour),
            ("month", month, limits.per_month),
            ("account", month, limits.account_per_month),
        ]
        .into_iter()
        .filter_map(|(name, window, limit)| Some(((name, window), limit?.get())))
        .collect()
    }

    fn new() -> Self {
        Self {
            counts: HashMap::new(),
            debts: HashSet::from([Debt::default()]),
        }
    }

    /// Somebody died, or may have been taken for dead: what they took may count as a whole second's worth from now on.
    fn forget(&mut self, now: i64) {
        self.debts.insert(Debt {
            units: FULL,
            seen: now,
        });
    }

    fn ask(&mut self, limits: &Limits, now: time::OffsetDateTime, cost: u32) -> Says {
        let micros = micros(now);
        let noting: Vec<_> = self.debts.iter().map(|debt| debt.noting(micros)).collect();
        self.debts.extend(noting);
        if cost == 0 {
            return Says::Yes;
        }
        let is_counted_out = Self::windows(limits, now).iter().any(|(window, limit)| {
            self.counts.get(window).copied().unwrap_or_default() + u64::from(cost) > *limit
        });
        if is_counted_out {
            return Says::No;
        }
        let rate = limits.per_second.unwrap().get();
        let mut allow = self
            .debts
            .iter()
            .map(|debt| debt.with(micros, cost, rate).is_some());
        if allow.clone().all(|allows| allows) {
            Says::Yes
        } else if allow.any(|allows| allows) {
            Says::Either
        } else {
            Says::No
        }
    }

    fn take(&mut self, limits: &Limits, now: time::OffsetDateTime, cost: u32) {
        if cost == 0 {
            return;
        }
        let (rate, micros) = (limits.per_second.unwrap().get(), micros(now));
        let after = self.debts.iter().filter_map(|debt| debt.with(micros, cost, rate));
        self.debts = after.collect();
        for (window, _) in Self::windows(limits, now) {
            *self.counts.entry(window).or_default() += u64::from(cost);
        }
    }
}

/// `exact`: what the model allows is allowed, and nothing else is. Otherwise nothing else is.
async fn play(steps: Vec<Step>, exact: bool) -> Result<(), TestCaseError> {
    let scene = Scene::new().await;
    let mut nodes = scene.nodes(3).await;
    let mut model = Model::new();
    let mut has_lost = false;
    for (index, step) in steps.into_iter().enumerate() {
        match step {
            Step::Take {
                node,
                cost,
                limits: which,
            } => {
                let limits = limits(which);
                let now = scene.clock.now();
                if has_lost {
                    model.forget(micros(now));
                }
                let taken = tokio::time::timeout(PATIENCE, scene.take(&nodes[node], limits, cost)).await;
                prop_assert!(taken.is_ok(), "step {}: no answer", index);
                let taken = taken.unwrap().unwrap();
                let allowed = taken.is_allowed();
                let says = model.ask(&limits, now, cost);
                prop_assert!(!allowed || says != Says::No, "step {}: one over", index);
                prop_assert!(
                    !exact || allowed || says != Says::Yes,
                    "step {}: refused early",
                    index
                );
                if allowed {
                    model.take(&limits, now, cost);
                }
            }
            Step::Clock(milliseconds) => {
                scene
                    .hand
                    .set(scene.clock.now() + time::Duration::milliseconds(milliseconds));
            }
            Step::Sweep { node } => nodes[node].limiter.sweep().await.unwrap(),
            Step::Replace { node } => {
                nodes[node].limiter.leave().await.unwrap();
                nodes[node] = scene.join().await;
            }
            Step::Kill { node } => {
                has_lost = true;
                let fresh = scene.join().await;
                let killed = std::mem::replace(&mut nodes[node], fresh);
                scene.kill(killed).await;
            }
            Step::Lapse { node } => {
                has_lost = true;
                scene.lose_lease(&nodes[node]).await;
            }
            Step::Return { node } => scene.renew_lease(&nodes[node], index as u64 + 2).await,
        }
    }
    drop(nodes);
    tokio::time::timeout(Duration::from_secs(5), scene.db.ping())
        .await
        .unwrap()
        .unwrap();
    Ok(())
}

fn check(faults: bool) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let asked = std::env::var("PROPTEST_CASES").ok();
    let cases = asked.as_ref().map_or(24, |cases| cases.parse().unwrap());
    let config = ProptestConfig {
        cases,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    // The same histories each time, so that a failure is one's own; new ones for whoever asks for many.
    let mut runner = if asked.is_some() {
        TestRunner::new(config)
    } else {
        let rng = TestRng::deterministic_rng(config.rng_algorithm);
        TestRunner::new_with_rng(config, rng)
    };
    runner
        .run(&steps(faults), |steps| runtime.block_on(play(steps, !faults)))
        .unwrap();
}

#[test]
fn three_nodes_do_what_one_counter_would() {
    check(false);
}

#[test]
fn no_crash_and_no_lost_lease_opens_a_limit() {
    check(true);
}

fn take(node: usize, cost: u32, limits: usize) -> Step {
    Step::Take { node, cost, limits }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_holds_under_a_lower_limit_is_called_back_before_a_higher_one_is_used_up() {
    let steps = vec![
        take(0, 2, 0),
        Clock(356),
        take(2, 2, 0),
        take(0, 1, 0),
        take(2, 2, 1),
        take(1, 1, 2),
        Clock(311),
        take(2, 1, 1),
        take(1, 1, 2),
    ];
    play(steps, true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_looks_at_a_clock_that_was_set_back_does_not_set_the_second_back() {
    let steps = vec![
        take(0, 2, 0),
        take(0, 3, 1),
        take(0, 1, 0),
        Clock(-1_102),
        take(1, 0, 0),
        Clock(334),
        take(0, 1, 0),
        Clock(1_000),
        take(0, 1, 0),
    ];
    play(steps, true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_after_the_clock_was_set_back_gets_an_answer() {
    play(vec![take(0, 2, 0), Clock(-1_102), take(0, 0, 0)], true)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_its_lease_for_a_while_has_lost_nothing_if_nobody_else_came() {
    let steps = vec![
        take(0, 2, 0),
        Lapse { node: 0 },
        take(0, 1, 0),
        Return { node: 0 },
        take(0, 2, 0),
    ];
    play(steps, true).await.unwrap();
    let steps = vec![
        take(0, 2, 0),
        Lapse { node: 0 },
        Return { node: 0 },
        take(0, 3, 0),
        take(0, 1, 0),
    ];
    play(steps, true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_taken_for_dead_takes_nothing_from_memory() {
    let steps = vec![
        take(0, 1, 0),
        Lapse { node: 0 },
        // The second counts as taken, and begins to drain.
        take(1, 1, 0),
        Clock(1_000),
        take(1, 5, 0),
        Return { node: 0 },
        take(0, 1, 0),
        take(0, 4, 0),
    ];
    play(steps, false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_left_stands_in_nobodys_way_though_it_had_used_all_that_it_held() {
    let steps = vec![
        take(1, 1, 2),
        Step::Replace { node: 1 },
        take(0, 2, 0),
        Clock(250),
        take(0, 2, 1),
        take(0, 2, 1),
        take(0, 2, 1),
    ];
    play(steps, true).await.unwrap();
}
