//! Endpoints are switched off by what comes of them, and their owners are told.

use claviger::{
    jobs::Run,
    webhooks::{DeliveryState, DisabledReason, EventType, WebhookError},
};

use super::{Scene, receiver::Reply};

#[tokio::test(flavor = "multi_thread")]
async fn gone_switches_the_endpoint_off_and_its_owner_is_told() {
    let scene = Scene::start().await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    scene.receiver.answers([Reply::Status(500), Reply::Status(410)]);
    scene.tell(EventType::KeyCreated).await;
    scene.tell(EventType::KeyRevoked).await;
    scene.send_due().await;
    let found = scene
        .webhooks()
        .endpoint(scene.home.1, endpoint)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        found.disabled.map(|(_, reason)| reason),
        Some(DisabledReason::Gone)
    );
    let deliveries = scene.deliveries(endpoint).await;
    assert!(
        deliveries
            .iter()
            .all(|delivery| delivery.state == DeliveryState::Failed)
    );
    assert_eq!(
        scene.trail(endpoint).await,
        ["webhook.created", "webhook.switched_off"]
    );
    let mail = scene.mail().await;
    assert_eq!(mail.len(), 1, "{mail:?}");
    assert!(mail[0].contains("To: ada@example.com") && mail[0].contains("410 Gone"));
    // Nothing is sent to it until it is on again.
    assert!(matches!(
        scene.redeliver(endpoint, deliveries[0].id).await,
        Err(WebhookError::Silent)
    ));
    scene.tell(EventType::KeyCreated).await;
    assert!(scene.switch(endpoint, true).await);
    scene.tell(EventType::KeyLeaked).await;
    scene.send_due().await;
    assert_eq!(
        scene.receiver.types(),
        ["key.created", "key.revoked", "key.leaked"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_are_told_although_the_server_goes_that_switched_it_off() {
    let scene = Scene::with(2, |_| {}).await;
    scene.endpoint(&[]).await;
    scene.receiver.always(Reply::Status(410));
    scene.app.mailer.drain().await;
    scene.tell(EventType::KeyCreated).await;
    scene.send_due().await;
    assert!(scene.mail().await.is_empty());
    let other = &scene.app.nodes[1].app;
    for sent in [1, 0] {
        let run = other.runner.run_once("identity.notifications").await.unwrap();
        assert_eq!(run, Run::Done(sent));
    }
    let mail = scene.mail().await;
    assert!(mail.len() == 1 && mail[0].contains("410 Gone"), "{mail:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn days_of_nothing_but_failures_switch_it_off_and_one_success_begins_anew() {
    let scene = Scene::start().await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    scene.receiver.always(Reply::Status(500));
    let given_up = async || {
        scene.tell(EventType::KeyCreated).await;
        for _ in 0..10 {
            scene.send_due().await;
            scene.advance(27 * 3_600);
        }
    };
    let failing = async || {
        let found = scene
            .webhooks()
            .endpoint(scene.home.1, endpoint)
            .await
            .unwrap()
            .unwrap();
        (
            found.failing_since.is_some(),
            found.disabled.map(|(_, reason)| reason),
        )
    };
    // Fails on the fifth day, but for one that is taken in between.
    scene.tell(EventType::KeyCreated).await;
    scene.send_due().await;
    scene.advance(5 * 24 * 3_600);
    assert_eq!(failing().await, (true, None));
    scene.receiver.always(Reply::Status(204));
    scene.send_due().await;
    assert_eq!(failing().await, (false, None));
    scene.receiver.always(Reply::Status(500));
    given_up().await;
    assert_eq!(failing().await, (true, Some(DisabledReason::Failing)));
    assert!(scene.mail().await[0].contains("switched off"));
}
