//! Secrets: shown once, several at a time, ended by hand or by time.

use super::*;

/// The form that revokes the secret which begins so.
fn revocation(page: &Page, secret: &str) -> Vec<(String, String)> {
    let document = Html::parse_document(&page.html);
    let dialogs = Selector::parse("div.dialog").unwrap();
    let id = Selector::parse("input[name=id]").unwrap();
    let dialog = document
        .select(&dialogs)
        .find(|dialog| dialog.text().any(|text| text.contains(&secret[..8])))
        .unwrap_or_else(|| panic!("no way to revoke {} on:\n{}", &secret[..8], page.html));
    let id = dialog.select(&id).next().unwrap().attr("value").unwrap();
    vec![("id".to_owned(), id.to_owned())]
}

async fn revoke(browser: &Browser, client: &NewClient, secret: &str) -> Page {
    let page = browser.get(&client.path).await;
    let fields = revocation(&page, secret);
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    post(
        browser,
        &client.path,
        &format!("{}/secrets/revoke", client.path),
        &fields,
    )
    .await
}

async fn add(browser: &Browser, client: &NewClient, expire_in: &str) -> String {
    let page = browser.get(&client.path).await;
    let page = browser.submit(&page, &[("expire_in", expire_in)]).await;
    assert_eq!(page.headers["cache-control"], "no-store");
    words(&page, "#client-secret").unwrap_or_else(|| panic!("no secret: {}", page.text()))
}

#[tokio::test]
async fn a_secret_is_shown_once_overlaps_with_the_next_and_is_dead_when_it_is_revoked() {
    let app = TestApp::start().await;
    let (ada, browser) = person(&app, "ada@example.com", false).await;
    let path = new_app(&browser, "Fieldnotes").await;
    let page = browser.get(&format!("{path}/clients/new")).await;
    let page = browser.submit(&page, CONFIDENTIAL).await;
    assert_eq!(page.headers["cache-control"], "no-store");
    assert!(
        page.text()
            .contains("This is the only time that the secret is shown.")
    );
    let id = words(&page, "#client-id").unwrap();
    let first = words(&page, "#client-secret").unwrap();
    let client = NewClient {
        path: format!("{path}/clients/{id}"),
        secret: Some(first.clone()),
        id,
    };
    for place in [client.path.as_str(), path.as_str(), "/apps"] {
        let page = browser.get(place).await;
        assert!(!page.html.contains(&first[..12]), "{place}");
    }
    assert!(browser.get(&client.path).await.text().contains(&first[..8]));
    let (status, answer) = token(&app, &client.id, &first).await;
    assert_eq!(status, StatusCode::OK, "{answer}");

    let page = revoke(&browser, &client, &first).await;
    assert!(
        page.text().contains("That is the client’s only secret."),
        "{}",
        page.text()
    );
    assert_eq!(token(&app, &client.id, &first).await.0, StatusCode::OK);

    let second = add(&browser, &client, "never").await;
    assert_eq!(token(&app, &client.id, &first).await.0, StatusCode::OK);
    assert_eq!(token(&app, &client.id, &second).await.0, StatusCode::OK);
    let page = revoke(&browser, &client, &first).await;
    assert!(page.text().contains("The secret is revoked"), "{}", page.text());
    let (status, answer) = token(&app, &client.id, &first).await;
    assert_eq!(
        (status, &answer["error"]),
        (StatusCode::UNAUTHORIZED, &"invalid_client".into())
    );
    assert_eq!(token(&app, &client.id, &second).await.0, StatusCode::OK);
    for action in ["client.created", "client.secret_added", "client.secret_revoked"] {
        assert!(trail_has(&app, ada, action).await, "{action}");
    }
}

#[tokio::test]
async fn older_secrets_end_when_their_overlap_does() {
    let app = TestApp::start().await;
    let (_, browser) = person(&app, "ada@example.com", false).await;
    let path = new_app(&browser, "Fieldnotes").await;
    let client = register(&browser, &path, CONFIDENTIAL).await;
    let first = client.secret.clone().unwrap();
    let second = add(&browser, &client, "86400").await;
    assert!(
        browser
            .get(&client.path)
            .await
            .text()
            .contains("2 Jun 2026, 12:00")
    );
    app.advance(Duration::from_secs(86_399));
    assert_eq!(token(&app, &client.id, &first).await.0, StatusCode::OK);
    app.advance(Duration::from_secs(1));
    assert_eq!(token(&app, &client.id, &first).await.0, StatusCode::UNAUTHORIZED);
    let page = browser.get(&client.path).await;
    assert!(!page.text().contains(&first[..8]) && page.text().contains(&second[..8]));
    // The one that has ended does not count: this is the last.
    let page = revoke(&browser, &client, &second).await;
    assert!(page.text().contains("only secret"), "{}", page.text());

    let third = add(&browser, &client, "0").await;
    assert_eq!(token(&app, &client.id, &second).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(token(&app, &client.id, &third).await.0, StatusCode::OK);
    for _ in 0..4 {
        add(&browser, &client, "never").await;
    }
    let page = browser.get(&client.path).await;
    let page = browser.submit(&page, &[("expire_in", "never")]).await;
    assert!(page.text().contains("at most 5 secrets"), "{}", page.text());
    let path = format!("{}/secrets", client.path);
    let page = post(&browser, &client.path, &path, &[("expire_in", "17")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_public_client_has_no_secret() {
    let app = TestApp::start().await;
    let (_, browser) = person(&app, "ada@example.com", false).await;
    let path = new_app(&browser, "Fieldnotes").await;
    let client = register(&browser, &path, PUBLIC).await;
    assert!(client.secret.is_none());
    let page = browser.get(&client.path).await;
    assert!(!page.html.contains("expire_in") && page.text().contains("Public"));
    let page = post(&browser, &client.path, &format!("{}/secrets", client.path), &[]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(
        page.text().contains("A public client has no secret."),
        "{}",
        page.text()
    );
}
