//! Clocks that step, and nodes whose clocks differ.

use std::time::Duration;

use reqwest::StatusCode;

use super::{
    consent::disconnect,
    flow::{PASSWORD, World, answer, landed, parameter, text},
};
use crate::support::wait::until;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Steps the clock of all nodes back.
fn step_back(world: &World, by: Duration) {
    let now = world.app.authority.clock.now();
    world.app.clock.set(now - by);
}

#[tokio::test]
async fn a_used_refresh_token_is_a_replay_though_the_clock_stepped_back() {
    let world = World::start().await;
    let browser = world.browser().await;
    world.app.advance(2 * HOUR);
    for by in [Duration::from_micros(1), Duration::from_millis(20), HOUR] {
        let client = world.public().await;
        let first = text(&world.tokens(&browser, &client).await, "refresh_token");
        let second = text(&world.refresh(&client, &first).await.good(), "refresh_token");
        step_back(&world, by);
        for token in [&first, &second] {
            assert_eq!(
                world.refresh(&client, token).await.error(),
                (400, "invalid_grant".to_owned()),
                "{by:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_honest_retry_is_answered_though_the_clocks_of_nodes_differ() {
    let world = World::start().await;
    let browser = world.browser().await;
    world.app.advance(HOUR);
    let client = world.confidential().await;
    let first = text(&world.tokens(&browser, &client).await, "refresh_token");
    let second = world.refresh(&client, &first).await.good();
    step_back(&world, Duration::from_millis(20));
    let again = world.refresh(&client, &first).await.good();
    assert_eq!(text(&again, "refresh_token"), text(&second, "refresh_token"));
}

#[tokio::test]
async fn a_code_is_good_though_the_clock_stepped_back_behind_the_consent() {
    let world = World::start().await;
    let browser = world.browser().await;
    world.app.advance(2 * HOUR);
    let client = world.confidential().await;
    world.tokens(&browser, &client).await;
    step_back(&world, HOUR);
    // The consent is remembered, and of a time to come.
    world.tokens(&browser, &client).await;
}

#[tokio::test]
async fn a_code_of_a_consent_that_was_withdrawn_is_dead_though_another_was_given_since() {
    let world = World::start().await;
    let browser = world.browser().await;
    let client = world.confidential().await;
    world.app.advance(HOUR);
    let login = world.login(&browser, &client).await;
    disconnect(&browser, &client).await;
    // By a clock that stepped back, the next consent is older than the code.
    step_back(&world, Duration::from_secs(1));
    world.tokens(&browser, &client).await;
    assert_eq!(
        world.redeem(&client, &login).await.error(),
        (400, "invalid_grant".to_owned())
    );
}

#[tokio::test]
async fn who_has_to_wait_need_not_wait_for_the_clock_to_come_round_again() {
    let world = World::start().await;
    let client = world.confidential().await;
    world.app.advance(48 * HOUR);
    let wrong = [("token", "x"), ("client_secret", "wrong")];
    let id = client.id.to_string();
    let attempt = async || {
        let fields = [wrong.as_slice(), &[("client_id", &id)]].concat();
        world.post("/oauth/introspect", &fields).await
    };
    until("the throttle", async || {
        attempt().await.status == StatusCode::TOO_MANY_REQUESTS
    })
    .await;
    let sign_in = async || {
        let browser = world.app.browser();
        let page = browser.get("/sign-in").await;
        let fields = [("email", "ada@example.com"), ("password", "a wrong one")];
        browser.submit(&page, &fields).await
    };
    until("the delay", async || {
        sign_in().await.status == StatusCode::TOO_MANY_REQUESTS
    })
    .await;

    step_back(&world, 24 * HOUR);
    assert_eq!(attempt().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(sign_in().await.status, StatusCode::BAD_REQUEST);
    // And delays go on from here.
    let again = sign_in().await;
    assert_eq!(again.status, StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = again.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(wait <= 15 * 60, "{wait}");
}

#[tokio::test]
async fn the_metadata_follow_the_catalogue_though_the_clock_stepped_back() {
    let world = World::start().await;
    world.app.advance(HOUR);
    world.json("/.well-known/openid-configuration").await;
    let sql = "INSERT INTO scopes VALUES ('weather:read', 'See the weather', false, true, 'any', now())";
    world.database().await.execute(sql, &[]).await.unwrap();
    step_back(&world, HOUR);
    let document = world.json("/.well-known/openid-configuration").await;
    let scopes = document["scopes_supported"].as_array().unwrap();
    assert!(scopes.iter().any(|scope| scope == "weather:read"), "{document}");
}

#[tokio::test]
async fn a_clock_from_before_the_first_keys_leaves_a_server_that_works() {
    let world = World::start().await;
    step_back(&world, HOUR);
    let browser = world.browser().await;
    let client = world.confidential().await;
    let tokens = world.tokens(&browser, &client).await;
    assert!(world.is_active(&client, &text(&tokens, "access_token")).await);
    world
        .refresh(&client, &text(&tokens, "refresh_token"))
        .await
        .good();
    // And one that starts then has the same keys.
    let kids = world.json("/.well-known/jwks.json").await;
    let mut world = world;
    let config = world.app.config();
    let urls = world.app.urls();
    world.app.add_node(config, urls).await;
    let other = world.app.nodes[1].url("/.well-known/jwks.json");
    assert_eq!(answer(world.http.get(other)).await.json(), kids);
}

#[tokio::test]
async fn a_sign_in_follows_its_request_though_the_clock_stepped_back_between() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    world.login(&browser, &client).await;
    world.app.advance(2 * HOUR);
    let ask = world.ask(&client).with("prompt", "login").path();
    let id = browser.get(&ask).await.forms()[0]
        .value("request")
        .unwrap()
        .to_owned();
    step_back(&world, HOUR);
    let page = browser
        .get(&format!("/oauth/authorize/continue?request={id}"))
        .await;
    assert!(page.text().contains("password once more"), "{}", page.text());
    world.app.advance(Duration::from_secs(1));
    let page = browser.submit(&page, &[("password", PASSWORD)]).await;
    assert!(parameter(&landed(&page), "code").is_some());
}
