//! Whoever has slow endpoints, and much to send to them, keeps nobody else waiting.

use std::sync::Arc;

use claviger::{
    audit::By,
    types::{AccountId, AppId},
    webhooks::{EndpointUrl, Event, EventType, Settings, WebhookError, enqueue},
};
use tokio::sync::Notify;

use super::{
    Scene,
    receiver::{Receiver, Reply},
};
use crate::support::wait::until;

impl Scene {
    async fn somebody(&self, name: &str) -> (AccountId, AppId) {
        let opened = self.app.person(&format!("{name}@example.com")).await.opened;
        (opened.account_id, opened.app_id)
    }

    /// Adds so many endpoints to an app, and tells them of something.
    async fn tell_new(&self, home: (AccountId, AppId), endpoints: usize, receiver: &Receiver) {
        let url = EndpointUrl::parse(&receiver.url("/hooks"), true).unwrap();
        for _ in 0..endpoints {
            let settings = Settings {
                url: url.clone(),
                ..self.settings(&[])
            };
            self.acting(async |webhooks, transaction| {
                webhooks
                    .add(transaction, self.new_id(), home, &settings, By::OPERATOR)
                    .await
            })
            .await
            .unwrap();
        }
        let event = Event {
            app: home.1,
            ..self.event(EventType::KeyLeaked)
        };
        self.acting(async |webhooks, transaction| {
            Ok(enqueue(transaction, &webhooks.clock, &webhooks.entropy, &event).await?)
        })
        .await
        .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_account_has_an_eighth_of_what_is_under_way() {
    let scene = Scene::with(1, |config| config.webhooks.concurrency = 16).await;
    let (slow, other) = (Receiver::start().await, Receiver::start().await);
    slow.always(Reply::Silence);
    let bert = scene.somebody("bert").await;
    scene.tell_new(scene.home, 10, &slow).await;
    let dispatching = scene.webhooks().start();
    until("some are under way", async || slow.received().len() == 2).await;
    scene.tell_new(bert, 1, &other).await;
    until("somebody else is told", async || !other.received().is_empty()).await;
    drop(dispatching);
    assert_eq!(slow.received().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_accounts_the_one_to_which_nothing_is_being_sent_is_next() {
    let scene = Scene::with(1, |config| config.webhooks.concurrency = 16).await;
    let (slow, other) = (Receiver::start().await, Receiver::start().await);
    let answer = Arc::new(Notify::new());
    slow.always(Reply::Later(answer.clone(), 200));
    for number in 0..8 {
        let home = scene.somebody(&format!("slow{number}")).await;
        scene.tell_new(home, 4, &slow).await;
    }
    let dispatching = scene.webhooks().start();
    until("all places are taken", async || slow.received().len() == 16).await;
    scene.tell_new(scene.home, 1, &other).await;
    answer.notify_one();
    until("the place that is free goes to who has none", async || {
        !other.received().is_empty()
    })
    .await;
    drop(dispatching);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_tests_wait_for_an_endpoint_at_the_most() {
    let scene = Scene::start().await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    let (other, _) = scene.endpoint(&[]).await;
    for _ in 0..10 {
        scene.tell(EventType::KeyCreated).await;
        scene.test(endpoint).await.unwrap();
    }
    assert!(matches!(
        scene.test(endpoint).await,
        Err(WebhookError::TooManyTests)
    ));
    scene.test(other).await.unwrap();
    scene.send_due().await;
    scene.test(endpoint).await.unwrap();
}
