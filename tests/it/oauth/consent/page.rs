//! The page, and what is decided on it.

use reqwest::StatusCode;

use super::{Edit, approve, change, consent_form, disconnect, has_code, is_consent};
use crate::oauth::flow::{World, create_user, landed, parameter};

#[tokio::test]
async fn the_page_says_who_wants_what_and_where_it_leads() {
    let world = World::start().await;
    let client = world
        .register(|registration| registration.publisher = Some("Example Ltd".to_owned()))
        .await;
    let browser = world.browser().await;
    let page = browser.get(&world.ask(&client).path()).await;
    let words = page.text();
    for expected in [
        "Weather Watch",
        "Example Ltd",
        "Not verified",
        "app.example",
        "See your e-mail address",
        "Stay connected while you are away",
        "ada@example.com",
        "Use another account",
    ] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    assert!(!words.contains("on this very computer"));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(
        policy.contains("form-action 'self' https://app.example;"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.headers["x-frame-options"], "DENY");
    assert_eq!(page.headers["referrer-policy"], "no-referrer");
    assert_eq!(page.headers["cache-control"], "no-store");

    let native = world
        .register(|registration| registration.redirect_uris = vec!["http://127.0.0.1/cb".parse().unwrap()])
        .await;
    let page = browser
        .get(
            &world
                .ask(&native)
                .with("redirect_uri", "http://127.0.0.1:51004/cb")
                .path(),
        )
        .await;
    assert!(page.text().contains("on this very computer"), "{}", page.text());
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("form-action 'self' http://127.0.0.1:51004;"),
        "{policy}"
    );
}

#[tokio::test]
async fn another_account_can_be_used() {
    let world = World::start().await;
    create_user(&world.app, "Grace", "grace@example.com", false).await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let page = browser.get(&world.ask(&client).path()).await;
    let request = page.forms()[0].value("request").unwrap().to_owned();
    let page = browser
        .get(&format!("/oauth/select-account?request={request}"))
        .await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let page = browser.submit(&page, &[("choice", "another")]).await;
    let page = browser
        .submit(
            &page,
            &[
                ("email", "grace@example.com"),
                ("password", crate::oauth::flow::PASSWORD),
            ],
        )
        .await;
    assert!(
        is_consent(&page) && page.text().contains("grace@example.com"),
        "{}",
        page.text()
    );
}

#[tokio::test]
async fn denial_is_told_and_nothing_is_remembered() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let page = browser.get(&world.ask(&client).path()).await;
    let denied = browser.submit(&page, &[("decision", "deny")]).await;
    let url = landed(&denied);
    assert_eq!(parameter(&url, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&url, "state").as_deref(), Some("the state"));
    assert_eq!(
        parameter(&url, "iss").as_deref(),
        Some(world.app.config.issuer().as_str())
    );
    assert_eq!(parameter(&url, "code"), None);
    assert!(is_consent(&browser.get(&world.ask(&client).path()).await));
    assert_eq!(world.number("SELECT count(*) FROM consents").await, 0);
    let record = "SELECT count(*) FROM audit_records WHERE action = 'consent.denied'";
    assert_eq!(world.number(record).await, 1);
}

#[tokio::test]
async fn an_app_that_was_changed_while_somebody_read_the_page_is_shown_again() {
    let world = World::start().await;
    let client = world
        .register(|registration| registration.optional_scopes = "email".parse().unwrap())
        .await;
    let browser = world.browser().await;
    let changes: [(&str, Edit); 3] = [
        ("name", |registration| registration.name = "Your Bank".to_owned()),
        ("publisher", |registration| {
            registration.publisher = Some("Your Bank Ltd".to_owned());
        }),
        ("optional", |registration| {
            registration.optional_scopes = "".parse().unwrap();
        }),
    ];
    for (what, edit) in changes {
        let page = browser.get(&world.ask(&client).path()).await;
        let without = browser.get(&world.ask(&client).path()).await;
        let deny = browser.get(&world.ask(&client).path()).await;
        change(&world, &client, edit).await;
        let page = approve(&browser, &page).await;
        assert_eq!(page.status, StatusCode::CONFLICT, "{what}");
        assert!(
            is_consent(&page) && page.text().contains("was changed while you were reading"),
            "{what}: {}",
            page.text()
        );
        // Nor does it help to keep silent about what was seen.
        let mut silent = consent_form(&without);
        silent.fields.retain(|(name, _)| name != "seen");
        assert_eq!(browser.send(&silent).await.status, StatusCode::CONFLICT, "{what}");
        assert_eq!(world.number("SELECT count(*) FROM consents").await, 0, "{what}");
        let denied = browser.submit(&deny, &[("decision", "deny")]).await;
        assert!(denied.leads_to().is_some(), "{what}");
        // What is allowed now is what is shown now.
        assert!(has_code(&approve(&browser, &page).await), "{what}");
        disconnect(&browser, &client).await;
    }
    // Who does not say what they saw, saw what was there all the time.
    let page = browser.get(&world.ask(&client).path()).await;
    let mut silent = consent_form(&page);
    silent.fields.retain(|(name, _)| name != "seen");
    assert!(has_code(&browser.send(&silent).await));
}

#[tokio::test]
async fn a_session_that_ends_under_the_consent_page_does_not_end_the_way_of_the_app() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let question = browser.get(&world.ask(&client).path()).await;
    let sign_out = browser
        .get("/account")
        .await
        .forms()
        .into_iter()
        .find(|form| form.action.path() == "/sign-out")
        .unwrap();
    browser.send(&sign_out).await;
    let page = browser.submit(&question, &[("decision", "approve")]).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/sign-in"));
    let known = [
        ("email", "ada@example.com"),
        ("password", crate::oauth::flow::PASSWORD),
    ];
    let page = browser.submit(&page, &known).await;
    assert_eq!(page.url.path(), "/oauth/authorize/continue", "{}", page.text());
    assert!(has_code(&browser.submit(&page, &[("decision", "approve")]).await));
}

#[tokio::test]
async fn a_decision_is_taken_once_and_only_by_the_pages_own_form() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let page = browser.get(&world.ask(&client).path()).await;
    let mut form = page
        .forms()
        .into_iter()
        .find(|form| form.action.path() == "/oauth/consent")
        .unwrap();
    form.fields.push(("decision".to_owned(), "approve".to_owned()));

    let mut forged = form.clone();
    forged.fields.retain(|(name, _)| name != "csrf_token");
    let page = browser.send(&forged).await;
    assert_eq!(page.url.path(), "/oauth/authorize/continue", "asked afresh");
    forged.fields.push(("csrf_token".to_owned(), "AAAA".to_owned()));
    let page = browser.send(&forged).await;
    assert_eq!(page.url.path(), "/oauth/authorize/continue", "asked afresh");
    // Another browser's token, though of the same person.
    let elsewhere = world.browser().await;
    let other = elsewhere.get(&world.ask(&client).path()).await;
    let theirs = other.forms()[0].value("csrf_token").unwrap().to_owned();
    let mut forged = form.clone();
    for (name, value) in &mut forged.fields {
        if name == "csrf_token" {
            value.clone_from(&theirs);
        }
    }
    let page = browser.send(&forged).await;
    assert_eq!(page.url.path(), "/oauth/authorize/continue", "asked afresh");
    assert_eq!(
        world.number("SELECT count(*) FROM consents").await,
        0,
        "nothing was decided"
    );
    let mut odd = form.clone();
    for (name, value) in &mut odd.fields {
        if name == "decision" {
            "perhaps".clone_into(value);
        }
    }
    assert_eq!(browser.send(&odd).await.status, StatusCode::BAD_REQUEST);

    assert!(has_code(&browser.send(&form).await));
    let again = browser.send(&form).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    assert!(again.leads_to().is_none() && again.text().contains("no longer waiting"));
}
