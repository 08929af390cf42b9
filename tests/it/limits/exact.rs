//! Without faults, exactly what is allowed is allowed.

use std::{num::NonZero, time::Duration};

use claviger::{
    jobs::{Run, Runner},
    keys::limits::{Limits, Span, cleanup, policy, rate_limit},
    types::{ApiKeyId, Entropy},
};
use time::macros::datetime;

use super::{START, Scene, per_hour, per_second, refusal};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_gets_the_quota_of_the_hour_and_not_one_more_on_one_node() {
    let scene = Scene::new().await;
    let nodes = scene.nodes(1).await;
    assert_eq!(scene.storm(&nodes, per_hour(150), 400).await, 150);
    let written = scene.writes().await;
    let (over, retry_after) = refusal(scene.take(&nodes[0], per_hour(150), 1).await.unwrap());
    assert_eq!((over, retry_after), (Span::Hour, Duration::from_mins(30)));
    assert_eq!(scene.writes().await, written, "who is refused writes nothing");
    scene.hand.advance(Duration::from_mins(30));
    assert_eq!(scene.storm(&nodes, per_hour(150), 400).await, 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_gets_the_quota_of_the_hour_and_not_one_more_on_three_nodes() {
    let scene = Scene::new().await;
    let nodes = scene.nodes(3).await;
    assert_eq!(scene.storm(&nodes, per_hour(250), 600).await, 250);
    for node in &nodes {
        assert!(!scene.allows(node, per_hour(250)).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_other_nodes_hold_is_called_back_for_whoever_needs_it() {
    let scene = Scene::new().await;
    let nodes = scene.nodes(3).await;
    let limits = per_hour(100);
    // One after the other on one node: it holds blocks. Then all that is left is asked of another.
    for _ in 0..20 {
        assert!(scene.allows(&nodes[0], limits).await);
    }
    for _ in 0..20 {
        assert!(scene.allows(&nodes[1], limits).await);
    }
    for _ in 0..60 {
        assert!(scene.allows(&nodes[2], limits).await);
    }
    for node in &nodes {
        assert!(!scene.allows(node, limits).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_is_exact_on_one_node_and_on_three() {
    for count in [1, 3] {
        let scene = Scene::new().await;
        let nodes = scene.nodes(count).await;
        assert_eq!(
            scene.storm(&nodes, per_second(30), 200).await,
            30,
            "{count} nodes"
        );
        scene.hand.advance(SECOND / 10);
        assert_eq!(scene.storm(&nodes, per_second(30), 100).await, 3, "{count} nodes");
        // A third of a second is no whole number of microseconds.
        scene.hand.advance(SECOND / 3 + Duration::from_micros(1));
        assert_eq!(
            scene.storm(&nodes, per_second(30), 100).await,
            10,
            "{count} nodes"
        );
        scene.hand.advance(20 * SECOND);
        assert_eq!(
            scene.storm(&nodes, per_second(30), 200).await,
            30,
            "{count} nodes"
        );
        let (over, wait) = refusal(scene.take(&nodes[0], per_second(30), 1).await.unwrap());
        assert_eq!((over, wait), (Span::Second, Duration::from_micros(33_334)));
        scene.hand.advance(wait);
        assert!(scene.allows(&nodes[0], per_second(30)).await, "{count} nodes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_joins_gets_what_another_one_claimed_and_did_not_use() {
    let scene = Scene::new().await;
    let first = scene.join().await;
    for _ in 0..4 {
        assert!(scene.allows(&first, per_second(10)).await);
    }
    let second = scene.join().await;
    for _ in 0..6 {
        assert!(scene.allows(&second, per_second(10)).await);
    }
    assert!(!scene.allows(&second, per_second(10)).await);
    assert!(!scene.allows(&first, per_second(10)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_takes_of_all_limits_or_of_none() {
    let scene = Scene::new().await;
    let nodes = scene.nodes(2).await;
    let limits = Limits {
        per_second: NonZero::new(100),
        per_hour: NonZero::new(20),
        per_month: NonZero::new(30),
        account_per_month: NonZero::new(40),
    };
    assert_eq!(scene.storm(&nodes, limits, 90).await, 20);
    // What was refused for the hour has taken nothing of the month.
    let month = Limits {
        per_hour: None,
        ..limits
    };
    assert_eq!(scene.storm(&nodes, month, 70).await, 10);
    // Another key of the account finds what the first one has left.
    let other = ApiKeyId::new(&scene.clock, &Entropy::system());
    let mut allowed = 0;
    for node in nodes.iter().cycle().take(30) {
        let verdict = node.limiter.take(other, scene.account, &month, 1).await.unwrap();
        allowed += u32::from(verdict.is_allowed());
    }
    assert_eq!(allowed, 10);
    let verdict = nodes[0]
        .limiter
        .take(other, scene.account, &month, 1)
        .await
        .unwrap();
    let left = datetime!(2024-06-01 0:00 UTC) - START;
    assert_eq!(refusal(verdict), (Span::Account, left.unsigned_abs()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cost_is_taken_whole_or_not_at_all() {
    let scene = Scene::new().await;
    let nodes = scene.nodes(2).await;
    let take = async |node: usize, cost| {
        scene
            .take(&nodes[node], per_hour(10), cost)
            .await
            .unwrap()
            .is_allowed()
    };
    assert!(take(0, 4).await);
    assert!(!take(1, 7).await);
    assert!(take(1, 5).await);
    assert!(!take(0, 2).await);
    assert!(take(0, 0).await);
    assert!(take(0, 1).await);
    assert!(!take(1, 1).await);
    assert!(!take(1, 11).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_limits_hold_from_the_next_request_on() {
    let scene = Scene::new().await;
    let nodes = scene.nodes(2).await;
    for node in nodes.iter().cycle().take(20) {
        assert!(scene.allows(node, per_hour(1_000)).await);
    }
    assert_eq!(scene.storm(&nodes, per_hour(25), 60).await, 5);
    assert_eq!(scene.storm(&nodes, per_hour(10), 30).await, 0);
    assert_eq!(scene.storm(&nodes, per_hour(40), 60).await, 15);
    assert_eq!(scene.storm(&nodes, Limits::default(), 10).await, 10);
    assert_eq!(scene.storm(&nodes, per_hour(41), 10).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standing_says_what_is_left() {
    let scene = Scene::new().await;
    let node = scene.join().await;
    let limits = Limits {
        per_second: NonZero::new(5),
        ..per_hour(1_000)
    };
    let looked = scene.take(&node, limits, 0).await.unwrap();
    assert_eq!(
        rate_limit(looked.standing()).unwrap(),
        r#""second";r=5;t=0, "hour";r=1000;t=1800"#
    );
    assert_eq!(scene.writes().await, 0, "who only looks takes nothing");
    let taken = scene.take(&node, limits, 2).await.unwrap();
    assert_eq!(
        rate_limit(taken.standing()).unwrap(),
        r#""second";r=3;t=1, "hour";r=998;t=1800"#
    );
    assert_eq!(
        policy(taken.standing()).unwrap(),
        r#""second";q=5;w=1, "hour";q=1000;w=3600"#
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_key_on_one_node_is_written_rarely() {
    let scene = Scene::new().await;
    let node = scene.join().await;
    let limits = Limits {
        per_second: NonZero::new(1_000),
        per_hour: NonZero::new(1_000_000),
        per_month: NonZero::new(1_000_000),
        account_per_month: None,
    };
    for _ in 0..5_000 {
        assert!(scene.allows(&node, limits).await);
        scene.hand.advance(Duration::from_millis(2));
    }
    let written = scene.writes().await;
    assert!(written < 60, "{written} writes for 5,000 requests in ten seconds");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_removed_and_what_is_not_stays() {
    let scene = Scene::new().await;
    let node = scene.join().await;
    let limits = Limits {
        per_second: NonZero::new(10),
        per_hour: NonZero::new(10),
        per_month: NonZero::new(10),
        account_per_month: None,
    };
    assert!(scene.allows(&node, limits).await);
    let runner = Runner::new(scene.db.clone(), scene.clock.clone(), vec![cleanup(SECOND, 1)]);
    // The second that a node has in its memory stays until it is gone.
    for (hours, rows) in [(1, 0), (4, 1), (0, 1), (24 * 40, 1)] {
        if hours == 0 {
            scene.set_lease(node.id, "-1 second").await;
        }
        scene.hand.advance(Duration::from_hours(hours));
        let run = runner.run_once("keys.remove_old_allowances").await.unwrap();
        assert!(
            matches!(run, Run::Done(removed) if removed == rows),
            "{hours}: {run:?}"
        );
    }
}
