//! What is driven of API keys before the log and the database are searched for every secret that was seen.

use claviger::{audit::By, identity::Created, keys::Asker};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::{
    oauth::flow::World,
    support::{browser::Browser, seen::Seen},
};

async fn answer(request: RequestBuilder) -> Value {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let body = answer.text().await.unwrap();
    assert!(!status.is_server_error(), "{status}: {body}");
    serde_json::from_str(&body).unwrap_or_default()
}

fn value(made: &Value, seen: &mut Seen) -> (String, String) {
    let value = made["key"]
        .as_str()
        .unwrap_or_else(|| panic!("no key: {made}"))
        .to_owned();
    seen.add("a key", &value);
    (made["key_id"].as_str().unwrap().to_owned(), value)
}

/// Every way of a key: made by default, by session, by key, and again; verified, rotated, regenerated, introspected, presented
/// at a proxy, sent in queries and where it does not belong, revoked.
pub async fn drive(world: &World, owner: &Created, browser: &Browser, seen: &mut Seen) {
    let (app, http) = (&world.app, &world.http);
    let keys = &app.keys;
    keys.change_policy(
        owner.opened.app_id,
        |policy| policy.scopes = "keys:manage keys:verify tokens:introspect".parse().unwrap(),
        Asker::OPERATOR,
    )
    .await
    .unwrap();
    let by_default = keys
        .reveal_default_key(owner.user.id, By::OPERATOR)
        .await
        .unwrap();
    seen.add("a default key", by_default.value.unwrap().expose());

    let page = browser.get("/apps").await;
    seen.page(&page);
    let forms = page.forms();
    let csrf_token = forms.iter().find_map(|form| form.value("csrf_token")).unwrap();
    let wanted =
        json!({ "app_id": owner.opened.app_id.to_string(), "name": "By session", "environment": "live" });
    let by_session = || {
        let request = browser.client.post(app.url("/v1/keys"));
        request
            .header("x-csrf-token", csrf_token)
            .header("idempotency-key", "an idempotency key of the session")
            .json(&wanted)
    };
    let (_, own) = value(&answer(by_session()).await, seen);
    assert_eq!(
        answer(by_session()).await["key"],
        own.as_str(),
        "made again, not kept"
    );
    let call = |method: Method, path: &str, key: &str| http.request(method, app.url(path)).bearer_auth(key);

    let made = call(Method::POST, "/v1/keys", &own)
        .json(&json!({ "name": "Made by a key", "environment": "test", "scopes": ["keys:verify"] }));
    let (id, first) = value(&answer(made).await, seen);
    let rotated = answer(
        call(Method::POST, &format!("/v1/keys/{id}/rotate"), &own).header("idempotency-key", "rotation"),
    )
    .await;
    let (successor, _) = value(&rotated, seen);
    let (_, new) = value(
        &answer(call(
            Method::POST,
            &format!("/v1/keys/{successor}/regenerate"),
            &own,
        ))
        .await,
        seen,
    );

    // Good and not, in the body where it belongs and everywhere where it does not.
    for key in [&first, &new, &own] {
        let question = json!({ "key": key, "resource": "orders/7", "ip": "203.0.113.9" });
        answer(call(Method::POST, "/v1/keys/verify", &own).json(&question)).await;
        answer(call(Method::POST, "/v1/keys/verify", &own).json(&json!({ "key": 7, "scope": key }))).await;
        answer(call(Method::POST, "/v1/keys/verify", &own).json(&json!({ "key": key, key: 1 }))).await;
        answer(call(Method::POST, "/v1/keys", &own).json(&json!({ "name": key, "environment": key }))).await;
        answer(call(Method::GET, "/v1/auth?scope=keys:verify", key)).await;
        answer(call(Method::GET, "/v1/auth", key).header("x-original-uri", format!("/orders?api_key={key}")))
            .await;
        answer(call(Method::GET, &format!("/v1/auth/orders?api_key={key}"), key)).await;
        answer(http.get(app.url(&format!("/v1/keys?key={key}")))).await;
        answer(http.get(app.url(&format!("/v1/usage?scope=read:orders&key_id={key}")))).await;
        answer(http.get(app.url("/v1/keys")).header("x-api-key", key)).await;
        answer(call(Method::GET, &format!("/v1/keys/{key}"), &own)).await;
        answer(call(Method::GET, &format!("/v1/auth/bot/{key}/send"), key)).await;
        answer(call(Method::GET, "/v1/auth", key).header("x-original-uri", format!("/bot/{key}/send"))).await;
        answer(
            call(Method::POST, "/v1/keys/verify", &own)
                .json(&json!({ "key": key, "resource": format!("/bot/{key}") })),
        )
        .await;
        answer(http.get(app.url("/v1/keys")).basic_auth(key, Some(key))).await;
        answer(
            http.post(app.url("/oauth/introspect"))
                .bearer_auth(&own)
                .form(&[("token", key)]),
        )
        .await;
        answer(http.post(app.url("/oauth/revoke")).form(&[("token", key)])).await;
    }
    answer(call(Method::DELETE, &format!("/v1/keys/{id}"), &own)).await;
    answer(call(Method::POST, "/v1/keys/verify", &own).json(&json!({ "key": first }))).await;
    let typo = format!("{}x", &own[..own.len() - 1]);
    seen.add("a key with a typo", &typo);
    answer(call(Method::GET, "/v1/keys", &typo)).await;
    app.usage.flush().await.unwrap();
}
