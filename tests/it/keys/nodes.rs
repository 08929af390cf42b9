//! What one node does to a key, all know when it returns; and keys are judged from memory.

use claviger::keys::Asker;
use serde_json::json;

use super::{World, code};
use crate::support::{app::TestApp, proxy::Proxy};

#[tokio::test]
async fn a_key_that_one_node_revokes_or_changes_no_node_takes_for_what_it_was() {
    let world = World::with(3, |_| {}).await;
    let (key, value) = world.make(|_| {}).await;
    let ask = |node: usize, scope: &'static str| {
        let (world, value) = (&world, value.clone());
        async move {
            let question = json!({ "key": value, "scope": scope });
            code(&world.ask_at(&world.app.nodes[node], question).await)
        }
    };
    for node in 0..3 {
        assert_eq!(ask(node, "write:orders").await, "VALID");
    }
    let keys = &world.app.nodes[1].app.keys;
    keys.change(
        key.id,
        None,
        |settings| settings.scopes = super::set("read:orders"),
        Asker::OPERATOR,
    )
    .await
    .unwrap();
    for node in 0..3 {
        assert_eq!(ask(node, "write:orders").await, "INSUFFICIENT_SCOPE");
        assert_eq!(ask(node, "read:orders").await, "VALID");
    }
    let policy = &world.app.nodes[2].app.keys;
    policy
        .change_policy(
            world.ada_app,
            |policy| policy.networks = vec!["203.0.113.0/24".parse().unwrap()],
            Asker::OPERATOR,
        )
        .await
        .unwrap();
    for node in 0..3 {
        assert_eq!(ask(node, "read:orders").await, "IP_NOT_ALLOWED");
    }
    keys.revoke(key.id, Asker::OPERATOR).await.unwrap();
    for node in 0..3 {
        assert_eq!(ask(node, "read:orders").await, "NOT_FOUND");
    }
}

#[tokio::test]
async fn a_key_that_was_seen_is_judged_without_the_database_and_only_under_a_lease() {
    let mut world = World::start().await;
    let (_, value) = world.make(|_| {}).await;
    let proxy = Proxy::to(&world.app.urls().server);
    let mut urls = world.app.urls();
    proxy.url().clone_into(&mut urls.server);
    let mut config: claviger::config::Config = TestApp::config(&world.app);
    config.issuer = Some(world.app.nodes[0].app.config.issuer().parse().unwrap());
    world.app.add_node(config, urls).await;
    let node = &world.app.nodes[1];
    let question = json!({ "key": value });
    assert_eq!(code(&world.ask_at(node, question.clone()).await), "VALID");
    proxy.clamp();
    assert_eq!(code(&world.ask_at(node, question.clone()).await), "VALID");
    // Out of touch for longer than its lease, it says neither yes nor no.
    crate::support::wait::until("the lease has run out", async || {
        node.app.revocations.lease_left().is_zero()
    })
    .await;
    proxy.cut();
    let answer = world
        .call_at(
            node,
            reqwest::Method::POST,
            "/v1/keys/verify",
            Some(&world.service),
            Some(question),
        )
        .await;
    answer.refuses(503, "UNAVAILABLE");
}

#[tokio::test]
async fn nobody_is_told_that_it_is_done_before_every_node_knows() {
    let mut world = World::start().await;
    let (key, value) = world.make(|_| {}).await;
    let proxy = Proxy::to(&world.app.urls().server);
    let mut urls = world.app.urls();
    proxy.url().clone_into(&mut urls.server);
    let config = TestApp::config(&world.app);
    world.app.add_node(config, urls).await;
    let slow = &world.app.nodes[1];
    let question = json!({ "key": value });
    assert_eq!(code(&world.ask_at(slow, question.clone()).await), "VALID");
    proxy.clamp();
    let keys = &world.app.keys;
    let (first, again) = tokio::join!(keys.revoke(key.id, Asker::OPERATOR), async {
        let done = async || world.records("key.revoked").await == 1;
        crate::support::wait::until("the first has revoked it", done).await;
        // It finds all done, and waits all the same.
        let again = keys.revoke(key.id, Asker::OPERATOR).await;
        let asked = Some(question.clone());
        let answer = world
            .call_at(
                slow,
                reqwest::Method::POST,
                "/v1/keys/verify",
                Some(&world.service),
                asked,
            )
            .await;
        assert_ne!(answer.body["code"], "VALID");
        proxy.cut();
        again
    });
    assert!(first.is_ok() && again.is_ok(), "{first:?} {again:?}");
}
