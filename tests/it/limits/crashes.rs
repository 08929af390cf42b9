//! Nodes that die, stop, wait or lose the database; clocks that are set back; clients that go away.

use std::time::Duration;

use claviger::types::Fault;
use futures_util::FutureExt as _;

use super::{Scene, per_hour, per_second};
use crate::support::{proxy::Proxy, wait::until};

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_gives_back_and_a_restart_goes_on_from_there() {
    let scene = Scene::new().await;
    let node = scene.join().await;
    for _ in 0..30 {
        assert!(scene.allows(&node, per_hour(100)).await);
    }
    node.limiter.leave().await.unwrap();
    let again = scene.join().await;
    assert_eq!(scene.storm(&[again], per_hour(100), 200).await, 70);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_node_held_counts_as_used() {
    let scene = Scene::new().await;
    let node = scene.join().await;
    for _ in 0..30 {
        assert!(scene.allows(&node, per_hour(100)).await);
    }
    scene.kill(node).await;
    let again = scene.join().await;
    let allowed = scene.storm(&[again], per_hour(100), 200).await;
    assert!((1..=70).contains(&allowed), "{allowed} more after 30 of 100");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_leaves_an_empty_second_that_fills_again() {
    let scene = Scene::new().await;
    let node = scene.join().await;
    assert!(scene.allows(&node, per_second(10)).await);
    scene.kill(node).await;
    let nodes = [scene.join().await];
    assert_eq!(scene.storm(&nodes, per_second(10), 20).await, 0);
    scene.hand.advance(Duration::from_millis(200));
    assert_eq!(scene.storm(&nodes, per_second(10), 20).await, 2);
    scene.hand.advance(Duration::from_secs(1));
    assert_eq!(scene.storm(&nodes, per_second(10), 20).await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_node_gives_back_by_itself() {
    let scene = Scene::new().await;
    let first = scene.join().await;
    for _ in 0..30 {
        assert!(scene.allows(&first, per_hour(100)).await);
    }
    scene.hand.advance(Duration::from_mins(1));
    first.limiter.sweep().await.unwrap();
    scene.kill(first).await;
    let second = scene.join().await;
    assert_eq!(scene.storm(&[second], per_hour(100), 200).await, 70);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_opens_nothing_and_locks_nobody_out() {
    let scene = Scene::new().await;
    let nodes = scene.nodes(2).await;
    assert_eq!(scene.storm(&nodes, per_hour(40), 90).await, 40);
    scene.hand.advance(Duration::from_hours(1));
    assert_eq!(scene.storm(&nodes, per_hour(40), 30).await, 30);
    scene.hand.set(super::START);
    assert_eq!(scene.storm(&nodes, per_hour(40), 30).await, 0);
    scene.hand.advance(Duration::from_hours(1));
    assert_eq!(scene.storm(&nodes, per_hour(40), 30).await, 10);

    let scene = Scene::new().await;
    let nodes = scene.nodes(2).await;
    assert_eq!(scene.storm(&nodes, per_second(10), 40).await, 10);
    scene.hand.set(super::START - Duration::from_hours(24));
    assert_eq!(scene.storm(&nodes, per_second(10), 40).await, 0);
    scene.hand.advance(Duration::from_millis(500));
    assert_eq!(scene.storm(&nodes, per_second(10), 40).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_a_block_lasts_as_long_as_it_does_and_then_nothing_is_allowed() {
    let scene = Scene::new().await;
    let cable = Proxy::to(&scene.database.server_url);
    let node = scene.join_at(cable.url(), scene.clock.clone()).await;
    for _ in 0..20 {
        assert!(scene.allows(&node, per_hour(100)).await);
    }
    cable.cut();
    let mut allowed = 20;
    let fault = loop {
        match scene.take(&node, per_hour(100), 1).await {
            Ok(verdict) => {
                assert!(verdict.is_allowed());
                allowed += 1;
            }
            Err(fault) => break fault,
        }
    };
    assert!(matches!(fault, Fault::Unavailable(_)), "{fault}");
    assert!((21..100).contains(&allowed), "{allowed}");
    cable.mend();
    until("the node asks the database again", async || {
        scene.take(&node, per_hour(100), 0).await.is_ok()
    })
    .await;
    assert_eq!(scene.storm(&[node], per_hour(100), 200).await, 100 - allowed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_takes_nothing_with_it_and_holds_up_nobody() {
    let scene = Scene::new().await;
    let node = scene.join().await;
    for _ in 0..50 {
        // Given up after its first step, before the database has answered.
        let gone = scene.take(&node, per_hour(100), 1).now_or_never();
        if let Some(taken) = gone {
            assert!(taken.unwrap().is_allowed());
        }
    }
    node.limiter.give_back().await.unwrap();
    let left = scene.take(&node, per_hour(100), 0).await.unwrap();
    let left = usize::try_from(left.standing().iter().next().unwrap().remaining).unwrap();
    assert_eq!(scene.storm(&[node], per_hour(100), 200).await, left);
    assert!(left >= 50, "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_node_that_does_not_answer_is_waited_for_and_then_counts_as_having_used_it() {
    let scene = Scene::new().await;
    let cable = Proxy::to(&scene.database.server_url);
    let silent = scene.join_at(cable.url(), scene.clock.clone()).await;
    for _ in 0..20 {
        assert!(scene.allows(&silent, per_hour(100)).await);
    }
    cable.clamp();
    let nodes = [scene.join().await];
    let allowed = scene.storm(&nodes, per_hour(100), 200).await;
    assert!((1..80).contains(&allowed), "{allowed}");
    cable.mend();
    until("what the silent node held comes back", async || {
        scene.allows(&nodes[0], per_hour(100)).await
    })
    .await;
}
