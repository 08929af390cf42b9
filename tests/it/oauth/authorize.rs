//! The authorization endpoint: what it takes, where it sends whom, and what it never does.

mod cross_site;
mod prompt;
mod request;
mod waiting;

use reqwest::StatusCode;

use super::flow::{CALLBACK, World, landed, parameter};
use crate::support::browser::Page;

/// The error that a browser was sent to the client with, once all of the answer is as it must be.
fn error_of(world: &World, page: &Page) -> String {
    let url = landed(page);
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert!(url.as_str().starts_with(CALLBACK), "{url}");
    assert_eq!(
        parameter(&url, "iss").as_deref(),
        Some(world.app.config.issuer().as_str())
    );
    assert_eq!(parameter(&url, "code"), None);
    let description = parameter(&url, "error_description").expect("a description");
    assert!(
        description
            .chars()
            .all(|c| matches!(c, ' '..='~') && c != '"' && c != '\\'),
        "{description}"
    );
    parameter(&url, "error").expect("an error")
}

fn is_refusal_page(page: &Page) -> bool {
    page.status == StatusCode::BAD_REQUEST && page.is_html() && page.leads_to().is_none()
}

fn is_sign_in(page: &Page) -> bool {
    page.status == StatusCode::OK && page.url.path() == "/sign-in"
}

#[tokio::test]
async fn scopes_are_told_apart_by_case_and_not_by_order() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    world.login(&browser, &client).await;
    // The same ones in another order, and one of them twice, need no question.
    let ask = world
        .ask(&client)
        .with("scope", "offline_access email email openid profile");
    assert!(parameter(&landed(&browser.get(&ask.path()).await), "code").is_some());
    for other in ["openid Email", "openid \u{e9}mail", "openid \"email\""] {
        let page = browser.get(&world.ask(&client).with("scope", other).path()).await;
        assert_eq!(error_of(&world, &page), "invalid_scope", "{other}");
    }
}
