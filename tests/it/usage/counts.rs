//! Sums that are right, by whichever table they are read.

use claviger::keys::usage::{OTHER_SCOPES, Resolution, Window, series};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

use super::*;

#[tokio::test]
async fn what_two_nodes_count_in_one_minute_is_added_up() {
    let world = World::of(TestApp::nodes_with(2, quietly).await).await;
    let key = world.key(1, "Warehouse").await;
    for node in &world.app.nodes {
        good(node, key, START, 300);
        node.app.usage.record(key.used(START, Outcome::RateLimited));
    }
    let (one, other) = tokio::join!(
        world.app.nodes[0].app.usage.flush(),
        world.app.nodes[1].app.usage.flush()
    );
    one.unwrap();
    other.unwrap();
    assert_eq!(world.sum("usage_minutes").await, (602, 1_200));
    assert_eq!(
        world.number("SELECT count(*) FROM usage_minutes").await,
        2,
        "a row an outcome"
    );
    let report = world.report(Of::App(key.app), Span::Hour).await;
    assert_eq!(report.total.requests, 602);
    assert_eq!(report.outcomes[&Outcome::RateLimited], 2);
    assert_eq!(report.keys[0].accepted, 600);
}

#[tokio::test]
async fn minutes_become_hours_and_days_and_go_when_their_time_is_over() {
    let world = World::start().await;
    let key = world.key(1, "Warehouse").await;
    let node = &world.app.nodes[0];
    good(node, key, START, 5);
    good(node, key, START + 59 * MINUTE, 7);
    good(node, key, START + 61 * MINUTE, 11);
    node.app.usage.flush().await.unwrap();
    for span in Span::ALL {
        world.app.clock.set(START + 61 * MINUTE);
        let expected = if span == Span::Hour { 18 } else { 23 };
        let report = world.report(Of::Key(key.id), span).await;
        assert_eq!(
            report.total.requests, expected,
            "{span:?}, before it is rolled up"
        );
    }
    world.app.clock.set(START + 2 * HOUR);
    world.app.run_job("usage.roll-up").await;
    assert_eq!(world.number("SELECT count(*) FROM usage_hours").await, 2);
    world.app.clock.set(START + 5 * HOUR);
    for _ in 0..2 {
        world.app.run_job("usage.roll-up").await;
        for table in ["usage_minutes", "usage_hours", "usage_days"] {
            assert_eq!(world.sum(table).await, (23, 46), "{table}: again changes nothing");
        }
    }
    // A minute that comes late, when its row has been rolled up, and when it is gone.
    good(node, key, START, 100);
    node.app.usage.flush().await.unwrap();
    assert_eq!(
        world.report(Of::Key(key.id), Span::Month).await.total.requests,
        123
    );
    world.app.run_job("usage.roll-up").await;
    world.app.clock.set(START + 3 * DAY);
    world.app.run_job("usage.cleanup").await;
    assert_eq!(world.sum("usage_minutes").await, (0, 0));
    good(node, key, START, 1_000);
    node.app.usage.flush().await.unwrap();
    world.app.run_job("usage.cleanup").await;
    assert_eq!(
        world.sum("usage_minutes").await.0,
        1_000,
        "it stays until it is rolled up"
    );
    world.app.run_job("usage.roll-up").await;
    world.app.run_job("usage.cleanup").await;
    assert_eq!(world.sum("usage_minutes").await.0, 0);
    assert_eq!(world.sum("usage_hours").await.0, 1_123);
    assert_eq!(
        world.report(Of::Key(key.id), Span::Week).await.total.requests,
        1_123
    );
    world.app.clock.set(START + 40 * DAY);
    world.app.run_job("usage.cleanup").await;
    assert_eq!(world.sum("usage_hours").await.0, 0);
    assert_eq!(
        world.report(Of::Key(key.id), Span::Year).await.total.requests,
        1_123
    );
    world.app.clock.set(START + 390 * DAY);
    assert_eq!(
        world.report(Of::Key(key.id), Span::Year).await.total.requests,
        1_123
    );
    world.app.clock.set(START + 400 * DAY);
    world.app.run_job("usage.cleanup").await;
    assert_eq!(world.sum("usage_days").await.0, 0);
}

#[tokio::test]
async fn a_series_has_every_unit_of_its_time() {
    let world = World::start().await;
    let key = world.key(1, "Warehouse").await;
    good(&world.app.nodes[0], key, START + MINUTE, 4);
    world.app.usage.flush().await.unwrap();
    let window = Window::of(START, START + 3 * MINUTE, Resolution::Minute);
    let points = series(
        &mut world.app.db.connection().await.unwrap(),
        Of::Key(key.id),
        &window,
    )
    .await
    .unwrap();
    let counted: Vec<u64> = points.iter().map(|point| point.count.requests).collect();
    assert_eq!(counted, [0, 4, 0]);
    world.app.advance(2 * MINUTE);
    let report = world.report(Of::Key(key.id), Span::Hour).await;
    assert_eq!(report.outcomes[&Outcome::Valid], 4);
    assert_eq!(report.points.len(), 60);
}

#[tokio::test]
async fn callers_who_make_up_scopes_make_no_more_rows() {
    let world = World::start().await;
    let key = world.key(1, "Warehouse").await;
    for number in 0..5_000 {
        let scope = format!("read:order-{number}");
        let mut used = key.used(START, Outcome::InsufficientScope);
        used.scope = Some(&scope);
        world.app.usage.record(used);
    }
    let mut used = key.used(START, Outcome::InsufficientScope);
    used.scope = Some("no scope\0at all");
    world.app.usage.record(used);
    world.app.usage.flush().await.unwrap();
    assert_eq!(world.number("SELECT count(*) FROM usage_minutes").await, 33);
    let report = world.report(Of::Key(key.id), Span::Hour).await;
    assert_eq!(report.total.requests, 5_001);
    assert_eq!(
        (report.scopes[0].of.as_str(), report.scopes[0].count.requests),
        (OTHER_SCOPES, 4_969)
    );
}

/// Requests of a time, some of them late, with flushes and roll-ups between.
#[derive(Clone, Debug)]
enum Step {
    Use {
        key: usize,
        minute: u32,
        outcome: usize,
        scope: usize,
        node: usize,
    },
    Flush {
        node: usize,
    },
    RollUp {
        hours: u32,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        8 => (0..3_usize, 0..4_000_u32, 0..7_usize, 0..3_usize, 0..2_usize)
            .prop_map(|(key, minute, outcome, scope, node)| Step::Use { key, minute, outcome, scope, node }),
        2 => (0..2_usize).prop_map(|node| Step::Flush { node }),
        1 => (0..80_u32).prop_map(|hours| Step::RollUp { hours }),
    ];
    prop::collection::vec(one, 1..60)
}

#[tokio::test]
async fn all_tables_hold_what_was_recorded_whatever_that_was() {
    let world = World::of(TestApp::nodes_with(2, quietly).await).await;
    let keys = [
        world.key(1, "One").await,
        world.key(2, "Two").await,
        world.key(3, "Three").await,
    ];
    let mut runner = TestRunner::deterministic();
    for _ in 0..12 {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        world
            .client
            .batch_execute("TRUNCATE usage_minutes, usage_hours, usage_days")
            .await
            .unwrap();
        let mut recorded = (0, 0);
        for step in &steps {
            match *step {
                Step::Use {
                    key,
                    minute,
                    outcome,
                    scope,
                    node,
                } => {
                    let outcome = Outcome::ALL[outcome];
                    let mut used = keys[key].used(START + minute * MINUTE, outcome);
                    used.scope = [None, Some("read:orders"), Some("write:orders")][scope];
                    world.app.nodes[node].app.usage.record(used);
                    recorded.0 += 1;
                    recorded.1 += if outcome == Outcome::Valid { 2 } else { 0 };
                }
                Step::Flush { node } => world.app.nodes[node].app.usage.flush().await.unwrap(),
                Step::RollUp { hours } => {
                    world.app.clock.set(START + hours * HOUR);
                    world.app.run_job("usage.roll-up").await;
                }
            }
        }
        for node in &world.app.nodes {
            node.app.usage.flush().await.unwrap();
        }
        world.app.clock.set(START + 4 * DAY);
        let report = world.report(Of::App(keys[0].app), Span::Month).await;
        assert_eq!(
            i64::try_from(report.total.requests).unwrap(),
            recorded.0,
            "{steps:?}"
        );
        world.app.run_job("usage.roll-up").await;
        for table in ["usage_minutes", "usage_hours", "usage_days"] {
            assert_eq!(world.sum(table).await, recorded, "{table}: {steps:?}");
        }
    }
}
