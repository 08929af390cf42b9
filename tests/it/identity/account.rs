//! What people change about themselves.

use super::*;

async fn fill_in(browser: &Browser, action: &str, fields: &[(&str, &str)]) -> Page {
    let page = browser.get("/account").await;
    let mut form = page
        .forms()
        .into_iter()
        .find(|form| form.action.path() == action)
        .unwrap();
    for (name, value) in &mut form.fields {
        if let Some((_, typed)) = fields.iter().find(|(own, _)| own == name) {
            (*typed).clone_into(value);
        }
    }
    browser.send(&form).await
}

#[tokio::test]
async fn a_name_is_changed_or_refused() {
    let app = TestApp::start().await;
    let ada = person(&app, "ada@example.com").await;
    let browser = signed_in(&app, "ada@example.com").await;
    let page = fill_in(&browser, "/account/name", &[("name", " Ada of the Marsh ")]).await;
    assert!(
        page.text().contains("Your name has been changed."),
        "{}",
        page.text()
    );
    assert_eq!(load(&app, ada).await.name, "Ada of the Marsh");
    let page = fill_in(&browser, "/account/name", &[("name", "  ")]).await;
    assert!(page.text().contains("Fill this in."), "{}", page.text());
    assert!(actions(&app, ada).await.contains("user.renamed"));
}

#[tokio::test]
async fn a_new_password_ends_all_sessions_but_this_one() {
    let app = TestApp::start().await;
    let ada = person(&app, "ada@example.com").await;
    let here = signed_in(&app, "ada@example.com").await;
    let elsewhere = signed_in(&app, "ada@example.com").await;
    let change = async |present, new| {
        fill_in(
            &here,
            "/account/password",
            &[("password", present), ("new_password", new)],
        )
        .await
    };
    let page = change(OTHER_PASSWORD, OTHER_PASSWORD).await;
    assert!(
        page.text().contains("That is not your password."),
        "{}",
        page.text()
    );
    let page = change(PASSWORD, "marsh1234").await;
    assert!(page.text().contains("guessed quickly"), "{}", page.text());
    assert!(is_signed_in(&elsewhere).await);
    let page = change(PASSWORD, OTHER_PASSWORD).await;
    assert!(
        page.text().contains("Your password has been changed"),
        "{}",
        page.text()
    );
    assert!(is_signed_in(&here).await && !is_signed_in(&elsewhere).await);
    assert!(
        guess(&app.identity, "ada@example.com", PASSWORD, "192.0.2.1")
            .await
            .is_err()
    );
    assert!(
        guess(&app.identity, "ada@example.com", OTHER_PASSWORD, "192.0.2.1")
            .await
            .is_ok()
    );
    assert!(actions(&app, ada).await.contains("password.changed"));
}

#[tokio::test]
async fn guesses_at_the_present_password_are_slowed_like_those_at_sign_in() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    let browser = signed_in(&app, "ada@example.com").await;
    let fields = [
        ("password", OTHER_PASSWORD),
        ("new_password", "another fine long password"),
    ];
    for _ in 0..6 {
        let page = fill_in(&browser, "/account/password", &fields).await;
        assert_eq!(page.status.as_u16(), 400);
    }
    let page = fill_in(&browser, "/account/password", &fields).await;
    assert_eq!(page.status.as_u16(), 429);
    assert_eq!(page.headers["retry-after"], "2");
}

#[tokio::test]
async fn a_page_says_what_was_done_once_and_nothing_that_a_link_tells_it_to() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    let browser = signed_in(&app, "ada@example.com").await;
    let says = |page: &Page| page.html.contains("class=\"notice notice--");
    for link in [
        "NameChanged",
        "name-changed",
        "PasswordChanged",
        "password-changed",
    ] {
        let page = browser.get(&format!("/account?notice={link}&news={link}")).await;
        assert!(!says(&page), "{}", page.text());
    }
    let page = browser.get("/account").await;
    let name = page
        .forms()
        .into_iter()
        .find(|form| form.action.path() == "/account/name")
        .unwrap();
    let page = browser.send(&name).await;
    assert_eq!(page.url.query(), None);
    assert!(
        page.text().contains("Your name has been changed."),
        "{}",
        page.text()
    );
    assert!(!says(&browser.get("/account").await));

    // It waits for a page, through the redirects before it.
    let out = page
        .forms()
        .into_iter()
        .find(|form| form.action.path() == "/sign-out")
        .unwrap();
    let page = browser.send(&out).await;
    assert!(page.text().contains("You are signed out."), "{}", page.text());
    assert!(!says(&browser.get("/sign-in").await));
}
