//! `POST /v1/keys/verify`: the answers, in words and order.

use std::time::Duration;

use claviger::keys::{Asker, KeyKind};
use claviger::types::Environment;
use reqwest::Method;
use serde_json::json;

use super::{World, code, grant, set};

#[tokio::test]
async fn a_good_key_is_told_with_all_that_it_may() {
    let world = World::start().await;
    let (key, value) = world.make(|new| new.scopes = Some(set("read:orders"))).await;
    let answer = world
        .ask(json!({ "key": value, "scope": "read:orders", "environment": "live" }))
        .await;
    assert_eq!(answer["valid"], true);
    assert_eq!(answer["code"], "VALID");
    assert_eq!(answer["key_id"], key.id.to_string());
    assert_eq!(answer["app_id"], world.ada_app.to_string());
    assert_eq!(answer["account_id"], world.account.to_string());
    assert_eq!(answer["environment"], "live");
    assert_eq!(answer["scopes"], json!(["read:orders"]));
    assert_eq!(answer["ratelimits"], json!([]));
    assert!(answer.get("expires_at").is_none());
}

#[tokio::test]
async fn what_is_unknown_revoked_or_malformed_reads_alike() {
    let world = World::start().await;
    let (key, revoked) = world.make(|_| {}).await;
    let (_, other) = world.make(|_| {}).await;
    world.app.keys.revoke(key.id, Asker::OPERATOR).await.unwrap();
    let typo = format!(
        "{}{}",
        &other[..other.len() - 1],
        if other.ends_with('0') { '1' } else { '0' }
    );
    // A key of another deployment: its checksum is right, and nobody here made it.
    let family = world.app.config.keys.families.get("default").unwrap();
    let foreign = {
        let world = World::start().await;
        world.make(|_| {}).await.1
    };
    assert_eq!(usize::from(family.body), 43);
    let relabelled = other.replacen("sk_live_", "sk_test_", 1);
    let cut = &other[..30];
    for (what, text) in [
        ("revoked", revoked.as_str()),
        ("typo", &typo),
        ("foreign", &foreign),
        ("relabelled", &relabelled),
        ("cut off", cut),
        ("empty", ""),
        ("no key", "hello"),
        ("NUL", "sk_live_\0"),
        ("long", &"sk_live_".repeat(1_000)),
    ] {
        let answer = world.ask(json!({ "key": text, "scope": "read:orders" })).await;
        assert_eq!(answer, json!({ "valid": false, "code": "NOT_FOUND" }), "{what}");
    }
    assert_eq!(world.code_of(&other).await, "VALID");
}

#[tokio::test]
async fn each_refusal_has_its_code_and_they_come_in_order() {
    let world = World::start().await;
    let soon = world.app.keys.clock.now() + Duration::from_mins(1);
    let (_, value) = world
        .make(|new| {
            new.scopes = Some(set("read:orders"));
            new.networks = vec!["203.0.113.0/24".parse().unwrap()];
            new.expires_at = Some(soon);
        })
        .await;
    let good = json!({ "key": value, "scope": "read:orders", "environment": "live", "ip": "203.0.113.9" });
    assert_eq!(code(&world.ask(good.clone()).await), "VALID");
    let with = |changes: &[(&str, &str)]| {
        let mut question = good.clone();
        for (name, what) in changes {
            question[*name] = json!(what);
        }
        question
    };
    let scope = world.ask(with(&[("scope", "write:orders")])).await;
    assert_eq!(code(&scope), "INSUFFICIENT_SCOPE");
    assert_eq!(scope["required_scope"], "write:orders");
    let ip = world
        .ask(with(&[("scope", "write:orders"), ("ip", "198.51.100.1")]))
        .await;
    assert_eq!(code(&ip), "IP_NOT_ALLOWED");
    let environment = world
        .ask(with(&[("ip", "198.51.100.1"), ("environment", "test")]))
        .await;
    assert_eq!(code(&environment), "WRONG_ENVIRONMENT");
    world.app.advance(Duration::from_secs(61));
    let expired = world.ask(with(&[("environment", "test")])).await;
    assert_eq!(code(&expired), "EXPIRED");
    // Without an address, a key that is bound to some is refused.
    let (_, bound) = world
        .make(|new| new.networks = vec!["203.0.113.0/24".parse().unwrap()])
        .await;
    assert_eq!(world.code_of(&bound).await, "IP_NOT_ALLOWED");
    let mapped = json!({ "key": bound, "ip": "::ffff:203.0.113.4" });
    assert_eq!(code(&world.ask(mapped).await), "VALID");
}

#[tokio::test]
async fn scopes_imply_what_they_say() {
    let world = World::start().await;
    grant(&world.app, world.ada_app, "admin:orders read:*").await;
    let (_, admin) = world.make(|new| new.scopes = Some(set("admin:orders"))).await;
    let (_, prefix) = world.make(|new| new.scopes = Some(set("read:*"))).await;
    for (key, scope, is) in [
        (&admin, "read:orders", "VALID"),
        (&admin, "write:orders", "VALID"),
        (&admin, "read:orders write:orders", "VALID"),
        (&admin, "read:invoices", "INSUFFICIENT_SCOPE"),
        (&prefix, "read:invoices", "VALID"),
        (&prefix, "write:orders", "INSUFFICIENT_SCOPE"),
    ] {
        let answer = world.ask(json!({ "key": key, "scope": scope })).await;
        assert_eq!(code(&answer), is, "{scope}");
    }
    let by_resource = json!({ "key": admin, "scope": "write", "resource": "orders" });
    assert_eq!(code(&world.ask(by_resource).await), "VALID");
}

#[tokio::test]
async fn the_shipped_families_are_judged_too() {
    let world = World::start().await;
    let (_, hypersave) = world.make(|new| new.family = "hypersave".to_owned()).await;
    assert!(hypersave.starts_with("hs_live_"));
    assert_eq!(world.code_of(&hypersave).await, "VALID");
    let (key, hypervize) = world.make(|new| new.family = "hypervize".to_owned()).await;
    assert!(hypervize.starts_with("hvz_live_") && hypervize.len() == 42);
    assert_eq!(key.settings.scopes, set("inference"));
    let answer = world.ask(json!({ "key": hypervize, "scope": "inference" })).await;
    assert_eq!(code(&answer), "VALID");
    let answer = world
        .ask(json!({ "key": hypervize, "scope": "read:orders" }))
        .await;
    assert_eq!(code(&answer), "INSUFFICIENT_SCOPE");
    let (_, global) = world
        .make(|new| {
            new.family = "hypervize".to_owned();
            new.scopes = Some(set("global"));
        })
        .await;
    let answer = world.ask(json!({ "key": global, "scope": "read:orders" })).await;
    assert_eq!(code(&answer), "VALID");
    // It implies what only operators grant, too, so they alone give it.
    let (_, manager) = world.make(|_| {}).await;
    let wanted = json!({ "kind": "sk", "environment": "live", "name": "All", "family": "hypervize", "scopes": ["global"] });
    let answer = world
        .call(Method::POST, "/v1/keys", Some(&manager), Some(wanted))
        .await;
    answer.refuses(400, "INVALID_REQUEST");
    // `global` is of that family alone.
    let refused = world
        .app
        .keys
        .create(
            claviger::types::ApiKeyId::new(&world.app.keys.clock, &world.app.keys.entropy),
            &claviger::keys::NewKey {
                scopes: Some(set("global")),
                ..super::new_key(world.ada_app)
            },
            None,
            Asker::OPERATOR,
        )
        .await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn only_a_service_may_ask_and_its_question_must_make_sense() {
    let world = World::start().await;
    let (_, value) = world.make(|new| new.kind = KeyKind::Secret).await;
    let ask = |key: Option<String>, body: serde_json::Value| {
        let world = &world;
        async move {
            world
                .call(Method::POST, "/v1/keys/verify", key.as_deref(), Some(body))
                .await
        }
    };
    let question = json!({ "key": value });
    ask(None, question.clone()).await.refuses(401, "UNAUTHORIZED");
    let answer = ask(Some(value.clone()), question.clone()).await;
    answer.refuses(403, "INSUFFICIENT_SCOPE");
    assert_eq!(answer.body["required_scope"], "keys:verify");
    assert_eq!(
        answer.headers["www-authenticate"],
        "Bearer realm=\"claviger\", error=\"insufficient_scope\", scope=\"keys:verify\""
    );
    let service = || Some(world.service.clone());
    for bad in [
        json!({}),
        json!({ "key": 7 }),
        json!({ "key": value, "scopes": "read:orders" }),
        json!({ "key": value, "scope": "a\"b" }),
        json!({ "key": value, "ip": "nowhere" }),
        json!({ "key": value, "environment": "staging" }),
        json!({ "key": value, "cost": 1_000_001 }),
        json!({ "key": value, "cost": -1 }),
        json!({ "key": value, "resource": "x".repeat(201) }),
        json!([]),
    ] {
        ask(service(), bad.clone()).await.refuses(400, "INVALID_REQUEST");
    }
    // What was sent is not quoted, for it may be a key.
    let quoted = ask(service(), json!({ "key": "x", "cost": value })).await;
    quoted.refuses(400, "INVALID_REQUEST");
    assert!(!quoted.body.to_string().contains(&value), "{:?}", quoted.body);
    let raw = |kind: &'static str, body: Vec<u8>| {
        super::Answer::of(
            world
                .http
                .post(world.app.url("/v1/keys/verify"))
                .bearer_auth(&world.service)
                .header("content-type", kind)
                .body(body),
        )
    };
    raw("text/plain", b"{}".to_vec())
        .await
        .refuses(415, "UNSUPPORTED_MEDIA_TYPE");
    raw("application/json", vec![b' '; 70_000])
        .await
        .refuses(413, "TOO_LARGE");
    raw("application/json", b"{\"key\":\"\xff\"}".to_vec())
        .await
        .refuses(400, "INVALID_REQUEST");
    let wrong = world
        .call(Method::GET, "/v1/keys/verify", Some(&world.service), None)
        .await;
    wrong.refuses(405, "METHOD_NOT_ALLOWED");
    assert_eq!(wrong.headers["allow"], "POST");
    let test = world.make(|new| new.environment = Environment::Test).await.1;
    assert_eq!(world.code_of(&test).await, "VALID");
}
