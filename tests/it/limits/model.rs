//! Random requests, nodes, clocks, changes of limits and crashes, against a plain model that counts.

use std::{collections::HashMap, num::NonZero, time::Duration};

use claviger::keys::limits::Limits;
use proptest::{prelude::*, test_runner::TestRunner};

use super::Scene;

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
}

const LIMITS: [(u32, u64, u64, u64); 3] = [(5, 12, 25, 40), (9, 20, 0, 33), (3, 8, 30, 0)];

fn limits(index: usize) -> Limits {
    let (second, hour, month, account) = LIMITS[index];
    Limits {
        per_second: NonZero::new(second),
        per_hour: NonZero::new(hour),
        per_month: NonZero::new(month),
        account_per_month: NonZero::new(account),
    }
}

fn steps(kills: bool) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..3_usize, 0..4_u32, 0..3_usize).prop_map(|(node, cost, limits)| Step::Take { node, cost, limits }),
        4 => (0..1_500_i64).prop_map(Step::Clock),
        1 => (1_700_000..5_000_000_i64).prop_map(Step::Clock),
        1 => (-5_000_000..-1_100_i64).prop_map(Step::Clock),
        1 => (0..3_usize).prop_map(|node| Step::Sweep { node }),
        1 => (0..3_usize).prop_map(|node| Step::Replace { node }),
        u32::from(kills) => (0..3_usize).prop_map(|node| Step::Kill { node }),
    ];
    proptest::collection::vec(step, 1..60)
}

/// What one counter would do.
#[derive(Default)]
struct Model {
    counts: HashMap<(&'static str, i64), u64>,
    /// In parts of a second's worth: of requests at the rate, exactly, as a fraction over the product of all rates.
    debt: u128,
    seen: i64,
}

/// A second's worth at any rate: so that a request is a whole number at each, and so is a microsecond.
const FULL: u128 = 1_000_000 * 5 * 9 * 3;

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

    fn drain(&mut self, now: i64) {
        let elapsed = u128::try_from(now - self.seen).unwrap_or_default();
        self.debt = self.debt.saturating_sub(elapsed * (FULL / 1_000_000));
        self.seen = now;
    }

    fn allows(&mut self, limits: &Limits, now: time::OffsetDateTime, cost: u32) -> bool {
        self.drain(i64::try_from(now.unix_timestamp_nanos() / 1_000).unwrap());
        let second = limits
            .per_second
            .is_none_or(|rate| self.debt + u128::from(cost) * (FULL / u128::from(rate.get())) <= FULL);
        second
            && Self::windows(limits, now).into_iter().all(|(window, limit)| {
                cost == 0 || self.counts.get(&window).copied().unwrap_or_default() + u64::from(cost) <= limit
            })
            || cost == 0
    }

    fn take(&mut self, limits: &Limits, now: time::OffsetDateTime, cost: u32) {
        if let Some(rate) = limits.per_second {
            self.debt += u128::from(cost) * (FULL / u128::from(rate.get()));
        }
        for (window, _) in Self::windows(limits, now) {
            *self.counts.entry(window).or_default() += u64::from(cost);
        }
    }
}

/// `exact`: what the model allows is allowed, and nothing else is. Otherwise nothing else is.
async fn play(steps: Vec<Step>, exact: bool) -> Result<(), TestCaseError> {
    let scene = Scene::new().await;
    let mut nodes = scene.nodes(3).await;
    let mut model = Model::default();
    for (index, step) in steps.into_iter().enumerate() {
        match step {
            Step::Take {
                node,
                cost,
                limits: which,
            } => {
                let limits = limits(which);
                let now = scene.clock.now();
                let allowed = scene.take(&nodes[node], limits, cost).await.unwrap().is_allowed();
                let expected = model.allows(&limits, now, cost);
                prop_assert!(expected || !allowed, "step {}: one over", index);
                prop_assert!(!exact || allowed == expected, "step {}: refused early", index);
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
                let fresh = scene.join().await;
                let killed = std::mem::replace(&mut nodes[node], fresh);
                scene.kill(killed).await;
            }
        }
    }
    drop(nodes);
    tokio::time::timeout(Duration::from_secs(5), scene.db.ping())
        .await
        .unwrap()
        .unwrap();
    Ok(())
}

fn check(kills: bool) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let config = ProptestConfig {
        cases: 24,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&steps(kills), |steps| runtime.block_on(play(steps, !kills)))
        .unwrap();
}

#[test]
fn three_nodes_do_what_one_counter_would() {
    check(false);
}

#[test]
fn no_crash_opens_a_limit() {
    check(true);
}
