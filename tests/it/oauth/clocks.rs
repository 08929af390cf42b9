//! Clocks that step, and nodes whose clocks differ.

use std::time::Duration;

use super::flow::{World, text};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Steps the clock of all nodes back.
fn step_back(world: &World, by: Duration) {
    let now = world.app.authority.clock.now();
    world.app.clock.set(now - by);
}

#[tokio::test]
async fn a_used_refresh_token_is_a_replay_though_the_clock_stepped_back() {
    let world = World::start().await;
    let browser = world.browser().await;
    world.app.advance(2 * HOUR);
    for by in [Duration::from_micros(1), Duration::from_millis(20), HOUR] {
        let client = world.public().await;
        let first = text(&world.tokens(&browser, &client).await, "refresh_token");
        let second = text(&world.refresh(&client, &first).await.good(), "refresh_token");
        step_back(&world, by);
        for token in [&first, &second] {
            assert_eq!(
                world.refresh(&client, token).await.error(),
                (400, "invalid_grant".to_owned()),
                "{by:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_honest_retry_is_answered_though_the_clocks_of_nodes_differ() {
    let world = World::start().await;
    let browser = world.browser().await;
    world.app.advance(HOUR);
    let client = world.confidential().await;
    let first = text(&world.tokens(&browser, &client).await, "refresh_token");
    let second = world.refresh(&client, &first).await.good();
    step_back(&world, Duration::from_millis(20));
    let again = world.refresh(&client, &first).await.good();
    assert_eq!(text(&again, "refresh_token"), text(&second, "refresh_token"));
}
