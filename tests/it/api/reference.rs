//! `/docs`.

use std::collections::BTreeSet;

use reqwest::Method;
use scraper::{Html, Selector};
use serde_json::Value;

use crate::keys::World;

#[tokio::test]
async fn the_reference_has_all_that_the_document_has() {
    let world = World::start().await;
    let page = world.app.browser().get("/docs").await;
    assert_eq!(page.status, 200);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
    assert_eq!(page.heading(), "API reference");
    let document = world.call(Method::GET, "/openapi.json", None, None).await.is(200);
    let html = Html::parse_document(&page.html);
    let texts = |selector: &str| -> BTreeSet<String> {
        html.select(&Selector::parse(selector).unwrap())
            .map(|element| element.text().collect::<String>())
            .collect()
    };
    let (titles, commands) = (texts("article h3"), texts("article .code__text"));
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations += 1;
            let id = operation["operationId"].as_str().unwrap();
            let article = html
                .select(&Selector::parse(&format!("article[aria-labelledby='{id}']")).unwrap())
                .next()
                .unwrap_or_else(|| panic!("{id} is not on the page"));
            let text: String = article.text().collect();
            assert!(titles.contains(operation["summary"].as_str().unwrap()), "{id}");
            assert!(
                text.contains(path) && text.contains(&method.to_uppercase()),
                "{id}"
            );
            for status in operation["responses"].as_object().unwrap().keys() {
                assert!(text.contains(status), "{id}: {status}");
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(
                    text.contains(parameter["name"].as_str().unwrap()),
                    "{id}: {parameter}"
                );
            }
            let linked = Selector::parse(&format!("nav a[href='#{id}']")).unwrap();
            assert_eq!(html.select(&linked).count(), 1, "{id}");
        }
    }
    assert!(operations >= 20);
    let issuer = world.app.config.issuer();
    assert!(
        commands
            .iter()
            .all(|command| command.starts_with(&format!("curl \"{issuer}/v1/")))
    );
}

/// The body that a command of the page sends.
fn body_of(page: &str, id: &str) -> Value {
    let html = Html::parse_document(page);
    let command = Selector::parse(&format!("#{id}-curl")).unwrap();
    let command: String = html.select(&command).next().unwrap().text().collect();
    let (_, body) = command.split_once("--data '").unwrap();
    serde_json::from_str(body.trim_end_matches('\'')).unwrap()
}

#[tokio::test]
async fn its_commands_work() {
    let world = World::start().await;
    let (_, manager) = world.make(|_| {}).await;
    let page = world.app.browser().get("/docs").await.html;
    let mut made = body_of(&page, "post-keys");
    made["expires_at"] = Value::Null;
    world
        .call(Method::POST, "/v1/keys", Some(&manager), Some(made))
        .await
        .is(201);
    let question = body_of(&page, "post-keys-verify");
    let answer = world
        .call(
            Method::POST,
            "/v1/keys/verify",
            Some(&world.service),
            Some(question),
        )
        .await
        .is(200);
    assert_eq!(answer["code"], "NOT_FOUND", "its key is an example");
}
