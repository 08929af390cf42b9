//! Who may call: keys, access tokens, sessions; proxies; introspection.

use claviger::{
    keys::{AppPolicy, Asker, KeyError, KeyKind, network},
    oauth::clients::{ClientKind, Registration},
    types::Environment,
};
use reqwest::{Method, StatusCode, header};
use serde_json::json;

use super::{Answer, World, set};
use crate::{identity::mails, support::people::registration};

#[tokio::test]
async fn each_way_to_have_no_good_key_has_its_answer() {
    let world = World::start().await;
    let none = world.call(Method::GET, "/v1/keys", None, None).await;
    none.refuses(401, "UNAUTHORIZED");
    assert_eq!(
        none.body["message"],
        "No API key provided. Include your API key in the Authorization header."
    );
    assert_eq!(
        none.headers[header::WWW_AUTHENTICATE],
        "Bearer realm=\"claviger\""
    );
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
async fn a_key_in_a_query_is_found_whatever_stands_beside_it() {
    let world = World::with(1, |config| config.keys.revoke_in_query = true).await;
    for query in ["key={}&x=%FF", "{}", "authorization=Bearer+{}", "a=b&=&c={}"] {
        // Also where the body would be refused.
        for path in ["/v1/keys/verify", "/v1/keys", "/v1/auth"] {
            let (_, value) = world.make(|_| {}).await;
            let path = format!("{path}?{}", query.replace("{}", &value));
            let refused = Answer::of(world.http.post(world.app.url(&path)).body("no JSON")).await;
            refused.refuses(401, "UNAUTHORIZED");
            assert!(
                refused.body["message"]
                    .as_str()
                    .unwrap()
                    .contains("counts as leaked"),
                "{query}: {:?}",
                refused.body
            );
            assert_eq!(world.code_of(&value).await, "NOT_FOUND", "{query}");
        }
        let (_, value) = world.make(|_| {}).await;
        let uri = format!("/orders?q=\u{e9}&{}", query.replace("{}", &value));
        let uri = header::HeaderValue::from_bytes(uri.as_bytes()).unwrap();
        let asked = world.http.get(world.app.url("/v1/auth"));
        let asked = asked.bearer_auth(&value).header("x-original-uri", uri);
        Answer::of(asked).await.refuses(401, "UNAUTHORIZED");
        assert_eq!(world.code_of(&value).await, "NOT_FOUND", "{query}");
    }
}

#[tokio::test]
async fn a_publishable_key_in_a_query_is_recorded_and_no_more() {
    let world = World::with(1, |config| config.keys.revoke_in_query = true).await;
    let (_, value) = world
        .make(|new| {
            new.kind = KeyKind::Publishable;
            new.scopes = Some(set("read:orders"));
        })
        .await;
    let uri = format!("/ - sign in at https://evil.example ?k={value}");
    let asked = world
        .http
        .get(world.app.url("/v1/auth"))
        .header("x-original-uri", uri);
    Answer::of(asked).await.refuses(401, "UNAUTHORIZED");
    assert_eq!(world.code_of(&value).await, "VALID");
    assert_eq!(world.records("key.leaked").await, 1);
    let told = mails(&world.app, "ada@example.com").await;
    assert!(!told.iter().any(|mail| mail.contains("evil")), "{told:?}");
}

#[tokio::test]
async fn what_is_wrong_with_a_caller_goes_before_what_is_wrong_with_the_body() {
    let world = World::start().await;
    let (key, revoked) = world.make(|_| {}).await;
    world.app.keys.revoke(key.id, Asker::OPERATOR).await.unwrap();
    let (good, _) = compose_unknown(&world);
    let wrong = format!("{}x", &revoked[..revoked.len() - 1]);
    for credential in [&revoked, &good, &wrong] {
        for body in ["", "no JSON", "{\"a\": 1}"] {
            let asked = world.http.post(world.app.url("/v1/keys/verify"));
            Answer::of(asked.bearer_auth(credential).body(body))
                .await
                .refuses(401, "UNAUTHORIZED");
        }
    }
}

/// A key that is sound, and that nobody has.
fn compose_unknown(world: &World) -> (String, String) {
    let config = claviger::config::Config::default();
    let family = config.keys.families.get("default").unwrap();
    let body = world.app.keys.entropy.bytes::<64>();
    let (key, hint) = claviger::keys::compose(family, KeyKind::Secret, Environment::Live, &body);
    (key.expose().to_owned(), hint)
}

#[tokio::test]
async fn a_proxy_that_is_configured_wrongly_lets_nothing_pass() {
    let world = World::start().await;
    let (_, value) = world.make(|new| new.scopes = Some(set("read:orders"))).await;
    let ask = |path: &'static str, headers: &'static [(&'static str, &'static [u8])]| {
        let mut request = world.http.get(world.app.url(path)).bearer_auth(&value);
        for (name, text) in headers {
            request = request.header(*name, header::HeaderValue::from_bytes(text).unwrap());
        }
        Answer::of(request)
    };
    for (path, headers) in [
        // Behind the path, the query is the client's.
        ("/v1/auth/?scope=read:orders", &[] as &[(&str, &[u8])]),
        ("/v1/auth/orders", &[]),
        ("/v1/auth?scopes=admin:orders", &[]),
        ("/v1/auth?scope=+", &[]),
        ("/v1/auth?scope=a&scope=b", &[]),
        (
            "/v1/auth",
            &[
                ("x-required-scope", b"read:orders"),
                ("x-required-scope", b"admin:orders"),
            ],
        ),
        ("/v1/auth", &[("x-required-scope", b"admin:\xff")]),
        ("/v1/auth", &[("x-required-environment", b"\xff")]),
    ] {
        ask(path, headers).await.refuses(400, "INVALID_REQUEST");
    }
    let open = ask("/v1/auth/orders", &[("x-required-scope", b"")]).await;
    assert_eq!(open.status, 200, "{:?}", open.body);
    let unsaid = json!({ "key": value, "scope": " " });
    world
        .call(
            Method::POST,
            "/v1/keys/verify",
            Some(&world.service),
            Some(unsaid),
        )
        .await
        .refuses(400, "INVALID_REQUEST");
}

#[tokio::test]
async fn a_key_in_a_path_is_not_kept_with_it() {
    let world = World::start().await;
    let (key, value) = world.make(|_| {}).await;
    let uri = format!("/bot/{value}/send");
    let asked = world.http.get(world.app.url("/v1/auth")).bearer_auth(&value);
    assert_eq!(
        Answer::of(asked.header("x-original-uri", &uri)).await.status,
        StatusCode::OK
    );
    world.ask(json!({ "key": value, "resource": uri })).await;
    world.app.usage.flush().await.unwrap();
    let mut connection = world.app.db.connection().await.unwrap();
    let past = claviger::keys::usage::last_requests(&mut connection, key.id, None, 10)
        .await
        .unwrap();
    let routes: Vec<_> = past
        .requests
        .iter()
        .map(|request| request.route.as_str())
        .collect();
    assert_eq!(routes, ["/bot/", "/bot/"]);
}

#[tokio::test]
async fn a_key_is_bound_to_so_many_networks_each_once() {
    let world = World::start().await;
    let (_, value) = world.make(|_| {}).await;
    let addresses = |count: usize| {
        (0..count)
            .map(|n| format!("10.0.{}.{}", n / 250, n % 250))
            .collect::<Vec<_>>()
    };
    let asked = |ips: Vec<String>| {
        let wanted = json!({ "name": "Bound", "environment": "live", "allowed_ips": ips });
        world.call(Method::POST, "/v1/keys", Some(&value), Some(wanted))
    };
    let over = asked(addresses(101)).await;
    over.refuses(400, "INVALID_REQUEST");
    assert_eq!(over.body["field"], "allowed_ips");
    let twice = [addresses(100), addresses(100)].concat();
    let made = asked(twice).await.is(201);
    assert_eq!(made["allowed_ips"].as_array().unwrap().len(), 100);
    let path = format!("/v1/keys/{}", made["key_id"].as_str().unwrap());
    let asked = json!({ "allowed_ips": addresses(101) });
    world
        .call(Method::PATCH, &path, Some(&value), Some(asked))
        .await
        .refuses(400, "INVALID_REQUEST");
    let networks = addresses(101).iter().map(|text| network(text).unwrap()).collect();
    let change = |policy: &mut AppPolicy| policy.networks = networks;
    assert!(matches!(
        world
            .app
            .keys
            .change_policy(world.ada_app, change, Asker::OPERATOR)
            .await,
        Err(KeyError::Unsound {
            field: "allowed_ips",
            ..
        })
    ));
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

#[tokio::test]
async fn an_access_token_is_good_where_a_key_is_for_live_and_for_the_scopes_that_it_names() {
    let world = World::start().await;
    let robot = world.app.person("robot@example.com").await;
    let scopes = set("admin:orders keys:manage");
    let registration = Registration {
        scopes,
        ..registration(ClientKind::Confidential)
    };
    let client = world.app.client(&robot, &registration, false).await;
    let secret = client.secret.unwrap();
    let asked = world.http.post(world.app.url("/oauth/token"));
    let asked = asked
        .basic_auth(client.id.to_string(), Some(secret.expose()))
        .form(&[("grant_type", "client_credentials")]);
    let tokens = Answer::of(asked).await.is(200);
    let token = tokens["access_token"].as_str().unwrap();
    let ask = |query: &str| {
        let request = world.http.get(world.app.url(&format!("/v1/auth{query}")));
        Answer::of(request.bearer_auth(token))
    };
    let good = ask("?scope=admin:orders&environment=live").await;
    assert_eq!(good.status, 200, "{:?}", good.body);
    assert_eq!(good.headers["x-client-id"], client.id.to_string().as_str());
    assert!(!good.headers.contains_key("x-user-id"));
    ask("?environment=test").await.refuses(401, "WRONG_ENVIRONMENT");
    // A key with this scope may read too. People and clients were asked for this one, and not for what it would imply.
    ask("?scope=read:orders").await.refuses(403, "INSUFFICIENT_SCOPE");
    let listed = world.call(Method::GET, "/v1/keys", Some(token), None).await;
    assert_eq!(listed.status, 200, "{:?}", listed.body);
    let verify = json!({ "key": "sk_live_x" });
    world
        .call(Method::POST, "/v1/keys/verify", Some(token), Some(verify))
        .await
        .refuses(403, "INSUFFICIENT_SCOPE");
}
