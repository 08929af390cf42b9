//! `/v1/keys` and `/v1/apps`: made, changed and taken back by programs.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, World, another_app, text};

#[tokio::test]
async fn a_key_manages_the_keys_of_its_own_app() {
    let world = World::start().await;
    let (own, manager) = world.make(|_| {}).await;
    // Keys of one millisecond have no order.
    world.app.advance(std::time::Duration::from_millis(1));
    let call = |method: Method, path: String, body: Option<Value>| {
        let (world, manager) = (&world, manager.clone());
        async move { world.call(method, &path, Some(&manager), body).await }
    };
    let wanted = json!({ "name": "Sync", "environment": "live", "scopes": ["read:orders"], "rate_limit_per_hour": 10 });
    let made = call(Method::POST, "/v1/keys".into(), Some(wanted)).await.is(201);
    let (id, value) = (text(&made, "key_id"), text(&made, "key"));
    assert_eq!(text(&made, "display_hint"), value[..12]);
    assert_eq!(world.code_of(&value).await, "VALID");
    let one = call(Method::GET, format!("/v1/keys/{id}"), None).await;
    let tag = one.headers["etag"].to_str().unwrap().to_owned();
    let one = one.is(200);
    assert!(one.get("key").is_none());
    assert_eq!(one["rate_limit_per_hour"], 10);
    let change = |tag: String, body: Value| {
        Answer::of(
            world
                .http
                .patch(world.app.url(&format!("/v1/keys/{id}")))
                .bearer_auth(&manager)
                .header("if-match", tag)
                .json(&body),
        )
    };
    let changed = change(
        tag.clone(),
        json!({ "name": "Sync two", "rate_limit_per_hour": null }),
    )
    .await
    .is(200);
    assert_eq!(changed["name"], "Sync two");
    assert_eq!(changed["rate_limit_per_hour"], Value::Null);
    change(tag, json!({ "name": "Sync three" }))
        .await
        .refuses(412, "PRECONDITION_FAILED");
    let rotated = call(Method::POST, format!("/v1/keys/{id}/rotate"), None)
        .await
        .is(201);
    assert_ne!(text(&rotated, "key_id"), id);
    assert_eq!(world.code_of(&value).await, "VALID");
    let successor = text(&rotated, "key_id");
    let regenerated = call(Method::POST, format!("/v1/keys/{successor}/regenerate"), None)
        .await
        .is(201);
    assert_eq!(text(&regenerated, "key_id"), successor);
    assert_eq!(world.code_of(&text(&rotated, "key")).await, "NOT_FOUND");
    let listed = call(Method::GET, "/v1/keys?limit=2".into(), None).await.is(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    let cursor = text(&listed, "next_cursor");
    let rest = call(Method::GET, format!("/v1/keys?limit=2&cursor={cursor}"), None)
        .await
        .is(200);
    assert_eq!(rest["data"][0]["key_id"], own.id.to_string());
    assert_eq!(rest["next_cursor"], Value::Null);
    let app = world.ada_app;
    let gone = call(Method::DELETE, format!("/v1/apps/{app}/keys/{id}"), None)
        .await
        .is(200);
    assert_eq!(gone["state"], "revoked");
    assert_eq!(world.code_of(&value).await, "NOT_FOUND");
    // What is another app's does not exist for it.
    let other = another_app(&world, "Other").await;
    let (theirs, _) = world.make(|new| new.app = other).await;
    for (method, path) in [
        (Method::GET, format!("/v1/keys/{}", theirs.id)),
        (Method::DELETE, format!("/v1/keys/{}", theirs.id)),
        (Method::GET, format!("/v1/apps/{other}")),
        (Method::GET, format!("/v1/apps/{other}/keys")),
        (Method::GET, "/v1/keys/key_nonsense".to_owned()),
    ] {
        call(method, path, None).await.refuses(404, "NOT_FOUND");
    }
    call(
        Method::PATCH,
        format!("/v1/apps/{app}"),
        Some(json!({ "scopes": [] })),
    )
    .await
    .refuses(403, "FORBIDDEN");
    call(Method::DELETE, format!("/v1/apps/{app}"), None)
        .await
        .refuses(403, "FORBIDDEN");
}

#[tokio::test]
async fn a_request_that_comes_again_gets_the_same_key() {
    let world = World::start().await;
    let (_, manager) = world.make(|_| {}).await;
    let post = |idempotency_key: &'static str, body: Value| {
        Answer::of(
            world
                .http
                .post(world.app.url("/v1/keys"))
                .bearer_auth(&manager)
                .header("idempotency-key", idempotency_key)
                .json(&body),
        )
    };
    let wanted = json!({ "name": "Once", "environment": "live", "scopes": ["read:orders"] });
    let first = post("one", wanted.clone()).await.is(201);
    let again = post("one", wanted.clone()).await.is(200);
    assert_eq!(again["key_id"], first["key_id"]);
    assert_eq!(again["key"], first["key"], "the value is made again, not kept");
    assert_eq!(world.code_of(&text(&first, "key")).await, "VALID");
    post("one", json!({ "name": "Other", "environment": "live" }))
        .await
        .refuses(409, "CONFLICT");
    let at_once = futures_util::future::join_all((0..6).map(|_| post("two", wanted.clone()))).await;
    let ids: std::collections::BTreeSet<String> = at_once
        .iter()
        .map(|answer| text(&answer.body, "key_id"))
        .collect();
    assert_eq!(ids.len(), 1);
    // With another value by now, it is not shown again.
    let id = text(&first, "key_id");
    let regenerated = world
        .call(
            Method::POST,
            &format!("/v1/keys/{id}/regenerate"),
            Some(&manager),
            None,
        )
        .await
        .is(201);
    assert!(regenerated["key"].is_string());
    assert_eq!(post("one", wanted).await.is(200)["key"], Value::Null);
}

#[tokio::test]
async fn what_cannot_stand_names_its_field() {
    let world = World::start().await;
    let (_, manager) = world.make(|_| {}).await;
    for (body, field) in [
        (json!({ "name": "", "environment": "live" }), Some("name")),
        (
            json!({ "name": "A", "environment": "live", "kind": "xk" }),
            Some("kind"),
        ),
        (
            json!({ "name": "A", "environment": "live", "scopes": ["read:invoices"] }),
            Some("scopes"),
        ),
        (
            json!({ "name": "A", "environment": "live", "allowed_ips": ["somewhere"] }),
            Some("allowed_ips"),
        ),
        (
            json!({ "name": "A", "environment": "live", "expires_at": "2020-01-01T00:00:00Z" }),
            Some("expires_at"),
        ),
        (
            json!({ "name": "A", "environment": "live", "family": "none" }),
            Some("family"),
        ),
        (
            json!({ "name": "A", "environment": "live", "rate_limit_per_hour": u64::MAX }),
            Some("rate_limit_per_hour"),
        ),
        (
            json!({ "name": "A", "environment": "live", "per_second": u32::MAX }),
            Some("per_second"),
        ),
        (json!({ "name": "A", "environment": "staging" }), None),
        (
            json!({ "name": "A", "environment": "live", "per_second": 0 }),
            None,
        ),
        (json!({ "name": "A" }), None),
    ] {
        let answer = world
            .call(Method::POST, "/v1/keys", Some(&manager), Some(body.clone()))
            .await;
        answer.refuses(400, "INVALID_REQUEST");
        assert_eq!(answer.body["field"].as_str(), field, "{body}");
    }
}

/// Each route of the document refuses who brings no credential, and none is left out of the document by its router.
#[tokio::test]
async fn no_route_answers_without_a_credential() {
    let world = World::start().await;
    let document = world.call(Method::GET, "/openapi.json", None, None).await.is(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 11);
    for (path, item) in paths {
        for method in item.as_object().unwrap().keys() {
            let concrete = path
                .replace("{id}", "key_0")
                .replace("{app}", "app_0")
                .replace("{endpoint}", "whe_0")
                .replace("{delivery}", "dlv_0");
            let method: Method = method.to_uppercase().parse().unwrap();
            let body = (method == Method::POST || method == Method::PATCH).then(|| json!({}));
            let answer = world.call(method.clone(), &concrete, None, body).await;
            answer.refuses(401, "UNAUTHORIZED");
            let foreign = world
                .call(method, &concrete, Some("sk_live_nobody"), Some(json!({})))
                .await;
            foreign.refuses(401, "UNAUTHORIZED");
        }
    }
}
