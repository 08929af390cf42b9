//! What operators do with clients of others: look, vouch, shut out. Nothing else.

use super::*;

struct House {
    app: TestApp,
    ada: Browser,
    root: Browser,
    client: NewClient,
}

async fn house() -> House {
    let app = TestApp::start().await;
    let (_, ada) = person(&app, "ada@example.com", false).await;
    let (_, root) = person(&app, "root@example.com", true).await;
    let path = new_app(&ada, "Fieldnotes").await;
    let client = register(&ada, &path, CONFIDENTIAL).await;
    House {
        app,
        ada,
        root,
        client,
    }
}

#[tokio::test]
async fn an_owner_does_not_undo_what_an_operator_shut_out() {
    let House {
        app,
        ada,
        root,
        client,
    } = house().await;
    let secret = client.secret.as_deref().unwrap();
    let page = root.get(&client.path).await;
    root.send(&form_to(&page, "/shut-out")).await;
    assert_eq!(token(&app, &client.id, secret).await.0, StatusCode::UNAUTHORIZED);
    let page = ada.get(&client.path).await;
    assert!(
        page.text().contains("Shut out by the operator"),
        "{}",
        page.text()
    );
    assert!(!page.html.contains("/enable\""), "there is nothing to press");
    post(&ada, "/apps", &format!("{}/enable", client.path), &[]).await;
    assert_eq!(token(&app, &client.id, secret).await.0, StatusCode::UNAUTHORIZED);
    // Nor does the operator undo what the owner did.
    ada.send(&form_to(&page, "/disable")).await;
    let page = root.get(&client.path).await;
    root.send(&form_to(&page, "/let-in")).await;
    assert_eq!(token(&app, &client.id, secret).await.0, StatusCode::UNAUTHORIZED);
    let page = ada.get(&client.path).await;
    ada.send(&form_to(&page, "/enable")).await;
    assert_eq!(token(&app, &client.id, secret).await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_operator_verifies_the_publisher_that_they_saw_and_no_other() {
    let House {
        app: _app,
        ada,
        root,
        client,
    } = house().await;
    let seen = root.get(&client.path).await;
    assert!(seen.text().contains("Marsh & Daughters Ltd"), "{}", seen.text());
    let page = ada.get(&client.path).await;
    ada.submit(&page, &[("publisher", "Google LLC")]).await;
    let page = root.submit(&seen, &[("publisher_verified", "true")]).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(
        !page.text().contains("Publisher verified Publisher"),
        "{}",
        page.text()
    );
    let page = root.get(&client.path).await;
    assert_eq!(form_to(&page, "/operator").value("publisher_verified"), None);
    let page = root.submit(&page, &[("publisher_verified", "true")]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(
        form_to(&page, "/operator").value("publisher_verified"),
        Some("true")
    );
    let page = ada.get(&client.path).await;
    ada.submit(&page, &[("publisher", "")]).await;
    let page = root.get(&client.path).await;
    let page = root.submit(&page, &[("publisher_verified", "true")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "there is nobody to verify");
}

#[tokio::test]
async fn an_operator_changes_nothing_that_is_the_accounts() {
    let House {
        app: _app,
        ada: _ada,
        root,
        client,
    } = house().await;
    for act in [
        "",
        "/logo",
        "/logo/remove",
        "/secrets",
        "/secrets/revoke",
        "/disable",
        "/enable",
        "/delete",
    ] {
        let page = post(
            &root,
            "/apps",
            &format!("{}{act}", client.path),
            &[("name", "Mine")],
        )
        .await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{act}");
    }
}

#[tokio::test]
async fn where_people_are_not_asked_only_an_operator_adds_where_to_and_what() {
    let House {
        app: _app,
        ada,
        root,
        client,
    } = house().await;
    let page = root.get(&client.path).await;
    root.submit(&page, &[("first_party", "true")]).await;
    let page = ada.get(&client.path).await;
    let both = format!("{CALLBACK}\r\nhttps://mallory.example/cb");
    let refused = ada.submit(&page, &[("redirect_uris", &both)]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(
        words(&refused, "#f-redirect_uris-error")
            .unwrap()
            .contains("only an operator")
    );
    assert!(refused.text().contains("Nothing was saved"));
    let page = ada.submit(&page, &[("name", "Fieldnotes online")]).await;
    assert_eq!(
        (page.status, page.heading().as_str()),
        (StatusCode::OK, "Fieldnotes online")
    );
}

#[tokio::test]
async fn an_operator_finds_the_clients_of_others_and_nobody_else_does() {
    let House {
        app,
        ada,
        root,
        client,
    } = house().await;
    let (_, mallory) = person(&app, "mallory@example.com", false).await;
    let path = new_app(&mallory, "100% free").await;
    let fields: Vec<_> = PUBLIC
        .iter()
        .copied()
        .filter(|(name, _)| *name != "name")
        .collect();
    let fields = [&[("name", "Your_Bank")], fields.as_slice()].concat();
    let bank = register(&mallory, &path, &fields).await;
    assert!(
        root.get("/apps")
            .await
            .html
            .contains("href=\"/operator/clients\"")
    );
    let page = root.get("/operator/clients").await;
    assert_eq!(page.status, StatusCode::OK);
    for said in [
        "Fieldnotes web",
        "Marsh & Daughters Ltd Not verified",
        "Your_Bank",
        &client.id,
        &bank.id,
    ] {
        assert!(page.text().contains(said), "{said}: {}", page.text());
    }
    for (search, shows_ada, shows_bank) in [
        ("fieldNOTES w", true, false),
        ("daughters", true, false),
        (&client.id, true, false),
        (&bank.id, false, true),
        ("0%25 fr", false, true),
        ("r_b", false, true),
        ("s_w", false, false),
        ("%25", false, true),
        ("%5C", false, false),
        (" ", true, true),
    ] {
        let page = root.get(&format!("/operator/clients?q={search}")).await;
        assert_eq!(page.html.contains(&client.path), shows_ada, "{search}");
        assert_eq!(page.html.contains(&bank.path), shows_bank, "{search}");
    }
    let page = root.get("/operator/clients?page=7&q=bank").await;
    assert!(page.text().contains("No client found"), "{}", page.text());

    // From there to its page, and what is decided there shows in the list.
    let page = root.get(&bank.path).await;
    assert!(page.html.contains("href=\"/operator/clients\""));
    root.send(&form_to(&page, "/shut-out")).await;
    let page = root.get(&client.path).await;
    root.submit(&page, &[("publisher_verified", "true")]).await;
    let page = root.get("/operator/clients?q=Your_Bank").await;
    assert!(page.text().contains("Shut out"), "{}", page.text());
    let page = root.get("/operator/clients?q=Fieldnotes").await;
    assert!(
        page.text().contains("Marsh & Daughters Ltd Verified"),
        "{}",
        page.text()
    );

    assert_eq!(ada.get("/operator/clients").await.status, StatusCode::NOT_FOUND);
    assert!(!ada.get("/apps").await.html.contains("/operator/clients"));
    let stranger = app.browser();
    assert_eq!(stranger.get("/operator/clients").await.url.path(), "/sign-in");
}
