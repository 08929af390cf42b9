//! What is sent, once, in order and by whom.

use claviger::webhooks::{self, DeliveryState, EventType, WebhookError, enqueue};

use super::{Scene, receiver::Reply};
use crate::support::wait::until;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_goes_out_signed_once_to_each_endpoint_that_wants_it() {
    let scene = Scene::start().await;
    let (all, _) = scene.endpoint(&[]).await;
    let (some, _) = scene
        .endpoint(&[EventType::KeyCreated, EventType::GrantRevoked])
        .await;
    let (other, _) = scene.endpoint(&[EventType::KeyLeaked]).await;
    scene.tell(EventType::KeyCreated).await;
    scene.send_due().await;
    scene.send_due().await;
    let received = scene.receiver.received();
    assert_eq!(received.len(), 2);
    let first = &received[0];
    assert_eq!(first.line, "POST /hooks?a=b HTTP/1.1");
    assert_eq!(first.headers["host"], scene.receiver.address.to_string());
    assert_eq!(first.headers["content-type"], "application/json");
    assert!(first.headers["user-agent"].starts_with("Claviger-Webhooks/"));
    assert!(first.headers["webhook-id"].starts_with("msg_"));
    assert_eq!(first.headers["webhook-id"], received[1].headers["webhook-id"]);
    assert_eq!(
        first.headers["webhook-timestamp"],
        scene.app.webhooks.clock.unix().to_string()
    );
    assert!(first.headers["webhook-signature"].starts_with("v1,"));
    assert_ne!(
        first.headers["webhook-signature"],
        received[1].headers["webhook-signature"]
    );
    assert_eq!(
        first.json(),
        serde_json::json!({
            "type": "key.created", "timestamp": "2026-06-01T12:00:00Z", "data": {"key_id": "key_one"}
        })
    );
    for (endpoint, deliveries) in [(all, 1), (some, 1), (other, 0)] {
        let found = scene.deliveries(endpoint).await;
        assert_eq!(found.len(), deliveries);
        for delivery in found {
            assert_eq!(delivery.state, DeliveryState::Delivered);
            let last = delivery.last.unwrap();
            assert_eq!(
                (last.status, last.answer.as_deref()),
                (Some(200), Some("said 200"))
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_commits_with_the_act_or_not_at_all() {
    let scene = Scene::start().await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    let webhooks = scene.webhooks();
    let mut transaction = scene.app.db.begin().await.unwrap();
    let event = scene.event(EventType::KeyRevoked);
    enqueue(&mut transaction, &webhooks.clock, &webhooks.entropy, &event)
        .await
        .unwrap();
    drop(transaction);
    scene.tell(EventType::KeyCreated).await;
    scene.send_due().await;
    assert_eq!(scene.receiver.types(), ["key.created"]);
    // Nobody there who wants it: nothing is written.
    assert!(scene.switch(endpoint, false).await);
    scene.tell(EventType::KeyCreated).await;
    assert_eq!(scene.number("SELECT count(*) FROM webhook_messages").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_is_woken_by_the_act() {
    let scene = Scene::start().await;
    scene.endpoint(&[]).await;
    let dispatching = scene.webhooks().start();
    for number in 1..=3 {
        scene.tell(EventType::KeyCreated).await;
        until("it has come", async || scene.receiver.received().len() == number).await;
    }
    dispatching.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_gets_the_oldest_first() {
    let scene = Scene::start().await;
    scene.endpoint(&[]).await;
    let kinds: Vec<_> = EventType::ALL.iter().copied().cycle().take(25).collect();
    for kind in &kinds {
        scene.tell(*kind).await;
    }
    scene.send_due().await;
    let told: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
    assert_eq!(scene.receiver.types(), told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_that_dies_between_claim_and_answer_leaves_it_to_another() {
    let scene = Scene::with(2, |_| {}).await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    scene.receiver.answers([Reply::Silence]);
    scene.tell(EventType::KeyCreated).await;
    let dispatching = scene.webhooks().start();
    until("it is under way", async || scene.receiver.received().len() == 1).await;
    assert_eq!(scene.deliveries(endpoint).await[0].state, DeliveryState::UnderWay);
    drop(dispatching);
    // While the claim holds, nobody else is at it.
    let other = scene.app.nodes[1].app.webhooks.start();
    scene.tell(EventType::KeyRevoked).await;
    other.stop().await;
    assert_eq!(scene.receiver.received().len(), 1);
    scene.advance(120);
    let other = scene.app.nodes[1].app.webhooks.start();
    until("both are sent", async || scene.due().await == 0).await;
    other.stop().await;
    assert_eq!(
        scene.receiver.types(),
        ["key.created", "key.revoked", "key.created"]
    );
    assert!(
        scene
            .deliveries(endpoint)
            .await
            .iter()
            .all(|one| one.state == DeliveryState::Delivered)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_send_each_message_once() {
    let scene = Scene::with(2, |_| {}).await;
    for _ in 0..5 {
        scene.endpoint(&[]).await;
    }
    let dispatching: Vec<_> = scene
        .app
        .nodes
        .iter()
        .map(|node| node.app.webhooks.start())
        .collect();
    for _ in 0..20 {
        scene.tell(EventType::KeyCreated).await;
    }
    until("all is sent", async || scene.due().await == 0).await;
    for dispatching in dispatching {
        dispatching.stop().await;
    }
    assert_eq!(scene.receiver.received().len(), 100);
    assert_eq!(scene.number("SELECT count(*) FROM webhook_attempts").await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_is_kept_in_part_and_a_strange_one_as_text() {
    let scene = Scene::start().await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    let long = format!("a\0b{}", "x".repeat(100_000));
    scene
        .receiver
        .answers([Reply::Whole("HTTP/1.1 200 Fine".to_owned(), long)]);
    scene.tell(EventType::KeyCreated).await;
    scene.send_due().await;
    let answer = scene
        .deliveries(endpoint)
        .await
        .remove(0)
        .last
        .unwrap()
        .answer
        .unwrap();
    assert!(answer.starts_with("a\u{fffd}bxxx") && answer.chars().count() == 2_048);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_goes_to_one_endpoint_whatever_it_wants() {
    let scene = Scene::start().await;
    let (endpoint, _) = scene.endpoint(&[EventType::KeyLeaked]).await;
    scene.endpoint(&[]).await;
    scene.test(endpoint).await.unwrap();
    scene.send_due().await;
    assert_eq!(scene.receiver.types(), ["webhook.test"]);
    assert_eq!(scene.trail(endpoint).await, ["webhook.created", "webhook.tested"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_that_signs_nothing_is_sent_until_there_is_one() {
    let scene = Scene::start().await;
    let (endpoint, secret) = scene.endpoint(&[]).await;
    let now = scene.app.webhooks.clock.now();
    let mut transaction = scene.app.db.begin().await.unwrap();
    let digest = webhooks::secret_digest(secret.value.expose()).unwrap();
    let leaked = webhooks::secrets_by_digest(&mut transaction, &[digest, [0; 32]])
        .await
        .unwrap();
    assert_eq!(leaked.len(), 1);
    let leaked = [leaked[&digest].clone()];
    assert_eq!(
        (
            leaked[0].endpoint,
            leaked[0].secret,
            leaked[0].account,
            leaked[0].app
        ),
        (endpoint, secret.id, scene.home.0, scene.home.1)
    );
    for ended in [1, 0] {
        let now_ended = webhooks::end_leaked_secrets(&mut transaction, &leaked, now)
            .await
            .unwrap();
        assert_eq!(now_ended.len(), ended);
    }
    transaction.commit().await.unwrap();
    scene.tell(EventType::KeyCreated).await;
    let dispatching = scene.webhooks().start();
    assert!(matches!(scene.test(endpoint).await, Err(WebhookError::Silent)));
    dispatching.stop().await;
    assert!(scene.receiver.received().is_empty());
    scene.rotate(endpoint, 60).await.unwrap();
    scene.send_due().await;
    let received = scene.receiver.received();
    assert_eq!(received.len(), 1);
    assert!(!received[0].headers["webhook-signature"].contains(' '));
    assert_eq!(
        scene.trail(endpoint).await,
        ["webhook.created", "webhook.secret_rotated"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_counted_up_to_ten_thousand() {
    let scene = Scene::start().await;
    scene.endpoint(&[]).await;
    scene.tell(EventType::KeyCreated).await;
    let copies = |number| {
        format!(
            "INSERT INTO webhook_deliveries (id, message_id, endpoint_id, state, attempts, next_at, created_at)
             SELECT gen_random_uuid(), message_id, endpoint_id, state, attempts, next_at + interval '1 second', created_at
             FROM webhook_deliveries, generate_series(1, {number})"
        )
    };
    scene.advance(60);
    for (more, counted) in [(0, 1), (98, 99), (200, 10_000)] {
        scene.execute(&copies(more)).await;
        scene.webhooks().look_at_backlog().await.unwrap();
        let tally = &scene.webhooks().tally;
        assert_eq!((tally.waiting(), tally.late_by()), (counted, 60));
    }
}
