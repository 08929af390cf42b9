//! Connected apps.

use reqwest::StatusCode;

use super::is_consent;
use crate::oauth::flow::{World, create_user, text};

#[tokio::test]
async fn connected_apps_are_shown_and_taken_back() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let (one, two) = (
        world.tokens(&browser, &client).await,
        world.tokens(&browser, &client).await,
    );
    let list = browser.get("/account/apps").await;
    assert!(list.text().contains("Weather Watch") && list.text().contains("app.example"));
    let path = format!("/account/apps/{}", client.id);
    let page = browser.get(&path).await;
    assert!(page.text().contains("See your e-mail address"));
    let ends: Vec<_> = page
        .forms()
        .into_iter()
        .filter(|form| form.action.path().ends_with("/end"))
        .collect();
    assert_eq!(ends.len(), 2);
    let id = crate::oauth::flow::jwt_part(&text(&one, "access_token"), 1)["grant_id"].clone();
    let end = ends
        .into_iter()
        .find(|form| form.value("id") == id.as_str())
        .unwrap();

    // Not for anybody else.
    create_user(&world.app, "Grace", "grace@example.com", false).await;
    let grace = world.browser_of("grace@example.com").await;
    let mut theirs = end.clone();
    let token = grace.get("/account/apps").await;
    let token = token
        .forms()
        .iter()
        .find_map(|form| form.value("csrf_token").map(str::to_owned))
        .unwrap();
    for (name, value) in &mut theirs.fields {
        if name == "csrf_token" {
            value.clone_from(&token);
        }
    }
    grace.send(&theirs).await;
    assert!(world.is_active(&client, &text(&one, "access_token")).await);
    assert_eq!(grace.get(&path).await.status, StatusCode::NOT_FOUND);

    browser.send(&end).await;
    for name in ["access_token", "refresh_token"] {
        assert!(!world.is_active(&client, &text(&one, name)).await, "{name}");
        assert!(world.is_active(&client, &text(&two, name)).await, "{name}");
    }
    let page = browser.get(&path).await;
    let disconnect = page
        .forms()
        .into_iter()
        .find(|form| form.action.path().ends_with("/disconnect"))
        .unwrap();
    browser.send(&disconnect).await;
    for name in ["access_token", "refresh_token"] {
        assert!(!world.is_active(&client, &text(&two, name)).await, "{name}");
    }
    assert!(
        !browser
            .get("/account/apps")
            .await
            .text()
            .contains("Weather Watch")
    );
    assert!(is_consent(&browser.get(&world.ask(&client).path()).await));
}
