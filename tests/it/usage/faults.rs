//! A database that is away, a flush that is cut off, a server that stops.

use crate::support::{proxy::Proxy, wait::until};

use super::*;

async fn behind_a_cable() -> (World, Proxy) {
    let mut app = TestApp::nodes(0).await;
    let cable = Proxy::to(&app.database.server_url);
    let mut config = app.config();
    quietly(&mut config);
    let mut urls = app.urls();
    cable.url().clone_into(&mut urls.server);
    app.add_node(config, urls).await;
    (World::of(app).await, cable)
}

#[tokio::test]
async fn while_the_database_is_away_nothing_is_lost_and_nothing_is_counted_twice() {
    let (world, cable) = behind_a_cable().await;
    let key = world.key(1, "Warehouse").await;
    let node = &world.app.nodes[0];
    good(node, key, START, 10);
    node.app.usage.flush().await.unwrap();
    good(node, key, START, 20);
    cable.cut();
    for round in 1..4 {
        assert!(node.app.usage.flush().await.is_err());
        good(node, key, START + round * MINUTE, 30);
    }
    cable.mend();
    until("it is written", async || node.app.usage.flush().await.is_ok()).await;
    assert_eq!(world.sum("usage_minutes").await, (120, 240));
    assert_eq!(
        world
            .number("SELECT count(*) FROM audit_records WHERE action = 'key.first_used'")
            .await,
        1
    );
}

#[tokio::test]
async fn a_flush_whose_answer_is_lost_is_not_counted_again() {
    let (world, cable) = behind_a_cable().await;
    let key = world.key(1, "Warehouse").await;
    let node = &world.app.nodes[0];
    good(node, key, START, 10);
    // The counts are committed; what comes after them fails for as long as this table is not there.
    world
        .client
        .batch_execute("ALTER TABLE key_notices RENAME TO key_notices_away")
        .await
        .unwrap();
    node.app.usage.record(key.used(START, Outcome::Revoked));
    for _ in 0..3 {
        assert!(node.app.usage.flush().await.is_err());
    }
    assert_eq!(world.sum("usage_minutes").await.0, 11);
    // As if the next batch had arrived, and the node had not heard of it.
    world
        .client
        .batch_execute("UPDATE usage_writers SET batch = 2")
        .await
        .unwrap();
    world
        .client
        .batch_execute("ALTER TABLE key_notices_away RENAME TO key_notices")
        .await
        .unwrap();
    good(node, key, START, 1_000);
    node.app.usage.flush().await.unwrap();
    assert_eq!(
        world.sum("usage_minutes").await.0,
        11,
        "a batch of that number has been written"
    );
    good(node, key, START, 5);
    node.app.usage.flush().await.unwrap();
    assert_eq!(world.sum("usage_minutes").await.0, 16);
    drop(cable);
}

#[tokio::test]
async fn a_roll_up_that_is_cut_off_changes_nothing() {
    let (world, cable) = behind_a_cable().await;
    let key = world.key(1, "Warehouse").await;
    good(&world.app.nodes[0], key, START, 10);
    world.app.usage.flush().await.unwrap();
    world.app.clock.set(START + 3 * HOUR);
    // The insertion above fails after the marking below, in the same statement.
    world
        .client
        .batch_execute("ALTER TABLE usage_hours ADD CONSTRAINT never CHECK (requests < 0)")
        .await
        .unwrap();
    assert!(world.app.runner.run_once("usage.roll-up").await.is_err());
    assert_eq!(
        world.number("SELECT count(*) FROM usage_minutes WHERE due").await,
        1
    );
    world
        .client
        .batch_execute("ALTER TABLE usage_hours DROP CONSTRAINT never")
        .await
        .unwrap();
    world.app.run_job("usage.roll-up").await;
    assert_eq!(world.sum("usage_hours").await, (10, 20));
    assert_eq!(world.sum("usage_days").await, (10, 20));
    drop(cable);
}

#[tokio::test]
async fn a_server_that_stops_writes_what_it_counted() {
    let mut world = World::start().await;
    let key = world.key(1, "Warehouse").await;
    let node = world.app.nodes.remove(0);
    good(&node, key, START, 10);
    node.stop().await;
    assert_eq!(world.sum("usage_minutes").await.0, 10);
}
