//! Requests that another site posts come without our cookies.

use reqwest::StatusCode;

use crate::oauth::flow::{World, landed, parameter};

/// What a browser sends when a page of another site posts a form: no cookies.
async fn posted_from_elsewhere(
    world: &World,
    path: &str,
    form: &[(String, String)],
    (name, value): (&str, &str),
) -> reqwest::Response {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let request = client.post(world.app.url(path)).form(form).header(name, value);
    request.send().await.unwrap()
}

#[tokio::test]
async fn what_another_site_posts_takes_no_cookie_away() {
    let world = World::start().await;
    for (path, from) in [
        ("/sign-in", ("sec-fetch-site", "cross-site")),
        ("/sign-up", ("origin", "https://mallory.example")),
        ("/sign-out", ("origin", "null")),
        ("/confirm", ("sec-fetch-site", "cross-site")),
        ("/oauth/consent", ("sec-fetch-site", "cross-site")),
        ("/oauth/authorize", ("sec-fetch-site", "cross-site")),
        ("/no/such/page", ("sec-fetch-site", "cross-site")),
    ] {
        let answer = posted_from_elsewhere(&world, path, &[], from).await;
        assert!(answer.headers().get("set-cookie").is_none(), "{path}");
    }
    // From a page of ours whose cookie has gone it is set, so that the form can be sent once more.
    let own = world.app.url("");
    for from in [
        ("sec-fetch-site", "same-origin"),
        ("origin", own.as_str()),
        ("accept", "*/*"),
    ] {
        let answer = posted_from_elsewhere(&world, "/sign-in", &[], from).await;
        assert!(answer.headers().get("set-cookie").is_some(), "{from:?}");
    }
}

#[tokio::test]
async fn a_request_posted_from_another_site_is_claimed_by_the_browser_that_comes_back() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let other_tab = browser.get(&world.ask(&client).path()).await;
    let from = ("sec-fetch-site", "cross-site");
    let form = world.ask(&client).with("prompt", "consent").parameters;
    let posted = posted_from_elsewhere(&world, "/oauth/authorize", &form, from).await;
    assert_eq!(posted.status(), StatusCode::SEE_OTHER);
    let back = posted.headers()["location"].to_str().unwrap();
    let page = browser.get(back).await;
    assert!(!page.url.as_str().contains("claim="), "{}", page.url);
    // Once: whoever finds the address afterwards has nothing of it.
    let stranger = world.browser().await;
    assert_eq!(stranger.get(back).await.status, StatusCode::BAD_REQUEST);
    // And what was open in the browser before goes on.
    for page in [page, other_tab] {
        let page = browser.submit(&page, &[("decision", "approve")]).await;
        assert!(parameter(&landed(&page), "code").is_some());
    }
}
