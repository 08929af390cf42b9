//! What operators keep: the catalogue of scopes, and what is said of a client's publisher.

use super::*;

#[tokio::test]
async fn operators_add_change_and_remove_scopes() {
    let app = TestApp::start().await;
    let (root, browser) = person(&app, "root@example.com", true).await;
    let page = browser.get("/operator/scopes").await;
    assert!(page.text().contains("openid"), "{}", page.text());
    let page = browser.get("/operator/scopes/new").await;
    for (name, description, field, why) in [
        ("read orders", "Read your orders", "name", "without spaces"),
        ("", "Read your orders", "name", "1 to 128"),
        ("openid", "Know you", "name", "already"),
    ] {
        let page = browser
            .submit(
                &page,
                &[
                    ("name", name),
                    ("description", description),
                    ("sensitive", "true"),
                ],
            )
            .await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{name}");
        assert!(
            words(&page, &format!("#f-{field}-error")).unwrap().contains(why),
            "{name}"
        );
        let form = form_to(&page, "/operator/scopes/new");
        assert_eq!(form.value("description"), Some(description));
        assert_eq!(form.value("sensitive"), Some("true"));
    }
    let page = browser
        .submit(
            &page,
            &[
                ("name", "read:orders"),
                ("description", "Read your orders"),
                ("audience", "confidential"),
            ],
        )
        .await;
    assert_eq!(page.url.path(), "/operator/scopes");
    assert!(page.text().contains("Read your orders"));

    let page = browser.get("/operator/scopes/edit?name=read:orders").await;
    let page = browser
        .submit(
            &page,
            &[
                ("description", "See what you ordered"),
                ("audience", "any"),
                ("sensitive", "true"),
            ],
        )
        .await;
    assert!(page.text().contains("See what you ordered") && page.text().contains("Sensitive"));

    // A client asks for it, until it is gone.
    let path = new_app(&browser, "Fieldnotes").await;
    let fields: Vec<_> = PUBLIC.iter().copied().chain([("scope", "read:orders")]).collect();
    let client = register(&browser, &path, &fields).await;
    assert!(
        form_to(&browser.get(&client.path).await, &client.path)
            .fields
            .contains(&("scope".to_owned(), "read:orders".to_owned()))
    );
    let page = post(
        &browser,
        "/operator/scopes",
        "/operator/scopes/remove",
        &[("name", "read:orders")],
    )
    .await;
    assert!(!page.text().contains("See what you ordered"), "{}", page.text());
    assert!(!browser.get(&client.path).await.html.contains("read:orders"));
    let page = post(
        &browser,
        "/operator/scopes",
        "/operator/scopes/remove",
        &[("name", "read:orders")],
    )
    .await;
    assert!(page.text().contains("gone already"), "{}", page.text());
    let page = post(
        &browser,
        "/operator/scopes",
        "/operator/scopes/remove",
        &[("name", "openid")],
    )
    .await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    let page = browser.get("/operator/scopes/edit?name=read:orders").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    for action in ["scope.added", "scope.changed", "scope.removed"] {
        assert!(trail_has(&app, root, action).await, "{action}");
    }
}

#[tokio::test]
async fn the_catalogue_is_for_operators() {
    let app = TestApp::start().await;
    let (_, browser) = person(&app, "ada@example.com", false).await;
    for path in [
        "/operator/scopes",
        "/operator/scopes/new",
        "/operator/scopes/edit?name=openid",
    ] {
        assert_eq!(browser.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let fields = [
        ("name", "profile"),
        ("description", "Everything"),
        ("audience", "any"),
    ];
    for path in [
        "/operator/scopes/new",
        "/operator/scopes/edit",
        "/operator/scopes/remove",
    ] {
        let page = post(&browser, "/apps", path, &fields).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(!browser.get("/apps").await.html.contains("/operator/"));
}

#[tokio::test]
async fn operators_say_who_is_verified_and_of_the_house() {
    let app = TestApp::start().await;
    let (root, browser) = person(&app, "root@example.com", true).await;
    let path = new_app(&browser, "Fieldnotes").await;
    let client = register(&browser, &path, CONFIDENTIAL).await;
    let page = browser.get(&client.path).await;
    let page = browser
        .submit(&page, &[("first_party", "true"), ("publisher_verified", "true")])
        .await;
    assert!(
        page.text().contains("Publisher verified")
            && words(&page, ".page-head").unwrap().contains("First-party"),
        "{}",
        page.text()
    );
    assert!(trail_has(&app, root, "client.changed").await);
    // Another publisher is not verified with it.
    let page = browser.submit(&page, &[("publisher", "Somebody else")]).await;
    assert!(!words(&page, ".page-head").unwrap().contains("Publisher verified"));

    let (_, ada) = person(&app, "ada@example.com", false).await;
    let path = new_app(&ada, "Mine").await;
    let client = register(&ada, &path, CONFIDENTIAL).await;
    assert!(!ada.get(&client.path).await.html.contains("publisher_verified"));
    let page = post(
        &ada,
        &client.path,
        &format!("{}/operator", client.path),
        &[("first_party", "true")],
    )
    .await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_people_read_of_a_scope_is_one_line_of_what_can_be_seen() {
    let app = TestApp::start().await;
    let (_, browser) = person(&app, "root@example.com", true).await;
    let long = "x".repeat(201);
    for (description, why) in [
        (" ", "Say what an app can do with it."),
        (long.as_str(), "200 characters at most"),
        ("Read\u{202E}sredro ruoy", "cannot be seen"),
        ("Read\nyour orders", "cannot be seen"),
    ] {
        let fields = [
            ("name", "read:orders"),
            ("description", description),
            ("audience", "any"),
        ];
        let new = "/operator/scopes/new";
        let page = post(&browser, new, new, &fields).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{description:?}");
        let said = words(&page, "#f-description-error").unwrap();
        assert!(said.contains(why), "{description:?}: {said}");
    }
}
