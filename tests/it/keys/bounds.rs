//! What cannot be got around: the value of an old request, the overlap of a rotated key, what an app may not have any more.

use std::time::Duration;

use claviger::{
    jobs::Runner,
    keys::{Asker, KeyError, Overlap, jobs},
    types::{ApiKeyId, Environment},
};
use futures_util::future::join;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, World, code, set, text};

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn an_idempotency_key_that_is_used_again_after_a_day_makes_another_value() {
    let world = World::start().await;
    let keys = &world.app.keys;
    let (_, manager) = world.make(|_| {}).await;
    let post = async |path: &str, body: Option<Value>| {
        let request = world.http.post(world.app.url(path)).bearer_auth(&manager);
        let mut request = request.header("idempotency-key", "one");
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request).await
    };
    let wanted = json!({ "name": "Once", "environment": "live" });
    let first = post("/v1/keys", Some(wanted.clone())).await.is(201);
    let forget = async || {
        world.app.advance(DAY + Duration::from_secs(1));
        let runner = Runner::new(keys.db.clone(), keys.clock.clone(), jobs(keys));
        runner.run_once("keys.idempotent-requests").await.unwrap();
    };
    forget().await;
    let second = post("/v1/keys", Some(wanted)).await.is(201);
    assert_ne!(second["key"], first["key"]);
    assert_ne!(second["key_id"], first["key_id"]);

    forget().await;
    let path = format!("/v1/keys/{}/regenerate", text(&first, "key_id"));
    let leaked = text(&post(&path, None).await.is(201), "key");
    assert_eq!(text(&post(&path, None).await.is(200), "key"), leaked);
    forget().await;
    let anew = text(&post(&path, None).await.is(201), "key");
    assert_ne!(anew, leaked);
    assert_eq!(world.code_of(&leaked).await, "NOT_FOUND");
    assert_eq!(world.code_of(&anew).await, "VALID");
}

#[tokio::test]
async fn a_key_that_was_rotated_ends_no_later_and_gets_no_new_value() {
    let world = World::start().await;
    let keys = &world.app.keys;
    let (old, value) = world.make(|_| {}).await;
    let id = ApiKeyId::new(&keys.clock, &keys.entropy);
    let overlap = Overlap::For(Duration::from_hours(24));
    keys.rotate(old.id, id, Some(overlap), None, Asker::OPERATOR)
        .await
        .unwrap();
    let end = |hours: u64| Some(keys.clock.now() + Duration::from_hours(hours));
    for later in [None, end(25)] {
        let refused = keys
            .change(
                old.id,
                None,
                |settings| settings.expires_at = later,
                Asker::OPERATOR,
            )
            .await;
        assert!(
            matches!(
                refused,
                Err(KeyError::Unsound {
                    field: "expires_at",
                    ..
                })
            ),
            "{refused:?}"
        );
    }
    let anew = keys.regenerate(old.id, None, Asker::OPERATOR).await;
    assert!(matches!(anew, Err(KeyError::Rotated(successor)) if successor == id));
    keys.change(
        old.id,
        None,
        |settings| settings.expires_at = end(1),
        Asker::OPERATOR,
    )
    .await
    .unwrap();
    assert_eq!(world.code_of(&value).await, "VALID");
    world.app.advance(Duration::from_hours(1));
    assert_eq!(world.code_of(&value).await, "EXPIRED");
}

#[tokio::test]
async fn rotating_again_and_again_makes_no_more_than_twice_what_an_app_may_have() {
    let world = World::start().await;
    let keys = &world.app.keys;
    let mut last = world.make(|_| {}).await.0.id;
    let rotate = async |from: ApiKeyId| {
        let id = ApiKeyId::new(&keys.clock, &keys.entropy);
        let overlap = Some(Overlap::UntilRetired);
        keys.rotate(from, id, overlap, None, Asker::OPERATOR).await
    };
    for _ in 1..10 {
        last = rotate(last).await.unwrap().key.id;
    }
    let refused = rotate(last).await;
    assert!(
        matches!(refused, Err(KeyError::TooManyOnTheirWayOut(10))),
        "{refused:?}"
    );
    // One that leaves no more than there were is no more.
    let id = ApiKeyId::new(&keys.clock, &keys.entropy);
    let at_once = Some(Overlap::For(Duration::ZERO));
    keys.rotate(last, id, at_once, None, Asker::OPERATOR)
        .await
        .unwrap();
    // Nor do rotations and new keys together.
    let id = ApiKeyId::new(&keys.clock, &keys.entropy);
    let refused = keys
        .create(id, &super::new_key(world.ada_app), None, Asker::OPERATOR)
        .await;
    assert!(
        matches!(refused, Err(KeyError::TooManyOnTheirWayOut(10))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn keys_of_an_environment_that_their_app_lost_are_refused_on_every_node_until_it_has_it_again() {
    let world = World::with(2, |_| {}).await;
    let keys = &world.app.keys;
    let (test, value) = world.make(|new| new.environment = Environment::Test).await;
    let ask = async |node: usize| {
        let question = json!({ "key": value });
        code(&world.ask_at(&world.app.nodes[node], question).await)
    };
    let allow = async |environments: &[Environment]| {
        let environments = environments.to_vec();
        keys.change_policy(
            world.ada_app,
            |policy| policy.environments = environments,
            Asker::OPERATOR,
        )
        .await
        .unwrap();
    };
    for node in 0..2 {
        assert_eq!(ask(node).await, "VALID");
    }
    allow(&[Environment::Live]).await;
    for node in 0..2 {
        assert_eq!(ask(node).await, "NOT_FOUND");
    }
    // It may be good again, so it matters that it leaks.
    let path = format!("/v1/keys?api_key={value}");
    for _ in 0..2 {
        let refused = world.call(Method::GET, &path, None, None).await;
        refused.refuses(401, "UNAUTHORIZED");
    }
    assert_eq!(world.records("key.leaked").await, 1);
    let id = ApiKeyId::new(&keys.clock, &keys.entropy);
    let rotated = keys.rotate(test.id, id, None, None, Asker::OPERATOR).await;
    assert!(
        matches!(
            rotated,
            Err(KeyError::Unsound {
                field: "environment",
                ..
            })
        ),
        "{rotated:?}"
    );
    allow(&[Environment::Live, Environment::Test]).await;
    for node in 0..2 {
        assert_eq!(ask(node).await, "VALID");
    }
}

#[tokio::test]
async fn no_key_is_given_a_scope_while_its_app_loses_it() {
    let world = World::start().await;
    let keys = &world.app.keys;
    let (key, value) = world.make(|new| new.scopes = Some(set("read:orders"))).await;
    let of_app = |scopes: &'static str| {
        keys.change_policy(
            world.ada_app,
            move |policy| policy.scopes = set(scopes),
            Asker::OPERATOR,
        )
    };
    let of_key = |scopes: &'static str| {
        keys.change(
            key.id,
            None,
            move |settings| settings.scopes = set(scopes),
            Asker::OPERATOR,
        )
    };
    for round in 0..20 {
        of_app("read:orders write:orders").await.unwrap();
        of_key("read:orders").await.unwrap();
        let (given, lost) = join(of_key("read:orders write:orders"), of_app("read:orders")).await;
        lost.unwrap();
        if let Err(error) = given {
            assert!(
                matches!(error, KeyError::Unsound { field: "scopes", .. }),
                "{round}: {error}"
            );
        }
        let question = json!({ "key": value, "scope": "write:orders" });
        assert_eq!(code(&world.ask(question).await), "INSUFFICIENT_SCOPE", "{round}");
    }
}

#[tokio::test]
async fn an_end_that_no_calendar_has_is_refused() {
    let world = World::start().await;
    let (key, manager) = world.make(|_| {}).await;
    for end in ["9999-12-31T23:59:59Z", "2999-01-01T00:00:00Z"] {
        let body = Some(json!({ "expires_at": end }));
        let path = format!("/v1/keys/{}", key.id);
        let answer = world.call(Method::PATCH, &path, Some(&manager), body).await;
        assert!(answer.status == 400 || answer.status == 422, "{answer:?}");
        assert!(
            answer.body["message"].as_str().unwrap().contains("100 years"),
            "{answer:?}"
        );
    }
}
