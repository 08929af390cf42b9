//! What is told of API keys: with the act, once, and never the key.

use std::{num::NonZeroU64, time::Duration};

use claviger::{
    keys::{Asker, Leak, Made, NewKey, Overlap, OwnLimits},
    types::{ApiKeyId, ClientContext},
    webhooks::enqueue_all,
};
use futures_util::future::join_all;
use serde_json::Value;
use time::Duration as Days;

use super::{Scene, documented};
use crate::keys::new_key;

async fn make(scene: &Scene, change: impl FnOnce(&mut NewKey)) -> Made {
    let keys = &scene.app.keys;
    let mut new = new_key(scene.home.1);
    change(&mut new);
    let id = ApiKeyId::new(&keys.clock, &keys.entropy);
    keys.create(id, &new, None, Asker::OPERATOR).await.unwrap()
}

/// Sends what waits, and gives what has come since this was last asked. None of it is anything but what is documented, and
/// none says a secret.
async fn told(scene: &Scene) -> Vec<Value> {
    scene.send_due().await;
    let received = scene.receiver.take();
    let events: Vec<Value> = received.iter().map(super::receiver::Received::json).collect();
    for event in &events {
        documented::check(event);
    }
    events
}

fn types(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect()
}

fn moment(at: time::OffsetDateTime) -> String {
    at.format(&time::format_description::well_known::Rfc3339).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_told_of_from_its_making_to_its_end() {
    let scene = Scene::start().await;
    scene.endpoint(&[]).await;
    let keys = &scene.app.keys;
    let made = make(&scene, |_| {}).await;
    let value = made.value.unwrap().expose().to_owned();
    let successor = ApiKeyId::new(&keys.clock, &keys.entropy);
    let overlap = Some(Overlap::For(Duration::from_secs(3_600)));
    let rotated = keys
        .rotate(made.key.id, successor, overlap, None, Asker::OPERATOR)
        .await
        .unwrap();
    let regenerated = keys.regenerate(successor, None, Asker::OPERATOR).await.unwrap();
    keys.revoke(successor, Asker::OPERATOR).await.unwrap();
    keys.revoke(successor, Asker::OPERATOR).await.unwrap();
    let told = told(&scene).await;
    assert_eq!(
        types(&told),
        ["key.created", "key.rotated", "key.rotated", "key.revoked"]
    );
    let [created, first, second, revoked] = told.as_slice() else {
        unreachable!()
    };
    assert_eq!(created["data"]["key_id"], made.key.id.to_string());
    assert_eq!(created["data"]["display_hint"], value[..12]);
    assert_eq!(created["data"]["name"], made.key.settings.name.to_string());
    assert_eq!(first["data"]["successor_id"], successor.to_string());
    let end = keys.clock.now() + Days::HOUR;
    assert_eq!(first["data"]["expires_at"], moment(end));
    assert_eq!(second["data"]["key_id"], successor.to_string());
    assert_eq!(second["data"]["successor_id"], Value::Null);
    assert_eq!(second["data"]["display_hint"], regenerated.key.hint);
    assert_eq!(revoked["data"]["reason"], "revoked");
    let secrets = [value, rotated.value.unwrap().expose().to_owned()];
    for event in &told {
        let text = event.to_string();
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_fails_tells_nothing() {
    let scene = Scene::with(1, |config| config.keys.per_app = 1).await;
    scene.endpoint(&[]).await;
    make(&scene, |_| {}).await;
    let keys = &scene.app.keys;
    // It gets as far as its own row, and is one too many.
    for _ in 0..3 {
        let id = ApiKeyId::new(&keys.clock, &keys.entropy);
        let more = keys
            .create(id, &new_key(scene.home.1), None, Asker::OPERATOR)
            .await;
        assert!(more.is_err());
    }
    assert_eq!(types(&told(&scene).await), ["key.created"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_told_14_3_and_1_days_ahead_and_when_it_has_come() {
    let scene = Scene::with(2, |config| {
        config.jobs.batch = 2;
        config.keys.per_app = 10;
    })
    .await;
    scene.endpoint(&[]).await;
    let now = scene.app.keys.clock.now();
    let end = now + Days::days(20);
    for _ in 0..5 {
        make(&scene, |new| new.expires_at = Some(end)).await;
    }
    make(&scene, |_| {}).await;
    scene.send_due().await;
    scene.receiver.take();
    let mut seen = Vec::new();
    // Every six hours, on both nodes at once.
    for _ in 0..(21 * 4) {
        scene.advance(6 * 3_600);
        let runs = scene
            .app
            .nodes
            .iter()
            .map(|node| node.app.runner.run_once("keys.remind"));
        for run in join_all(runs).await {
            run.unwrap();
        }
    }
    let told = told(&scene).await;
    let left: Vec<_> = told
        .iter()
        .map(|event| match event["type"].as_str().unwrap() {
            "key.expiring" => event["data"]["days"].as_i64().unwrap(),
            "key.expired" => 0,
            other => panic!("{other}"),
        })
        .collect();
    seen.extend(left);
    assert_eq!(seen, [[14; 5], [3; 5], [1; 5], [0; 5]].concat());
    for event in &told {
        assert_eq!(event["data"]["expires_at"], moment(end));
        let days = event["data"]["days"].as_i64().unwrap_or_default();
        // At the first turn at which it was due.
        assert_eq!(event["timestamp"], moment(end - Days::days(days)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_near_end_has_only_the_reminders_that_are_still_ahead() {
    let scene = Scene::start().await;
    scene.endpoint(&[]).await;
    let keys = &scene.app.keys;
    let at = |days| keys.clock.now() + Days::days(days);
    make(&scene, |new| new.expires_at = Some(at(2))).await;
    let moved = make(&scene, |_| {}).await.key;
    scene.app.run_job("keys.remind").await;
    assert_eq!(types(&told(&scene).await), ["key.created"; 2]);
    // Another end has reminders of its own; another name does not.
    keys.change(
        moved.id,
        None,
        |settings| settings.expires_at = Some(at(5)),
        Asker::OPERATOR,
    )
    .await
    .unwrap();
    scene.advance(2 * 86_400);
    scene.app.run_job("keys.remind").await;
    let first = told(&scene).await;
    assert_eq!(types(&first), ["key.expired", "key.expiring"]);
    assert_eq!(first[1]["data"]["days"], 3);
    keys.change(
        moved.id,
        None,
        |settings| settings.name = "Another".parse().unwrap(),
        Asker::OPERATOR,
    )
    .await
    .unwrap();
    scene.app.run_job("keys.remind").await;
    assert!(told(&scene).await.is_empty());
    // One that is revoked before ends no more.
    keys.revoke(moved.id, Asker::OPERATOR).await.unwrap();
    scene.advance(10 * 86_400);
    scene.app.run_job("keys.remind").await;
    assert_eq!(types(&told(&scene).await), ["key.revoked"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_key_is_told_to_end_once_it_was_rotated_for_long() {
    let scene = Scene::start().await;
    scene.endpoint(&[]).await;
    let keys = &scene.app.keys;
    let old = make(&scene, |_| {}).await.key.id;
    let successor = ApiKeyId::new(&keys.clock, &keys.entropy);
    let overlap = Some(Overlap::For(Overlap::LONGEST));
    keys.rotate(old, successor, overlap, None, Asker::OPERATOR)
        .await
        .unwrap();
    scene.app.run_job("keys.remind").await;
    assert_eq!(types(&told(&scene).await), ["key.created", "key.rotated"]);
    scene.advance(2 * 86_400);
    scene.app.run_job("keys.remind").await;
    scene.advance(86_400);
    scene.app.run_job("keys.remind").await;
    assert_eq!(types(&told(&scene).await), ["key.expiring", "key.expired"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_told_once_for_each_period_by_all_nodes_together() {
    let scene = Scene::with(2, |_| {}).await;
    scene.endpoint(&[]).await;
    let limits = OwnLimits {
        per_hour: NonZeroU64::new(3),
        ..OwnLimits::default()
    };
    let value = make(&scene, |new| new.limits = limits).await.value.unwrap();
    told(&scene).await;
    let use_up = async || {
        for node in &scene.app.nodes {
            for _ in 0..5 {
                let wanted = claviger::keys::Wanted {
                    cost: 1,
                    ..Default::default()
                };
                node.app.keys.judge(value.expose(), wanted).await.unwrap();
            }
        }
        join_all(scene.app.nodes.iter().map(|node| node.app.keys.tell_reached()))
            .await
            .into_iter()
            .for_each(Result::unwrap);
    };
    use_up().await;
    use_up().await;
    let first = told(&scene).await;
    assert_eq!(types(&first), ["key.limit_reached"]);
    assert_eq!(first[0]["data"]["limit"], "hour");
    assert_eq!(first[0]["data"]["quota"], 3);
    assert_eq!(first[0]["data"]["resets_at"], "2026-06-01T13:00:00Z");
    scene.advance(3_600);
    use_up().await;
    assert_eq!(types(&told(&scene).await), ["key.limit_reached"]);
    // What is told is remembered for as long as the period may last, and not for ever.
    scene.advance(20 * 86_400);
    assert_eq!(scene.app.run_job("keys.limits-reached").await, 0);
    scene.advance(20 * 86_400);
    assert_eq!(scene.app.run_job("keys.limits-reached").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_could_not_be_told_is_told_later() {
    let scene = Scene::start().await;
    scene.endpoint(&[]).await;
    let limits = OwnLimits {
        per_month: NonZeroU64::new(1),
        ..OwnLimits::default()
    };
    let value = make(&scene, |new| new.limits = limits).await.value.unwrap();
    told(&scene).await;
    let wanted = claviger::keys::Wanted {
        cost: 1,
        ..Default::default()
    };
    for _ in 0..2 {
        scene.app.keys.judge(value.expose(), wanted).await.unwrap();
    }
    scene
        .execute("ALTER TABLE webhook_messages RENAME TO webhook_messages_away")
        .await;
    assert!(scene.app.keys.tell_reached().await.is_err());
    scene
        .execute("ALTER TABLE webhook_messages_away RENAME TO webhook_messages")
        .await;
    scene.app.keys.tell_reached().await.unwrap();
    let told = told(&scene).await;
    assert_eq!(types(&told), ["key.limit_reached"]);
    assert_eq!(told[0]["data"]["limit"], "month");
    assert_eq!(told[0]["data"]["resets_at"], "2026-07-01T00:00:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_a_query_is_told_as_leaked() {
    let scene = Scene::with(1, |config| config.keys.revoke_in_query = true).await;
    scene.endpoint(&[]).await;
    let made = make(&scene, |_| {}).await;
    let value = made.value.unwrap();
    let context = ClientContext {
        address: "192.0.2.7".parse().unwrap(),
        user_agent: "curl".to_owned(),
        request_id: "req_one".to_owned(),
    };
    scene
        .app
        .keys
        .sent_in_query(value.expose(), "/v1/keys", &context)
        .await
        .unwrap();
    let told = told(&scene).await;
    assert_eq!(types(&told), ["key.created", "key.leaked", "key.revoked"]);
    assert_eq!(told[1]["data"]["source"], "query");
    assert_eq!(told[1]["data"]["url"], "/v1/keys");
    assert_eq!(told[2]["data"]["reason"], "sent_in_query");
    assert!(!told[1].to_string().contains(value.expose()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leak_is_told_with_the_record_of_it() {
    let scene = Scene::start().await;
    scene.endpoint(&[]).await;
    let key = make(&scene, |_| {}).await.key;
    let leak = Leak {
        source: "github",
        url: Some("https://github.example/a/b"),
        revoked: false,
    };
    let events: Vec<_> = key
        .leaked(&leak, scene.app.keys.clock.now())
        .into_iter()
        .collect();
    let mut transaction = scene.app.db.begin().await.unwrap();
    enqueue_all(
        &mut transaction,
        &scene.webhooks().clock,
        &scene.webhooks().entropy,
        &events,
    )
    .await
    .unwrap();
    transaction.commit().await.unwrap();
    let told = told(&scene).await;
    assert_eq!(types(&told), ["key.created", "key.leaked"]);
    assert_eq!(told[1]["data"]["url"], "https://github.example/a/b");
}
