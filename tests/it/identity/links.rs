//! One-time links: verification, reset, both-sided change of address.

use std::time::Duration;

use reqwest::StatusCode;

use super::*;

async fn ask_for_reset(app: &TestApp, email: &str) -> Page {
    let browser = app.browser();
    let page = browser.get("/forgot-password").await;
    browser.submit(&page, &[("email", email)]).await
}

#[tokio::test]
async fn a_reset_link_works_once_and_ends_all_sessions() {
    let app = TestApp::start().await;
    let ada = person(&app, "ada@example.com").await;
    let elsewhere = signed_in(&app, "ada@example.com").await;
    assert_eq!(
        ask_for_reset(&app, "ada@example.com").await.heading(),
        "Check your mail"
    );
    let link = last_link(&app, "ada@example.com").await;

    // A scanner that opens the link does not use it up; nor does a password that cannot be taken.
    for _ in 0..3 {
        assert_eq!(app.browser().get(&link).await.heading(), "Choose a new password");
    }
    let browser = app.browser();
    let page = browser.get(&link).await;
    let page = browser.submit(&page, &[("password", "password1")]).await;
    assert!(page.text().contains("guessed quickly"), "{}", page.text());
    assert!(is_signed_in(&elsewhere).await);
    let page = browser.submit(&page, &[("password", OTHER_PASSWORD)]).await;
    assert_eq!(page.heading(), "Password changed");
    assert!(page.text().contains("Every session has ended"), "{}", page.text());

    assert!(!is_signed_in(&elsewhere).await);
    assert_eq!(app.browser().get(&link).await.status, StatusCode::NOT_FOUND);
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
    let actions = actions(&app, ada).await;
    for action in ["password.reset_requested", "password.reset", "session.ended"] {
        assert!(actions.contains(action), "{action} is not in {actions:?}");
    }
    assert!(
        mails(&app, "ada@example.com")
            .await
            .last()
            .unwrap()
            .contains("Your password was changed")
    );
}

#[tokio::test]
async fn of_two_who_use_a_reset_link_at_once_one_wins() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    ask_for_reset(&app, "ada@example.com").await;
    let link = last_link(&app, "ada@example.com").await;
    let token = claviger::crypto::Token::presented(link.split_once("token=").unwrap().1);
    let context = context("192.0.2.1");
    let held = claviger::oauth::ConsentsAndGrants(app.authority.clone());
    let results = futures_util::future::join_all((0..8).map(|_| {
        app.identity
            .reset_password(&token, OTHER_PASSWORD.to_owned().into(), &held, &context)
    }))
    .await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
}

#[tokio::test]
async fn a_reset_link_is_good_for_fifteen_minutes_and_only_the_last_one() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    ask_for_reset(&app, "ada@example.com").await;
    let first = last_link(&app, "ada@example.com").await;
    app.advance(Duration::from_secs(1));
    ask_for_reset(&app, "ada@example.com").await;
    let second = last_link(&app, "ada@example.com").await;
    assert_ne!(first, second);
    assert_eq!(app.browser().get(&first).await.status, StatusCode::NOT_FOUND);
    app.advance(Duration::from_mins(15) - Duration::from_secs(1));
    let browser = app.browser();
    let page = browser.get(&second).await;
    assert_eq!(page.status, StatusCode::OK);
    app.advance(Duration::from_secs(1));
    assert_eq!(app.browser().get(&second).await.status, StatusCode::NOT_FOUND);
    // The form that was open in time comes too late as well.
    let page = browser.submit(&page, &[("password", OTHER_PASSWORD)]).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(
        guess(&app.identity, "ada@example.com", PASSWORD, "192.0.2.1")
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn whoever_asks_for_a_reset_learns_nothing_and_only_the_account_gets_a_mail() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    let known = ask_for_reset(&app, "ada@example.com").await;
    let unknown = ask_for_reset(&app, "eve@example.com").await;
    assert_eq!(known.status, unknown.status);
    let plain = |page: &Page, email: &str| page.text().replace(email, "(what was typed)");
    assert_eq!(
        plain(&known, "ada@example.com"),
        plain(&unknown, "eve@example.com")
    );
    assert!(mails(&app, "eve@example.com").await.is_empty());
    assert_eq!(mails(&app, "ada@example.com").await.len(), 1);
}

async fn sign_up(app: &TestApp, email: &str) -> (Browser, UserId) {
    let browser = app.browser();
    let page = browser.get("/sign-up").await;
    let fields = [("name", "Ada Marsh"), ("email", email), ("password", PASSWORD)];
    browser.submit(&page, &fields).await;
    let started = guess(&app.identity, email, PASSWORD, "192.0.2.1").await.unwrap();
    (browser, started.user_id)
}

#[tokio::test]
async fn an_address_is_verified_by_the_button_behind_its_link() {
    let app = TestApp::start().await;
    let (browser, ada) = sign_up(&app, "ada@example.com").await;
    let first = last_link(&app, "ada@example.com").await;
    app.advance(Duration::from_secs(1));
    let page = browser.get("/account").await;
    let again = page
        .forms()
        .into_iter()
        .find(|form| form.action.path() == "/account/email/resend")
        .unwrap();
    let page = browser.send(&again).await;
    assert!(page.text().contains("We sent the link again."), "{}", page.text());
    assert!(actions(&app, ada).await.contains("email.verification_sent"));
    let second = last_link(&app, "ada@example.com").await;
    assert_eq!(app.browser().get(&first).await.status, StatusCode::NOT_FOUND);

    // In any browser, since mail is often read elsewhere, but signed in: mail alone confirms nobody's account.
    let reader = app.browser();
    let page = reader.get(&second).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(page.heading(), "Sign in to confirm your address");
    person(&app, "eve@example.com").await;
    let eve = signed_in(&app, "eve@example.com").await;
    assert_eq!(
        eve.get(&second).await.heading(),
        "Sign in to confirm your address"
    );
    let way = page
        .html
        .split("href=\"")
        .find(|link| link.starts_with("/sign-in?another=1"));
    let way = way
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .replace("&amp;", "&")
        .replace("&#38;", "&");
    let page = reader.get(&way).await;
    let page = reader
        .submit(&page, &[("email", "ada@example.com"), ("password", PASSWORD)])
        .await;
    assert_eq!(page.heading(), "Confirm your address", "{}", page.url);
    assert!(!load(&app, ada).await.email_verified, "opening it is not enough");
    let button = page
        .forms()
        .into_iter()
        .find(|form| form.action.path() == "/verify-email")
        .unwrap();
    // Nor does the form, sent from elsewhere.
    let mut forged = button.clone();
    let token = eve.get("/account").await.forms()[0]
        .value("csrf_token")
        .unwrap()
        .to_owned();
    for (name, value) in &mut forged.fields {
        if name == "csrf_token" {
            value.clone_from(&token);
        }
    }
    assert_eq!(eve.send(&forged).await.status, StatusCode::NOT_FOUND);
    assert!(!load(&app, ada).await.email_verified);
    assert_eq!(reader.send(&button).await.heading(), "Address confirmed");
    assert!(load(&app, ada).await.email_verified);
    assert_eq!(reader.send(&button).await.status, StatusCode::NOT_FOUND);
    assert!(actions(&app, ada).await.contains("email.verified"));
    assert!(!browser.get("/account").await.text().contains("Send it again"));
}

async fn ask_for_change(browser: &Browser, new_email: &str, password: &str) -> Page {
    let page = browser.get("/account").await;
    let mut form = page
        .forms()
        .into_iter()
        .find(|form| form.action.path() == "/account/email")
        .unwrap();
    for (name, value) in &mut form.fields {
        match name.as_str() {
            "email" => new_email.clone_into(value),
            "password" => password.clone_into(value),
            _ => {}
        }
    }
    browser.send(&form).await
}

async fn press(browser: &Browser, link: &str) -> Page {
    let page = browser.get(link).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let form = page
        .forms()
        .into_iter()
        .find(|form| form.action.path() == "/account/email/confirm")
        .unwrap();
    browser.send(&form).await
}

#[tokio::test]
async fn a_change_of_address_is_in_force_when_both_sides_have_confirmed() {
    let app = TestApp::start().await;
    for (name, new_first) in [("ada", false), ("bob", true)] {
        let (old, new) = (format!("{name}@old.example"), format!("{name}@new.example"));
        let id = person(&app, &old).await;
        let browser = signed_in(&app, &old).await;
        let page = ask_for_change(&browser, &new, OTHER_PASSWORD).await;
        assert!(
            page.text().contains("That is not your password."),
            "{}",
            page.text()
        );
        let page = ask_for_change(&browser, &new, PASSWORD).await;
        assert_eq!(page.heading(), "Check your mail");
        let mut links = [last_link(&app, &old).await, last_link(&app, &new).await];
        if new_first {
            links.reverse();
        }
        // A link for a new password that went to the old address dies with it.
        ask_for_reset(&app, &old).await;
        let reset = last_link(&app, &old).await;
        assert!(reset.starts_with("/reset-password"));

        // The new address confirms nothing for somebody who is not signed in; the old one may be read anywhere.
        let elsewhere = app.browser();
        for link in &links {
            let is_new = last_link(&app, &new).await == *link;
            let status = elsewhere.get(link).await.status;
            assert_eq!(status == StatusCode::FORBIDDEN, is_new, "{link}");
        }
        assert_eq!(
            press(&browser, &links[0]).await.heading(),
            "One more confirmation"
        );
        assert_eq!(load(&app, id).await.email.as_str(), old);
        assert!(browser.get("/account").await.text().contains("Waiting"));
        assert_eq!(press(&browser, &links[1]).await.heading(), "Address changed");
        assert_eq!(load(&app, id).await.email.as_str(), new);
        for link in links.iter().chain([&reset]) {
            assert_eq!(
                app.browser().get(link).await.status,
                StatusCode::NOT_FOUND,
                "{link}"
            );
        }
        assert!(guess(&app.identity, &old, PASSWORD, "192.0.2.1").await.is_err());
        assert!(guess(&app.identity, &new, PASSWORD, "192.0.2.1").await.is_ok());
        assert!(mails(&app, &old).await.last().unwrap().contains("was changed"));
        assert!(actions(&app, id).await.contains("email.changed"));
    }
}

#[tokio::test]
async fn a_change_of_address_can_be_cancelled_replaced_outlived_and_lost_to_somebody_faster() {
    let app = TestApp::start().await;
    let ada = person(&app, "ada@example.com").await;
    person(&app, "taken@example.com").await;
    let browser = signed_in(&app, "ada@example.com").await;
    let page = ask_for_change(&browser, "Taken@example.com", PASSWORD).await;
    assert!(
        page.text().contains("There is an account with this address."),
        "{}",
        page.text()
    );
    let page = ask_for_change(&browser, "ADA@example.com", PASSWORD).await;
    assert!(page.text().contains("That is your address already."));

    ask_for_change(&browser, "one@example.com", PASSWORD).await;
    let one = last_link(&app, "one@example.com").await;
    let page = browser.get("/account").await;
    let cancel = page
        .forms()
        .into_iter()
        .find(|form| form.action.path() == "/account/email/cancel")
        .unwrap();
    assert!(!actions(&app, ada).await.contains("email.change_cancelled"));
    browser.send(&cancel).await;
    assert!(actions(&app, ada).await.contains("email.change_cancelled"));
    assert_eq!(app.browser().get(&one).await.status, StatusCode::NOT_FOUND);

    app.advance(Duration::from_secs(1));
    ask_for_change(&browser, "two@example.com", PASSWORD).await;
    let (old, new) = (
        last_link(&app, "ada@example.com").await,
        last_link(&app, "two@example.com").await,
    );
    press(&browser, &old).await;
    person(&app, "two@example.com").await;
    let page = press(&browser, &new).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND, "somebody was faster");
    assert_eq!(load(&app, ada).await.email.as_str(), "ada@example.com");

    app.advance(Duration::from_hours(24));
    assert_eq!(app.browser().get(&new).await.status, StatusCode::NOT_FOUND);
    app.run_job("identity.cleanup").await;
    assert_eq!(number(&app, "SELECT count(*) FROM email_changes").await, 0);
    assert_eq!(number(&app, "SELECT count(*) FROM one_time_links").await, 0);
}

#[tokio::test]
async fn no_link_is_at_rest_or_in_the_log() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    ask_for_reset(&app, "ada@example.com").await;
    let link = last_link(&app, "ada@example.com").await;
    let token = link.split_once("token=").unwrap().1;
    let rows = format!(
        "SELECT count(*) FROM one_time_links l WHERE l::text LIKE '%{token}%' OR encode(token_hash, 'escape') LIKE '%{token}%'"
    );
    assert_eq!(number(&app, &rows).await, 0);
    app.browser().get(&link).await;
    let log = crate::support::logs::text();
    assert!(log.contains("mail written to a file") && !log.contains(token));
}
