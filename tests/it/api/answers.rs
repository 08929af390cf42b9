//! Each row of the table of answers, word for word: by the interface itself, and to a proxy that asks.

use std::{num::NonZeroU64, time::Duration};

use claviger::{
    crypto::Purpose,
    keys::{Asker, NewKey},
    types::Environment,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::said;
use crate::{
    keys::{Answer, World, set},
    support::{app::TestApp, proxy::Proxy},
};

/// The two ways: a route of the interface that needs `keys:manage`, and a proxy that requires as much.
const WAYS: [&str; 2] = ["/v1/keys", "/v1/auth?scope=keys:manage&environment=live"];

struct Refused {
    answer: Answer,
    way: &'static str,
}

async fn ask(world: &World, way: &'static str, key: Option<&str>) -> Refused {
    let answer = world.call(Method::GET, way, key, None).await;
    Refused { answer, way }
}

impl Refused {
    /// Whether the body is this, but for the id of the request, and the challenge this.
    #[track_caller]
    fn says(&self, status: u16, body: &Value, challenge: Option<&str>) {
        let (answer, way) = (&self.answer, self.way);
        let mut own = answer.body.clone();
        let id = own.as_object_mut().and_then(|own| own.remove("request_id"));
        assert_eq!(&own, body, "{way}");
        assert_eq!(answer.status.as_u16(), status, "{way}");
        let headers = &answer.headers;
        assert_eq!(id, said(headers, "x-request-id").map(Value::from), "{way}");
        assert_eq!(said(headers, "www-authenticate"), challenge, "{way}");
        assert_eq!(said(headers, "content-type"), Some("application/json"), "{way}");
        assert_eq!(said(headers, "cache-control"), Some("no-store"), "{way}");
        // Proxies that drop the body find it here.
        if way.starts_with("/v1/auth") {
            let repeated: Value = serde_json::from_str(said(headers, "x-refusal").unwrap()).unwrap();
            assert_eq!(repeated, answer.body);
        } else {
            assert_eq!(said(headers, "x-refusal"), None);
        }
    }
}

const INVALID: Option<&str> = Some("Bearer realm=\"claviger\", error=\"invalid_token\"");

#[tokio::test]
async fn each_row_of_the_table_is_answered_as_it_says() {
    let world = World::start().await;
    let manager = |new: &mut NewKey| new.scopes = Some(set("keys:manage"));
    let (revoked_key, revoked) = world.make(manager).await;
    world
        .app
        .keys
        .revoke(revoked_key.id, Asker::OPERATOR)
        .await
        .unwrap();
    let soon = world.app.keys.clock.now() + Duration::from_secs(5);
    let (_, expired) = world
        .make(|new| {
            manager(new);
            new.expires_at = Some(soon);
        })
        .await;
    world.app.advance(Duration::from_secs(6));
    let (_, elsewhere) = world
        .make(|new| {
            manager(new);
            new.networks = vec!["203.0.113.0/24".parse().unwrap()];
        })
        .await;
    let (_, narrow) = world.make(|new| new.scopes = Some(set("read:orders"))).await;
    let foreign = World::start().await.make(|_| {}).await.1;
    let typo = format!(
        "{}{}",
        &narrow[..narrow.len() - 1],
        if narrow.ends_with('0') { '1' } else { '0' }
    );
    for way in WAYS {
        let refusal =
            |error: &str, message: &str| json!({ "success": false, "error": error, "message": message });
        let none = refusal(
            "UNAUTHORIZED",
            "No API key provided. Include your API key in the Authorization header.",
        );
        ask(&world, way, None)
            .await
            .says(401, &none, Some("Bearer realm=\"claviger\""));
        let invalid = refusal("UNAUTHORIZED", "Invalid API key provided");
        for key in [
            foreign.as_str(),
            revoked.as_str(),
            &typo,
            "sk_live_short",
            "nothing",
        ] {
            ask(&world, way, Some(key)).await.says(401, &invalid, INVALID);
        }
        let message = refusal("UNAUTHORIZED", "API key has expired");
        ask(&world, way, Some(&expired))
            .await
            .says(401, &message, INVALID);
        let address = refusal(
            "IP_NOT_ALLOWED",
            "This key is not allowed from this address: see its allowlist and that of its app",
        );
        ask(&world, way, Some(&elsewhere)).await.says(403, &address, None);
        let mut scope = refusal(
            "INSUFFICIENT_SCOPE",
            "This needs the scope keys:manage, which the key does not have",
        );
        scope["required_scope"] = json!("keys:manage");
        let challenge =
            Some("Bearer realm=\"claviger\", error=\"insufficient_scope\", scope=\"keys:manage\"");
        ask(&world, way, Some(&narrow)).await.says(403, &scope, challenge);
    }
}

#[tokio::test]
async fn limits_are_told_on_successes_and_when_they_are_over() {
    let world = World::start().await;
    world.app.advance(Duration::from_secs(6));
    let (_, limited) = world
        .make(|new| {
            new.scopes = Some(set("keys:manage"));
            new.limits.per_hour = NonZeroU64::new(2);
        })
        .await;
    for (way, left) in WAYS.into_iter().zip([1, 0]) {
        let good = ask(&world, way, Some(&limited)).await.answer;
        assert_eq!(good.status, 200, "{:?}", good.body);
        assert_eq!(
            said(&good.headers, "ratelimit-policy"),
            Some("\"hour\";q=2;w=3600")
        );
        let standing = format!("\"hour\";r={left};t=3594");
        assert_eq!(said(&good.headers, "ratelimit"), Some(standing.as_str()), "{way}");
    }
    for way in WAYS {
        let over = json!({ "success": false, "error": "RATE_LIMITED", "message": "Rate limit exceeded", "retryAfter": 3594 });
        let answer = ask(&world, way, Some(&limited)).await;
        answer.says(429, &over, None);
        let headers = &answer.answer.headers;
        assert_eq!(said(headers, "retry-after"), Some("3594"));
        assert_eq!(said(headers, "ratelimit-policy"), Some("\"hour\";q=2;w=3600"));
        assert_eq!(said(headers, "ratelimit"), Some("\"hour\";r=0;t=3594"));
    }
}

#[tokio::test]
async fn only_who_asks_for_an_environment_can_be_refused_for_it() {
    let world = World::start().await;
    let (_, test) = world
        .make(|new| {
            new.scopes = Some(set("keys:manage"));
            new.environment = Environment::Test;
        })
        .await;
    let environment = json!({
        "success": false,
        "error": "WRONG_ENVIRONMENT",
        "message": "This is a test key, and live was asked for",
    });
    ask(&world, WAYS[1], Some(&test))
        .await
        .says(401, &environment, INVALID);
    assert_eq!(ask(&world, WAYS[0], Some(&test)).await.answer.status, 200);
}

/// Envoy asks below `/v1/auth/`, with the path, the query and the method of the request.
#[tokio::test]
async fn a_proxy_may_put_the_path_of_the_request_behind_ours() {
    let world = World::start().await;
    let (key, value) = world.make(|new| new.scopes = Some(set("read:orders"))).await;
    let ask = |method: Method, path: &str, scope: &'static str, value: &str| {
        let request = world.http.request(method, world.app.url(path));
        let request = request.bearer_auth(value).header("x-required-scope", scope);
        Answer::of(request)
    };
    for method in [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
    ] {
        let good = ask(method, "/v1/auth/orders/7?page=2", "read:orders", &value).await;
        assert_eq!(good.status, 200, "{:?}", good.body);
        assert_eq!(said(&good.headers, "x-key-id"), Some(key.id.to_string().as_str()));
    }
    // The query is the client's, who may not say what is required.
    ask(
        Method::GET,
        "/v1/auth/orders?scope=read:orders",
        "write:orders",
        &value,
    )
    .await
    .refuses(403, "INSUFFICIENT_SCOPE");
    let leaked = format!("/v1/auth/orders?key={value}");
    let refused = ask(Method::GET, &leaked, "read:orders", &value).await;
    refused.refuses(401, "UNAUTHORIZED");
    assert!(
        refused.body["message"]
            .as_str()
            .unwrap()
            .contains("counts as leaked")
    );
    assert_eq!(world.records("key.leaked").await, 1);
    world.app.usage.flush().await.unwrap();
    let mut connection = world.app.db.connection().await.unwrap();
    let past = claviger::keys::usage::last_requests(&mut connection, key.id, None, 10)
        .await
        .unwrap();
    assert!(past.requests.iter().any(|request| request.route == "/orders/7"));
}

/// No clock is needed to see it: the database is asked the same.
#[tokio::test]
async fn what_is_unknown_and_what_is_revoked_take_the_same_way() {
    let mut world = World::with(1, |config| config.usage.flush = claviger::config::Span::hours(24)).await;
    let (key, revoked) = world.make(|_| {}).await;
    world.app.keys.revoke(key.id, Asker::OPERATOR).await.unwrap();
    let unknown = {
        let elsewhere = World::start().await;
        elsewhere.make(|_| {}).await.1
    };
    let proxy = Proxy::to(&world.app.urls().server);
    let mut urls = world.app.urls();
    urls.server = proxy.url().to_owned();
    let mut config = (*world.app.config).clone();
    config.listen = ([127, 0, 0, 1], 0).into();
    world.app.add_node(config, urls).await;
    let traces = async |app: &TestApp, value: &str| {
        let mut sought: Vec<Vec<u8>> = app
            .keyring
            .macs(Purpose::ApiKey, value.as_bytes())
            .iter()
            .map(|mac| mac.tag.to_vec())
            .collect();
        assert!(!sought.is_empty());
        // Whatever else is asked about that key would name one of these.
        let owners = [key.id.uuid(), world.ada_app.uuid(), world.account.uuid()];
        sought.extend(owners.iter().map(|id| id.as_bytes().to_vec()));
        let heard = proxy.listen();
        let answer = world
            .call_at(&app.nodes[1], Method::GET, "/v1/keys", Some(value), None)
            .await;
        answer.refuses(401, "UNAUTHORIZED");
        assert_eq!(answer.body["message"], "Invalid API key provided");
        let about = |bytes: &Vec<u8>| {
            sought
                .iter()
                .any(|own| bytes.windows(own.len()).any(|part| part == own))
        };
        let lengths: Vec<usize> = heard
            .take()
            .iter()
            .filter(|bytes| about(bytes))
            .map(Vec::len)
            .collect();
        lengths
    };
    // So that each connection of the pool knows the statement.
    for _ in 0..16 {
        traces(&world.app, &unknown).await;
    }
    let first = traces(&world.app, &unknown).await;
    assert_eq!(first.len(), 1, "one look-up");
    for _ in 0..8 {
        assert_eq!(traces(&world.app, &revoked).await, first);
        assert_eq!(traces(&world.app, &unknown).await, first);
    }
}
