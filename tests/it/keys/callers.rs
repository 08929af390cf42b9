//! Who may call: keys, access tokens, sessions; proxies; introspection.

use claviger::keys::Asker;
use reqwest::{Method, header};
use serde_json::json;

use super::{Answer, World, set};

#[tokio::test]
async fn each_way_to_have_no_good_key_has_its_answer() {
    let world = World::start().await;
    let none = world.call(Method::GET, "/v1/keys", None, None).await;
    none.refuses(401, "UNAUTHORIZED");
    assert_eq!(
        none.body["message"],
        "No API key provided. Include your API key in the Authorization header."
    );
    assert_eq!(none.headers[header::WWW_AUTHENTICATE], "Bearer");
    let (key, value) = world.make(|_| {}).await;
    let unknown = world
        .call(Method::GET, "/v1/keys", Some("sk_live_nothing"), None)
        .await;
    unknown.refuses(401, "UNAUTHORIZED");
    assert_eq!(unknown.body["message"], "Invalid API key provided");
    let soon = world.app.keys.clock.now() + std::time::Duration::from_secs(5);
    let (_, short) = world.make(|new| new.expires_at = Some(soon)).await;
    world.app.advance(std::time::Duration::from_secs(6));
    let expired = world.call(Method::GET, "/v1/keys", Some(&short), None).await;
    assert_eq!(expired.body["message"], "API key has expired");
    let (_, elsewhere) = world
        .make(|new| new.networks = vec!["203.0.113.0/24".parse().unwrap()])
        .await;
    let refused = world.call(Method::GET, "/v1/keys", Some(&elsewhere), None).await;
    refused.refuses(403, "IP_NOT_ALLOWED");
    world.app.keys.revoke(key.id, Asker::OPERATOR).await.unwrap();
    let revoked = world.call(Method::GET, "/v1/keys", Some(&value), None).await;
    assert_eq!(revoked.body["message"], unknown.body["message"]);
    let nowhere = world.call(Method::GET, "/v1/nowhere", Some(&value), None).await;
    nowhere.refuses(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_key_in_a_query_is_refused_and_its_owner_warned() {
    let world = World::with(1, |config| config.keys.revoke_in_query = true).await;
    let (_, value) = world.make(|_| {}).await;
    let path = format!("/v1/keys?api_key={value}");
    let refused = world.call(Method::GET, &path, Some(&value), None).await;
    refused.refuses(401, "UNAUTHORIZED");
    assert!(
        refused.body["message"]
            .as_str()
            .unwrap()
            .contains("counts as leaked")
    );
    assert_eq!(world.code_of(&value).await, "NOT_FOUND");
    assert_eq!(world.records("key.leaked").await, 1);
    let (_, kept) = World::start().await.make(|_| {}).await;
    assert_eq!(world.code_of(&kept).await, "NOT_FOUND");
}

#[tokio::test]
async fn a_proxy_asks_whether_a_request_may_pass() {
    let world = World::start().await;
    let (key, value) = world.make(|new| new.scopes = Some(set("read:orders"))).await;
    let ask = |headers: Vec<(&'static str, String)>, query: &'static str| {
        let mut request = world.http.get(world.app.url(&format!("/v1/auth{query}")));
        for (name, text) in headers {
            request = request.header(name, text);
        }
        Answer::of(request)
    };
    let bearer = || ("authorization", format!("Bearer {value}"));
    let good = ask(vec![bearer()], "?scope=read:orders&environment=live").await;
    assert_eq!(good.status, 200);
    assert_eq!(good.headers["x-key-id"], key.id.to_string().as_str());
    assert_eq!(good.headers["x-app-id"], world.ada_app.to_string().as_str());
    assert_eq!(good.headers["x-scopes"], "read:orders");
    ask(vec![], "").await.refuses(401, "UNAUTHORIZED");
    ask(vec![bearer()], "?environment=test")
        .await
        .refuses(401, "WRONG_ENVIRONMENT");
    ask(vec![bearer()], "?scope=write:orders")
        .await
        .refuses(403, "INSUFFICIENT_SCOPE");
    // The query, which the proxy's configuration holds, goes before headers.
    let both = vec![bearer(), ("x-required-scope", "read:orders".to_owned())];
    ask(both, "?scope=write:orders")
        .await
        .refuses(403, "INSUFFICIENT_SCOPE");
    let in_query = vec![bearer(), ("x-original-uri", format!("/orders?key={value}"))];
    ask(in_query, "").await.refuses(401, "UNAUTHORIZED");
    ask(vec![bearer()], "?scope=a&scope=b")
        .await
        .refuses(400, "INVALID_REQUEST");
}

#[tokio::test]
async fn introspection_answers_for_keys_and_to_keys() {
    let world = World::start().await;
    let (key, value) = world.make(|new| new.scopes = Some(set("read:orders"))).await;
    let platform = world
        .make(|new| {
            new.scopes = Some(set("tokens:introspect"));
            new.app = world.platform_app;
        })
        .await
        .1;
    let ask = |bearer: &str, token: &str| {
        Answer::of(
            world
                .http
                .post(world.app.url("/oauth/introspect"))
                .bearer_auth(bearer)
                .form(&[("token", token)]),
        )
    };
    let active = ask(&platform, &value).await.is(200);
    assert_eq!(active["active"], true);
    assert_eq!(active["token_type"], "api_key");
    assert_eq!(active["scope"], "read:orders");
    assert_eq!(active["key_id"], key.id.to_string());
    world.app.keys.revoke(key.id, Asker::OPERATOR).await.unwrap();
    let over = ask(&platform, &value).await.is(200);
    assert_eq!(over, json!({ "active": false }));
    let refused = ask(&world.service, &value).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.body["error"], "invalid_token");
}

#[tokio::test]
async fn limits_are_told_and_kept() {
    let world = World::start().await;
    let (_, value) = world
        .make(|new| new.limits.per_hour = std::num::NonZeroU64::new(2))
        .await;
    let first = world.call(Method::GET, "/v1/scopes", Some(&value), None).await;
    assert_eq!(first.status, 200);
    assert_eq!(first.headers["ratelimit-policy"], "\"hour\";q=2;w=3600");
    assert_eq!(first.headers["ratelimit"], "\"hour\";r=1;t=3600");
    let looked = world.ask(json!({ "key": value, "cost": 0 })).await;
    assert_eq!(looked["ratelimits"][0]["remaining"], 1);
    assert_eq!(
        world
            .call(Method::GET, "/v1/scopes", Some(&value), None)
            .await
            .status,
        200
    );
    let over = world.call(Method::GET, "/v1/scopes", Some(&value), None).await;
    over.refuses(429, "RATE_LIMITED");
    assert_eq!(over.body["message"], "Rate limit exceeded");
    assert_eq!(over.body["retryAfter"], 3600);
    assert_eq!(over.headers[header::RETRY_AFTER], "3600");
    let asked = world.ask(json!({ "key": value })).await;
    assert_eq!(asked["code"], "RATE_LIMITED");
    assert_eq!(asked["retryAfter"], 3600);
    world.app.advance(std::time::Duration::from_hours(1));
    assert_eq!(
        world
            .call(Method::GET, "/v1/scopes", Some(&value), None)
            .await
            .status,
        200
    );
}
