//! `/v1/apps/{app}/webhooks`: by programs.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::receiver::{Receiver, Reply};
use crate::{
    keys::{Answer, World, another_app, grant, set},
    support::{people::PASSWORD, wait::until},
};

/// Ada's app with a key that may say where it is told of events, and a server of hers.
struct Desk {
    world: World,
    key: String,
    receiver: Receiver,
}

impl Desk {
    async fn start() -> Self {
        let world = World::with(1, |config| config.webhooks.allow_private_addresses = true).await;
        grant(&world.app, world.ada_app, "read:orders webhooks:manage").await;
        let (_, key) = world.make(|new| new.scopes = Some(set("webhooks:manage"))).await;
        Self {
            world,
            key,
            receiver: Receiver::start().await,
        }
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/apps/{}/webhooks{rest}", self.world.ada_app)
    }

    fn request(&self, method: Method, rest: &str) -> RequestBuilder {
        self.world
            .http
            .request(method, self.world.app.url(&self.path(rest)))
            .bearer_auth(&self.key)
    }

    async fn call(&self, method: Method, rest: &str, body: Option<Value>) -> Answer {
        let request = self.request(method, rest);
        Answer::of(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    async fn get(&self, rest: &str) -> Value {
        self.call(Method::GET, rest, None).await.is(200)
    }

    /// The same twice with one `Idempotency-Key`.
    async fn twice(&self, rest: &str, body: &Value) -> [Answer; 2] {
        let send = || {
            self.request(Method::POST, rest)
                .header("idempotency-key", format!("once-for-{rest}"))
                .json(body)
        };
        [Answer::of(send()).await, Answer::of(send()).await]
    }

    fn wanted(&self) -> Value {
        json!({"url": self.receiver.url("/hooks"), "description": "Billing", "event_types": ["key.leaked", "key.revoked"]})
    }

    async fn endpoint(&self) -> Value {
        self.call(Method::POST, "", Some(self.wanted())).await.is(201)
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} of {value}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_added_once_however_often_it_is_asked_for() {
    let desk = Desk::start().await;
    let [first, again] = desk.twice("", &desk.wanted()).await;
    assert_eq!(first.headers["cache-control"], "no-store");
    let (first, again) = (first.is(201), again.is(200));
    assert_eq!(first, again);
    assert!(text(&first, "secret").starts_with("whsec_"));
    assert_eq!(first["event_types"], json!(["key.revoked", "key.leaked"]));
    assert_eq!(first["enabled"], true);
    let listed = desk.get("").await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    assert!(listed["data"][0].get("secret").is_none());
    let hint = text(&listed["data"][0]["secrets"][0], "display_hint").to_owned();
    assert_eq!(hint, text(&first, "secret")[..10]);
    Answer::of(
        desk.request(Method::POST, "")
            .header("idempotency-key", "once-for-")
            .json(&json!({"url": desk.receiver.url("/other")})),
    )
    .await
    .refuses(409, "CONFLICT");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_stand_is_refused_by_its_field() {
    let desk = Desk::start().await;
    for (body, field) in [
        (json!({"url": "hooks.example"}), "url"),
        (json!({"url": "https://ada:secret@hooks.example/"}), "url"),
        (
            json!({"url": "https://hooks.example/", "event_types": ["key.made"]}),
            "event_types",
        ),
        (
            json!({"url": "https://hooks.example/", "description": "x".repeat(201)}),
            "description",
        ),
    ] {
        let answer = desk.call(Method::POST, "", Some(body.clone())).await;
        assert_eq!(answer.body["field"], field, "{body}");
        answer.refuses(400, "INVALID_REQUEST");
    }
    let endpoint = desk.endpoint().await;
    let id = text(&endpoint, "endpoint_id");
    for (rest, body, field) in [
        ("", json!({"url": "ftp://hooks.example/"}), "url"),
        ("", json!({"event_types": ["*"]}), "event_types"),
    ] {
        let answer = desk
            .call(Method::PATCH, &format!("/{id}{rest}"), Some(body))
            .await;
        assert_eq!(answer.body["field"], field);
        answer.refuses(400, "INVALID_REQUEST");
    }
    let answer = desk
        .call(
            Method::POST,
            &format!("/{id}/rotate"),
            Some(json!({"overlap_seconds": 604_801})),
        )
        .await;
    assert_eq!(answer.body["field"], "overlap_seconds");
    answer.refuses(400, "INVALID_REQUEST");
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_are_refused_unless_configuration_allows_them() {
    let world = World::start().await;
    grant(&world.app, world.ada_app, "webhooks:manage").await;
    let (_, key) = world.make(|_| {}).await;
    let path = format!("/v1/apps/{}/webhooks", world.ada_app);
    for url in [
        "http://hooks.example/",
        "https://localhost/",
        "https://10.0.0.1/",
        "https://[::1]/",
    ] {
        let answer = world
            .call(Method::POST, &path, Some(&key), Some(json!({"url": url})))
            .await;
        assert_eq!(answer.body["field"], "url", "{url}");
        answer.refuses(400, "INVALID_REQUEST");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_changed_from_what_was_seen() {
    let desk = Desk::start().await;
    let endpoint = desk.endpoint().await;
    let path = format!("/{}", text(&endpoint, "endpoint_id"));
    let tag = desk.call(Method::GET, &path, None).await.headers["etag"].clone();
    let change = async |tag: &reqwest::header::HeaderValue, body: Value| {
        Answer::of(
            desk.request(Method::PATCH, &path)
                .header("if-match", tag)
                .json(&body),
        )
        .await
    };
    let changed = change(
        &tag,
        json!({"description": null, "event_types": [], "enabled": false}),
    )
    .await;
    let newer = changed.headers["etag"].clone();
    let changed = changed.is(200);
    assert_eq!(changed["description"], Value::Null);
    assert_eq!(changed["event_types"], json!([]));
    assert_eq!(changed["disabled_reason"], "owner");
    assert_eq!(changed["url"], endpoint["url"]);
    change(&tag, json!({"enabled": true}))
        .await
        .refuses(412, "PRECONDITION_FAILED");
    let on = change(&newer, json!({"enabled": true})).await.is(200);
    assert_eq!(on["enabled"], true);
    assert_eq!(on["disabled_at"], Value::Null);
    desk.call(Method::DELETE, &path, None).await.is(204);
    for method in [Method::GET, Method::DELETE] {
        desk.call(method, &path, None).await.refuses(404, "NOT_FOUND");
    }
    desk.call(Method::PATCH, &path, Some(json!({})))
        .await
        .refuses(404, "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_rotated_with_an_overlap() {
    let desk = Desk::start().await;
    let endpoint = desk.endpoint().await;
    let path = format!("/{}", text(&endpoint, "endpoint_id"));
    desk.world.app.advance(Duration::from_secs(1));
    let [first, again] = desk
        .twice(&format!("{path}/rotate"), &json!({"overlap_seconds": 60}))
        .await;
    let (first, again) = (first.is(201), again.is(200));
    assert_eq!(first["secret"], again["secret"]);
    assert_ne!(first["secret"], endpoint["secret"]);
    assert_eq!(first["secrets"].as_array().unwrap().len(), 2);
    assert_eq!(first["secrets"][0]["expires_at"], "2026-06-01T12:01:01Z");
    desk.world.app.advance(Duration::from_mins(1));
    assert_eq!(desk.get(&path).await["secrets"].as_array().unwrap().len(), 1);
    // Once it has ended, nobody gets it again.
    desk.call(
        Method::POST,
        &format!("{path}/rotate"),
        Some(json!({"overlap_seconds": 0})),
    )
    .await
    .is(201);
    let [late, _] = desk
        .twice(&format!("{path}/rotate"), &json!({"overlap_seconds": 60}))
        .await;
    assert_eq!(late.is(200)["secret"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_listed_and_sent_again() {
    let desk = Desk::start().await;
    let endpoint = desk.endpoint().await;
    let path = format!("/{}", text(&endpoint, "endpoint_id"));
    let dispatching = desk.world.app.webhooks.start();
    desk.receiver.answers([Reply::Status(500)]);
    let [first, again] = desk.twice(&format!("{path}/test"), &json!({})).await;
    let (first, again) = (first.is(202), again.is(200));
    assert_eq!(first["delivery_id"], again["delivery_id"]);
    let delivery = format!("{path}/deliveries/{}", text(&first, "delivery_id"));
    until("it was tried", async || {
        desk.get(&delivery).await["failures"] == 1
    })
    .await;
    let listed = desk.get(&format!("{path}/deliveries")).await;
    let row = &listed["data"][0];
    assert_eq!(row["event_type"], "webhook.test");
    assert_eq!(row["state"], "waiting");
    assert_eq!(row["last_attempt"]["status"], 500);
    assert_eq!(row["last_attempt"]["answer"], "said 500");
    let [sent, once_more] = desk.twice(&format!("{delivery}/redeliver"), &json!({})).await;
    sent.is(202);
    once_more.is(200);
    until("it was taken", async || {
        desk.get(&delivery).await["state"] == "delivered"
    })
    .await;
    dispatching.stop().await;
    let one = desk.get(&delivery).await;
    let received = desk.receiver.received();
    assert_eq!(received.len(), 2);
    assert_eq!(one["body"], received[0].body);
    assert_eq!(one["message_id"], received[0].headers["webhook-id"]);
    let newest = desk.get(&format!("{delivery}/attempts?limit=1")).await;
    assert_eq!(newest["data"][0]["status"], 200);
    let cursor = text(&newest, "next_cursor");
    let older = desk
        .get(&format!("{delivery}/attempts?limit=1&cursor={cursor}"))
        .await;
    assert_eq!(older["data"][0]["status"], 500);
    assert_eq!(older["next_cursor"], Value::Null);
    // No more than ten tests wait.
    for _ in 0..10 {
        desk.call(Method::POST, &format!("{path}/test"), None)
            .await
            .is(202);
    }
    desk.call(Method::POST, &format!("{path}/test"), None)
        .await
        .refuses(409, "CONFLICT");
    // Nothing is sent to an endpoint that is off.
    desk.call(Method::PATCH, &path, Some(json!({"enabled": false})))
        .await
        .is(200);
    desk.call(Method::POST, &format!("{path}/test"), None)
        .await
        .refuses(409, "CONFLICT");
    desk.call(Method::POST, &format!("{delivery}/redeliver"), None)
        .await
        .refuses(409, "CONFLICT");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_on_where_they_ended() {
    let desk = Desk::start().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(text(&desk.endpoint().await, "endpoint_id").to_owned());
        desk.world.app.advance(Duration::from_millis(1));
    }
    let first = desk.get("?limit=2").await;
    let cursor = text(&first, "next_cursor");
    let second = desk.get(&format!("?limit=2&cursor={cursor}")).await;
    let shown: Vec<_> = [&first, &second]
        .into_iter()
        .flat_map(|part| part["data"].as_array().unwrap())
        .map(|endpoint| text(endpoint, "endpoint_id"))
        .collect();
    ids.reverse();
    assert_eq!(shown, ids);
    assert_eq!(second["next_cursor"], Value::Null);
    for query in ["?limit=0", "?cursor=nothing"] {
        desk.call(Method::GET, query, None)
            .await
            .refuses(400, "INVALID_REQUEST");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_another_apps_does_not_exist() {
    let desk = Desk::start().await;
    let endpoint = desk.endpoint().await;
    let id = text(&endpoint, "endpoint_id");
    let delivery = "dlv_00000000000000000000000000";
    let other = another_app(&desk.world, "Other").await;
    grant(&desk.world.app, other, "webhooks:manage read:orders").await;
    let (_, foreign) = desk.world.make(|new| new.app = other).await;
    let (_, without) = desk.world.make(|new| new.scopes = Some(set("read:orders"))).await;
    let routes = [
        (Method::GET, String::new()),
        (Method::POST, String::new()),
        (Method::GET, format!("/{id}")),
        (Method::PATCH, format!("/{id}")),
        (Method::DELETE, format!("/{id}")),
        (Method::POST, format!("/{id}/rotate")),
        (Method::POST, format!("/{id}/test")),
        (Method::GET, format!("/{id}/deliveries")),
        (Method::GET, format!("/{id}/deliveries/{delivery}")),
        (Method::GET, format!("/{id}/deliveries/{delivery}/attempts")),
        (Method::POST, format!("/{id}/deliveries/{delivery}/redeliver")),
    ];
    for (method, rest) in routes {
        let body = match (&method, rest.as_str()) {
            (&Method::POST, "") => Some(json!({"url": "https://hooks.example/"})),
            (&Method::POST | &Method::PATCH, _) => Some(json!({})),
            _ => None,
        };
        let call = async |app: claviger::types::AppId, key: &str| {
            let path = format!("/v1/apps/{app}/webhooks{rest}");
            desk.world
                .call(method.clone(), &path, Some(key), body.clone())
                .await
        };
        call(desk.world.ada_app, &foreign).await.refuses(404, "NOT_FOUND");
        call(desk.world.ada_app, &without)
            .await
            .refuses(403, "INSUFFICIENT_SCOPE");
        // Nor is it reached by way of the app that one has.
        if rest.contains(id) {
            call(other, &foreign).await.refuses(404, "NOT_FOUND");
        }
    }
    assert_eq!(desk.get("").await["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_a_viewer_looks_and_changes_nothing() {
    let desk = Desk::start().await;
    let endpoint = desk.endpoint().await;
    let path = desk.path(&format!("/{}", text(&endpoint, "endpoint_id")));
    let app = &desk.world.app;
    let viewer = app.person("grace@example.com").await.user.id;
    let mut transaction = app.db.begin().await.unwrap();
    claviger::accounts::add_member(
        &mut transaction,
        &app.webhooks.clock,
        desk.world.account,
        (viewer, claviger::accounts::Role::Viewer),
        claviger::audit::By::OPERATOR,
    )
    .await
    .unwrap();
    transaction.commit().await.unwrap();
    let browser = app.browser();
    let page = browser.get("/sign-in").await;
    browser
        .submit(&page, &[("email", "grace@example.com"), ("password", PASSWORD)])
        .await;
    let page = browser.get("/apps").await;
    let token = page.forms()[0].value("csrf_token").unwrap().to_owned();
    let call = async |method: Method| {
        let request = desk.world.http.request(method, app.url(&path));
        Answer::of(
            request
                .header("cookie", browser.cookies(&path))
                .header("x-csrf-token", &token)
                .json(&json!({"enabled": false})),
        )
        .await
    };
    assert_eq!(call(Method::GET).await.is(200)["enabled"], true);
    for method in [Method::PATCH, Method::DELETE] {
        call(method).await.refuses(403, "FORBIDDEN");
    }
    assert_eq!(call(Method::GET).await.is(200)["enabled"], true);
}
