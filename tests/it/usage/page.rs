//! The page and the file.

use reqwest::StatusCode;

use crate::support::{
    browser::Browser,
    people::{EMAIL, PASSWORD},
};

use super::*;

async fn signed_in(world: &World, email: &str) -> Browser {
    let browser = world.app.browser();
    let page = browser.get("/sign-in").await;
    browser
        .submit(&page, &[("email", email), ("password", PASSWORD)])
        .await;
    browser
}

#[tokio::test]
async fn the_page_shows_requests_by_key_outcome_and_scope() {
    let world = World::start().await;
    let browser = signed_in(&world, EMAIL).await;
    let path = format!("/apps/{}", world.app_id());
    let page = browser
        .get(&browser.get(&path).await.link(&format!("{path}/usage")))
        .await;
    assert!(page.text().contains("No request in this time"), "{}", page.text());
    let (one, two) = (world.key(1, "Warehouse").await, world.key(2, "Nightly").await);
    good(&world.app.nodes[0], one, START, 1_200);
    good(&world.app.nodes[0], two, START - HOUR, 34);
    world.app.usage.record(two.used(START, Outcome::RateLimited));
    world.app.usage.record(two.used(START, Outcome::IpNotAllowed));
    world.app.usage.flush().await.unwrap();
    let page = browser.get(&format!("{path}/usage?span=24h")).await;
    let text = page.text();
    for said in [
        "Requests 1,236 2,468 off the limits",
        "Accepted 1,234 99.83%",
        "1 Jun 2026, 12:00 1,200 1 1",
        "Address not allowed 1",
        "Warehouse sk_live_3xKj 1,200 0",
        "Nightly sk_live_3xKj 36 2",
        "read:orders 1,236 2",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("style-src 'self'") && !page.html.contains("style="));
    let hour = browser.get(&format!("{path}/usage?span=1h")).await;
    assert!(hour.text().contains("Requests 1,202"), "{}", hour.text());
    let key = browser
        .get(&page.link(&format!("{path}/usage?span=24h&key={}", two.id)))
        .await;
    assert_eq!(key.heading(), "Nightly");
    assert!(key.text().contains("GET /v1/orders req_one"), "{}", key.text());
    assert!(!key.html.contains("never"), "what was in the query is nowhere");
    // Once it is rotated, the two are side by side.
    world
        .client
        .batch_execute(&format!(
            "UPDATE api_keys SET successor_id = '{}' WHERE id = '{}'",
            one.id.uuid(),
            two.id.uuid()
        ))
        .await
        .unwrap();
    let key = browser.get(key.url.as_str()).await;
    assert!(
        key.text().contains("Old key 36 Successor 1,200"),
        "{}",
        key.text()
    );
}

#[tokio::test]
async fn the_file_has_the_same_numbers_and_no_formulas() {
    let world = World::start().await;
    let browser = signed_in(&world, EMAIL).await;
    let key = world.key(1, "=cmd|' /C calc'!A0, \"x\"").await;
    good(&world.app.nodes[0], key, START, 3);
    world.app.usage.record(key.used(START, Outcome::Expired));
    world.app.usage.flush().await.unwrap();
    let path = format!("/apps/{}/usage.csv?span=1h", world.app_id());
    let file = browser.get(&path).await;
    assert_eq!(file.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(
        file.headers["content-disposition"],
        "attachment; filename=\"usage-1h.csv\""
    );
    let name = "\"'=cmd|' /C calc'!A0, \"\"x\"\"\"";
    let (app, id) = (key.app, key.id);
    assert_eq!(
        file.html,
        format!(
            "time,app_id,key_id,key,scope,outcome,requests,cost\r\n\
             2026-06-01T12:00:00Z,{app},{id},{name},read:orders,expired,1,0\r\n\
             2026-06-01T12:00:00Z,{app},{id},{name},read:orders,valid,3,6\r\n"
        )
    );
}

#[tokio::test]
async fn to_a_stranger_there_is_no_usage_and_no_key_of_another_app() {
    let world = World::start().await;
    let key = world.key(1, "Warehouse").await;
    world.app.person("mallory@example.com").await;
    let stranger = signed_in(&world, "mallory@example.com").await;
    for end in ["usage", "usage.csv"] {
        let page = stranger.get(&format!("/apps/{}/{end}", world.app_id())).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{end}");
    }
    let own = stranger.get("/apps").await.link("/apps/app_");
    for end in ["usage", "usage.csv"] {
        let page = stranger.get(&format!("{own}/{end}?key={}", key.id)).await;
        assert_eq!(
            page.status,
            StatusCode::NOT_FOUND,
            "{end}: a key smuggled under one's own app"
        );
        assert_eq!(stranger.get(&format!("{own}/{end}")).await.status, StatusCode::OK);
    }
    let nobody = world.app.browser();
    let page = nobody.get(&format!("/apps/{}/usage", world.app_id())).await;
    assert_eq!(page.url.path(), "/sign-in");
}
