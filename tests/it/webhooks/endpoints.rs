//! Endpoints and their secrets: made, changed, removed.

use std::time::Duration;

use claviger::{
    crypto::{Keyring, Purpose},
    webhooks::{EndpointUrl, EventType, Settings, WebhookError},
};
use futures_util::future::join_all;

use super::Scene;
use crate::support::wait::until;

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_add_the_last_endpoint_at_once_one_does() {
    let scene = Scene::with(1, |config| config.webhooks.endpoints_per_app = 3).await;
    scene.endpoint(&[]).await;
    scene.endpoint(&[]).await;
    let settings = scene.settings(&[]);
    let added = join_all((0..6).map(|_| scene.add(scene.new_id(), &settings))).await;
    assert_eq!(added.iter().filter(|added| added.is_ok()).count(), 1);
    assert_eq!(
        added
            .iter()
            .filter(|added| matches!(added, Err(WebhookError::TooMany(3))))
            .count(),
        5
    );
    assert_eq!(scene.webhooks().endpoints(scene.home.1).await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_adds_one_endpoint() {
    let scene = Scene::start().await;
    let (id, settings) = (scene.new_id(), scene.settings(&[]));
    scene.add(id, &settings).await.unwrap();
    assert!(matches!(scene.add(id, &settings).await, Err(WebhookError::Again)));
    assert_eq!(scene.webhooks().secrets(id).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_at_rest_only_sealed() {
    let scene = Scene::start().await;
    let (endpoint, secret) = scene.endpoint(&[]).await;
    let value = secret.value.expose();
    assert!(value.starts_with("whsec_") && value.len() == 50, "{value}");
    let found = scene
        .number(&format!(
            "SELECT count(*) FROM webhook_secrets WHERE strpos(encode(sealed, 'escape'), '{value}') > 0
                 OR hint = '{value}'"
        ))
        .await;
    assert_eq!(found, 0);
    assert_eq!(
        scene.webhooks().secrets(endpoint).await.unwrap()[0].hint,
        value[..10]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn both_secrets_sign_while_they_overlap() {
    let scene = Scene::start().await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    let webhooks = scene.webhooks();
    let rotate = async |seconds| scene.rotate(endpoint, seconds).await;
    let signatures = async || {
        scene.tell(EventType::KeyCreated).await;
        scene.send_due().await;
        let last = scene.receiver.received().pop().unwrap();
        last.headers["webhook-signature"].split(' ').count()
    };
    assert_eq!(signatures().await, 1);
    rotate(3_600).await.unwrap();
    assert_eq!(signatures().await, 2);
    // A longer overlap of the next does not make the first one's longer.
    rotate(7_200).await.unwrap();
    assert_eq!(signatures().await, 3);
    scene.advance(3_601);
    assert_eq!(signatures().await, 2);
    rotate(0).await.unwrap();
    assert_eq!(signatures().await, 1);
    for _ in 0..4 {
        rotate(3_600).await.unwrap();
    }
    assert!(matches!(rotate(3_600).await, Err(WebhookError::TooManySecrets)));
    assert_eq!(webhooks.secrets(endpoint).await.unwrap().len(), 5);
    rotate(0).await.unwrap();
    assert_eq!(webhooks.secrets(endpoint).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_changed_only_as_it_was_seen() {
    let scene = Scene::start().await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    let webhooks = scene.webhooks();
    let seen = webhooks
        .endpoint(scene.home.1, endpoint)
        .await
        .unwrap()
        .unwrap()
        .version();
    let mut settings = scene.settings(&[EventType::KeyLeaked]);
    settings.url = EndpointUrl::parse(&scene.receiver.url("/other"), true).unwrap();
    let edit = async |home, version: Option<&str>, settings: &Settings| {
        scene.edit(endpoint, home, version, settings).await
    };
    // In the same moment of the clock: it is another version all the same.
    edit(scene.home, Some(&seen), &settings).await.unwrap();
    settings.event_types.push(EventType::KeyExpired);
    assert!(matches!(
        edit(scene.home, Some(&seen), &settings).await,
        Err(WebhookError::Changed)
    ));
    let elsewhere = (
        scene.home.0,
        claviger::types::AppId::new(&webhooks.clock, &webhooks.entropy),
    );
    assert!(matches!(
        edit(elsewhere, None, &settings).await,
        Err(WebhookError::NotFound)
    ));
    scene.tell(EventType::KeyCreated).await;
    scene.tell(EventType::KeyLeaked).await;
    scene.send_due().await;
    assert_eq!(scene.receiver.types(), ["key.leaked"]);
    assert_eq!(scene.receiver.received()[0].line, "POST /other HTTP/1.1");
    scene.delete(endpoint).await.unwrap();
    assert!(matches!(
        scene.delete(endpoint).await,
        Err(WebhookError::NotFound)
    ));
    assert_eq!(
        scene.trail(endpoint).await,
        ["webhook.created", "webhook.changed", "webhook.deleted"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_is_removed_and_what_is_not_stays() {
    let scene = Scene::start().await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    scene.rotate(endpoint, 0).await.unwrap();
    scene.tell(EventType::KeyCreated).await;
    scene.send_due().await;
    scene.advance(20 * 24 * 3_600);
    scene.tell(EventType::KeyRevoked).await;
    scene.send_due().await;
    assert_eq!(scene.app.run_job("webhooks.cleanup").await, 0);
    scene.advance(10 * 24 * 3_600 + 1);
    assert_eq!(scene.app.run_job("webhooks.cleanup").await, 2);
    for (table, rows) in [
        ("messages", 1),
        ("deliveries", 1),
        ("attempts", 1),
        ("secrets", 1),
        ("endpoints", 1),
    ] {
        assert_eq!(
            scene
                .number(&format!("SELECT count(*) FROM webhook_{table}"))
                .await,
            rows,
            "{table}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_sealed_anew_and_sign_as_before() {
    let scene = Scene::start().await;
    scene.endpoint(&[]).await;
    let keyring = &scene.app.keyring;
    assert_eq!(scene.app.run_job("webhooks.reseal").await, 0);
    keyring
        .rotate(
            &mut scene.app.db.connection().await.unwrap(),
            Purpose::WebhookSecret,
        )
        .await
        .unwrap();
    scene.app.advance(Keyring::LEAD + Duration::from_secs(1));
    until("the new key is current", async || {
        scene.app.read_keys().await.unwrap();
        keyring.is_superseding(Purpose::WebhookSecret)
    })
    .await;
    assert_eq!(scene.app.run_job("webhooks.reseal").await, 1);
    assert_eq!(scene.app.run_job("webhooks.reseal").await, 0);
    scene.tell(EventType::KeyCreated).await;
    scene.send_due().await;
    assert_eq!(scene.receiver.received().len(), 1);
}
