//! Other scanners, by a service key; what is counted; and what they are told to look for.

use claviger::{config::Families, keys::Formats};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, Scene, find, labels};

impl Scene {
    async fn scan(&self, key: Option<&str>, body: &Value) -> Answer {
        let mut request = self
            .world
            .http
            .request(Method::POST, self.world.app.url("/v1/leaks"));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        Answer::of(request.json(body)).await
    }
}

#[tokio::test]
async fn a_scanner_reports_with_a_service_key_and_nobody_else() {
    let scene = Scene::start().await;
    let scanner = scene.scanner("leaks:report").await;
    let (_, value) = scene.key(|_| {}).await;
    let report = json!([find(&value), find("other")]);
    scene.scan(None, &report).await.refuses(401, "UNAUTHORIZED");
    scene
        .scan(Some("sk_live_nobody"), &report)
        .await
        .refuses(401, "UNAUTHORIZED");
    let refused = scene.scan(Some(&value), &report).await;
    refused.refuses(403, "INSUFFICIENT_SCOPE");
    assert_eq!(refused.body["required_scope"], "leaks:report");
    scene
        .scan(Some(&scanner), &json!({"token": value}))
        .await
        .refuses(400, "INVALID_REQUEST");
    assert!(scene.takes(&scene.world.app.nodes[0], &value).await);
    // It may send the same again: it is known by its key.
    for _ in 0..2 {
        assert_eq!(labels(scene.scan(Some(&scanner), &report).await), [true, false]);
    }
    assert!(!scene.takes(&scene.world.app.nodes[0], &value).await);
    let leaked = scene.records("key.leaked").await;
    assert_eq!(leaked.len(), 1);
    assert_eq!(
        (leaked[0].actor_kind.as_str(), &leaked[0].details["source"]),
        ("key", &json!("scanner"))
    );
    // A key that reports is a key like any other.
    assert_eq!(
        labels(scene.scan(Some(&scanner), &json!([find(&scanner)])).await),
        [true]
    );
    scene
        .scan(Some(&scanner), &report)
        .await
        .refuses(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn reports_and_finds_are_counted() {
    let scene = Scene::with(1, |config| {
        config.server.metrics_listen = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    let (_, value) = scene.key(|_| {}).await;
    let finds = [find(&value), find("other")];
    scene.report(&finds).await.is(200);
    scene.report(&finds).await.refuses(409, "CONFLICT");
    scene
        .signed("[]", &scene.github.id, "bm9uZQ==")
        .await
        .refuses(401, "UNAUTHORIZED");
    let address = scene.world.app.nodes[0].metrics_address.unwrap();
    let request = scene.world.http.get(format!("http://{address}/metrics"));
    let text = request.send().await.unwrap().text().await.unwrap();
    for line in [
        r#"claviger_leak_reports_total{source="github",fate="taken"} 1"#,
        r#"claviger_leak_reports_total{source="github",fate="again"} 1"#,
        r#"claviger_leak_reports_total{source="github",fate="unsigned"} 1"#,
        r#"claviger_leak_finds_total{kind="api_key",outcome="revoked"} 1"#,
        r#"claviger_leak_finds_total{kind="none",outcome="false_positive"} 1"#,
    ] {
        assert!(text.lines().any(|own| own == line), "{line} is not in\n{text}");
    }
}

#[test]
fn the_expression_that_is_documented_is_that_of_the_shipped_forms() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/leaks.md");
    let text = std::fs::read_to_string(path).unwrap();
    let expression = Formats::of(&Families::default()).expression();
    assert!(text.contains(&expression), "docs/leaks.md lacks\n{expression}");
}
