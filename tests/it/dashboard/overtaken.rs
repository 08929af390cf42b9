//! Pages that were open while somebody else was faster, and forms that are sent twice.

use super::*;

#[tokio::test]
async fn settings_from_an_older_page_do_not_bring_back_what_was_removed() {
    let app = TestApp::start().await;
    let (_, browser) = person(&app, "ada@example.com", false).await;
    let path = new_app(&browser, "Fieldnotes").await;
    let client = register(&browser, &path, CONFIDENTIAL).await;
    let two = format!("{CALLBACK}\r\nhttps://old.example/cb");
    let page = browser.get(&client.path).await;
    browser.submit(&page, &[("redirect_uris", &two)]).await;
    let old = browser.get(&client.path).await;
    let page = browser.get(&client.path).await;
    browser.submit(&page, &[("redirect_uris", CALLBACK)]).await;
    let page = browser.submit(&old, &[("publisher", "Somebody")]).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(
        page.text().contains("Somebody changed this client"),
        "{}",
        page.text()
    );
    assert!(!browser.get(&client.path).await.html.contains("old.example"));
}

#[tokio::test]
async fn a_form_that_is_sent_twice_makes_one() {
    let app = TestApp::start().await;
    let (_, browser) = person(&app, "ada@example.com", false).await;
    let page = browser.get("/apps/new").await;
    let path = browser.submit(&page, &[("name", "Fieldnotes")]).await.url;
    let again = browser.submit(&page, &[("name", "Fieldnotes")]).await;
    assert_eq!(
        (again.url.clone(), again.heading()),
        (path.clone(), "Fieldnotes".to_owned())
    );
    let link = format!("href=\"{}\"", path.path());
    assert_eq!(browser.get("/apps").await.html.matches(&link).count(), 1);
    assert_eq!(
        execute(&app, "DELETE FROM apps WHERE name = 'Fieldnotes'").await,
        1
    );
    let path = browser.submit(&page, &[("name", "Fieldnotes")]).await.url;
    let path = path.path();
    let page = browser.get(&format!("{path}/clients/new")).await;
    let first = browser.submit(&page, CONFIDENTIAL).await;
    let id = words(&first, "#client-id").unwrap();
    let again = browser.submit(&page, CONFIDENTIAL).await;
    assert_eq!(again.url.path(), format!("{path}/clients/{id}"));
    assert!(again.text().contains("done already"), "{}", again.text());

    let page = browser.get(&format!("{path}/clients/{id}")).await;
    let form = form_to(&page, "/secrets");
    let shown = browser.send(&form).await;
    let secret = words(&shown, "#client-secret").unwrap();
    let mut ending = form.clone();
    ending.fields.retain(|(name, _)| name != "expire_in");
    ending.fields.push(("expire_in".to_owned(), "0".to_owned()));
    let again = browser.send(&ending).await;
    assert!(again.text().contains("done already"), "{}", again.text());
    assert_eq!(
        token(&app, &id, &secret).await.0,
        StatusCode::OK,
        "it ended nothing"
    );
    assert_eq!(
        browser
            .get(&format!("{path}/clients/{id}/secrets"))
            .await
            .url
            .path(),
        format!("{path}/clients/{id}")
    );
}
