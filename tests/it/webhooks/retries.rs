//! What fails is tried again, and what was sent is sent again.

use claviger::webhooks::{DeliveryState, EventType, WebhookError};

use super::{Scene, receiver::Reply};

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_tried_again_by_the_schedule_and_then_given_up() {
    let scene = Scene::start().await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    scene.receiver.always(Reply::Status(500));
    scene.tell(EventType::KeyCreated).await;
    scene.send_due().await;
    let hour = 3_600;
    let schedule = [
        5,
        300,
        1_800,
        2 * hour,
        5 * hour,
        10 * hour,
        14 * hour,
        20 * hour,
        24 * hour,
    ];
    for (tried, pause) in schedule.into_iter().enumerate() {
        assert_eq!(scene.receiver.received().len(), tried + 1);
        let delivery = scene.deliveries(endpoint).await.remove(0);
        assert_eq!(delivery.state, DeliveryState::Waiting);
        let wait = delivery.next_at - scene.app.webhooks.clock.now();
        let planned = time::Duration::seconds(pause);
        assert!(planned <= wait && wait < planned * 1.1, "{wait} for {planned}");
        // Not before its time.
        scene.advance(u64::try_from(pause).unwrap() - 1);
        scene.send_due().await;
        assert_eq!(scene.receiver.received().len(), tried + 1);
        scene.advance(u64::try_from(pause).unwrap() / 10 + 2);
        scene.send_due().await;
    }
    let received = scene.receiver.received();
    assert_eq!(received.len(), 10);
    let delivery = scene.deliveries(endpoint).await.remove(0);
    assert_eq!(delivery.state, DeliveryState::Failed);
    let attempts = scene.webhooks().attempts(delivery.id, None, 4).await.unwrap();
    assert_eq!(attempts.items.len(), 4);
    let rest = scene
        .webhooks()
        .attempts(delivery.id, attempts.next, 100)
        .await
        .unwrap();
    assert_eq!((rest.items.len(), rest.next), (6, None));
    // The same message each time, signed for the time of the attempt.
    assert!(
        received
            .iter()
            .all(|one| one.headers["webhook-id"] == received[0].headers["webhook-id"])
    );
    assert!(
        received
            .windows(2)
            .all(|pair| pair[0].headers["webhook-timestamp"] != pair[1].headers["webhook-timestamp"])
    );
    scene.advance(30 * 24 * 3_600);
    scene.send_due().await;
    assert_eq!(scene.receiver.received().len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_may_ask_to_be_left_alone() {
    let scene = Scene::start().await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    let head = "HTTP/1.1 503 Busy\r\nretry-after: 7200".to_owned();
    scene.receiver.answers([Reply::Whole(head, String::new())]);
    scene.tell(EventType::KeyCreated).await;
    scene.send_due().await;
    let wait = scene.deliveries(endpoint).await[0].next_at - scene.app.webhooks.clock.now();
    assert!(wait >= time::Duration::hours(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let scene = Scene::start().await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    for status in [301, 302, 303, 307, 308] {
        let to = scene.receiver.url("/elsewhere");
        scene.receiver.answers([Reply::Whole(
            format!("HTTP/1.1 {status} There\r\nlocation: {to}"),
            String::new(),
        )]);
        scene.tell(EventType::KeyCreated).await;
        scene.send_due().await;
        let delivery = scene.deliveries(endpoint).await.remove(0);
        assert_eq!(delivery.state, DeliveryState::Waiting);
        assert_eq!(delivery.last.unwrap().status, Some(status));
    }
    let received = scene.receiver.received();
    assert_eq!(received.len(), 5);
    assert!(received.iter().all(|one| one.line.contains("/hooks")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_does_not_answer_is_given_up_and_keeps_nobody_waiting() {
    let scene = Scene::with(1, |config| {
        config.webhooks.timeout = claviger::config::Span::seconds(1);
        config.webhooks.concurrency = 2;
    })
    .await;
    let (endpoint, _) = scene.endpoint(&[EventType::KeyCreated]).await;
    scene.receiver.answers([Reply::Silence]);
    scene.tell(EventType::KeyCreated).await;
    scene.send_due().await;
    let delivery = scene.deliveries(endpoint).await.remove(0);
    assert_eq!(delivery.state, DeliveryState::Waiting);
    assert_eq!(
        delivery.last.unwrap().error.as_deref(),
        Some("no answer within 1 seconds")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_can_be_sent_again_with_the_same_id() {
    let scene = Scene::start().await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    let (other, _) = scene.endpoint(&[EventType::KeyLeaked]).await;
    scene.tell(EventType::KeyCreated).await;
    scene.send_due().await;
    let delivery = scene.deliveries(endpoint).await.remove(0);
    scene.redeliver(endpoint, delivery.id).await.unwrap();
    scene.send_due().await;
    let received = scene.receiver.received();
    assert_eq!(received.len(), 2);
    assert_eq!(
        received[0].headers["webhook-id"],
        received[1].headers["webhook-id"]
    );
    assert!(matches!(
        scene.redeliver(other, delivery.id).await,
        Err(WebhookError::NoDelivery)
    ));
    assert_eq!(
        scene.trail(endpoint).await,
        ["webhook.created", "webhook.redelivered"]
    );
}
