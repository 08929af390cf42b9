//! Who reads what of the trail: people their own, developers their accounts' business, and nobody where others came from.

use super::*;

#[tokio::test]
async fn what_people_do_with_an_app_is_theirs_to_read_and_not_its_developers() {
    let app = TestApp::start().await;
    let (ada, developer) = person(&app, "ada@example.com", false).await;
    let path = new_app(&developer, "Fieldnotes").await;
    let client = register(&developer, &path, CONFIDENTIAL).await;
    let (member, viewer) = person(&app, "vic@example.com", false).await;
    join(&app, ada, member, "viewer").await;
    let (_, bob) = person(&app, "bob@example.com", false).await;
    let tokens = tokens_of(&app, &bob, &client).await;
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
    ];
    let secret = client.secret.as_deref().unwrap();
    let (status, _) = token_with(&app, &client.id, secret, &refresh).await;
    assert_eq!(status, StatusCode::OK);
    app.advance(Duration::from_mins(2));
    let (status, _) = token_with(&app, &client.id, secret, &refresh).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "a replay");
    let page = bob.get(&format!("/account/apps/{}", client.id)).await;
    bob.send(&form_to(&page, "/disconnect")).await;

    let own = bob.get("/account/activity").await.text();
    for happened in [
        "Access approved Fieldnotes web",
        "App signed you in Fieldnotes web",
        "Used code or refresh token was presented again Refused Fieldnotes web",
        "App disconnected Fieldnotes web",
    ] {
        assert!(own.contains(happened), "{happened}: {own}");
    }
    assert!(own.contains("127.0.0.1"), "{own}");
    for filter in ["", "?action=grant", "?action=consent"] {
        for browser in [&developer, &viewer] {
            let page = browser.get(&format!("/account/activity{filter}")).await.text();
            for theirs in [
                "Access approved",
                "signed you in",
                "presented again",
                "disconnected",
            ] {
                assert!(
                    !page.contains(&format!("{theirs} Fieldnotes")),
                    "{theirs}: {page}"
                );
            }
        }
    }
    // The account's business is its members', without where its hands are.
    let page = viewer.get("/account/activity?action=client").await;
    assert!(
        page.text().contains("OAuth client created Fieldnotes web"),
        "{}",
        page.text()
    );
    assert!(!page.text().contains("127.0.0.1"), "{}", page.text());
    let page = developer.get("/account/activity?action=client").await;
    assert!(page.text().contains("127.0.0.1"), "{}", page.text());
}

#[tokio::test]
async fn a_place_whose_key_is_gone_is_said_not_to_be_known() {
    let app = TestApp::start().await;
    let (_, ada) = person(&app, "ada@example.com", false).await;
    let path = new_app(&ada, "Fieldnotes").await;
    let client = register(&ada, &path, CONFIDENTIAL).await;
    tokens_of(&app, &ada, &client).await;
    for (table, page) in [
        ("sessions", "/account/sessions".to_owned()),
        ("grants", format!("/account/apps/{}", client.id)),
    ] {
        let known = ada.get(&page).await;
        assert!(known.text().contains("127.0.0.1"), "{}", known.text());
        let lost = format!("UPDATE {table} SET context_sealed = 'sealed under a key that is gone'");
        assert_eq!(execute(&app, &lost).await, 1);
        let page = ada.get(&page).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(
            page.text().contains("A browser that is not known") && page.text().contains("Not known"),
            "{}",
            page.text()
        );
    }
}
