//! Sign-up and sign-in.

use claviger::{
    accounts::{self, Role},
    config::SignUpMode,
};
use reqwest::{StatusCode, header::LOCATION};

use super::*;

#[tokio::test]
async fn sign_up_makes_a_person_an_account_and_an_app_and_signs_in() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let page = browser.get("/sign-up").await;
    browser
        .submit(
            &page,
            &[
                ("name", " Ada Marsh "),
                ("email", "Ada@Example.com"),
                ("password", PASSWORD),
            ],
        )
        .await;
    let account = browser.get("/account").await;
    assert_eq!(account.url.path(), "/account");
    assert!(account.text().contains("Ada@Example.com"), "{}", account.text());

    let mut connection = app.db.connection().await.unwrap();
    let started = guess(&app.identity, "ada@example.com", PASSWORD, "192.0.2.1")
        .await
        .unwrap();
    let memberships = accounts::memberships_of(&mut connection, started.user_id)
        .await
        .unwrap();
    assert_eq!(memberships.len(), 1);
    assert!(memberships[0].account.personal);
    assert_eq!(memberships[0].account.name, "Ada Marsh");
    assert_eq!(memberships[0].role, Role::Owner);
    let apps = accounts::apps_of(&mut connection, memberships[0].account.id)
        .await
        .unwrap();
    assert_eq!(apps.len(), 1);

    let actions = actions(&app, started.user_id).await;
    for action in ["user.created", "app.created", "session.started"] {
        assert!(actions.contains(action), "{action} is not in {actions:?}");
    }
    let mails = mails(&app, "Ada@Example.com").await;
    assert_eq!(mails.len(), 1);
    assert!(link_in(&mails[0]).starts_with("/verify-email?token="));
}

#[tokio::test]
async fn a_form_says_what_was_wrong_beside_the_field_and_keeps_what_was_typed() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let page = browser.get("/sign-up").await;
    let page = browser
        .submit(
            &page,
            &[
                ("name", "Ada <Marsh>"),
                ("email", "ada@"),
                ("password", "password1"),
            ],
        )
        .await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    let form = &page.forms()[0];
    assert_eq!(form.value("name"), Some("Ada <Marsh>"));
    assert_eq!(form.value("email"), Some("ada@"));
    assert_eq!(form.value("password"), Some(""));
    for words in [
        "Enter an e-mail address like",
        "That password would be guessed quickly.",
    ] {
        assert!(page.text().contains(words), "{words} is not in {}", page.text());
    }
    let page = browser
        .submit(
            &page,
            &[("name", ""), ("email", "ada@example.com"), ("password", "short")],
        )
        .await;
    assert!(page.text().contains("Fill this in.") && page.text().contains("Use at least 8 characters."));
    // A password of one's own name and address is a weak one, however long.
    let page = browser
        .submit(
            &page,
            &[
                ("name", "Ada Marsh"),
                ("email", "ada@example.com"),
                ("password", "ada@example.com"),
            ],
        )
        .await;
    assert!(page.text().contains("guessed quickly"));
    assert_eq!(number(&app, "SELECT count(*) FROM users").await, 0);
}

#[tokio::test]
async fn a_taken_address_is_said_to_be_taken_but_not_many_times_over() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    let browser = app.browser();
    let mut page = browser.get("/sign-up").await;
    let taken = [
        ("name", "Eve"),
        ("email", "ADA@example.com"),
        ("password", PASSWORD),
    ];
    for _ in 0..6 {
        page = browser.submit(&page, &taken).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
        assert!(
            page.text().contains("There is an account with this address."),
            "{}",
            page.text()
        );
    }
    page = browser.submit(&page, &taken).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(page.headers["retry-after"], "2");
    assert_eq!(page.forms()[0].value("name"), Some("Eve"));
}

#[tokio::test]
async fn two_at_once_cannot_take_one_address() {
    let app = TestApp::start().await;
    let made = futures_util::future::join_all(
        (0..8).map(|_| app.identity.create_user(new_user("ada@example.com"), false)),
    )
    .await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    assert_eq!(number(&app, "SELECT count(*) FROM accounts").await, 1);
}

#[tokio::test]
async fn a_closed_server_takes_nobody_and_one_by_invitation_only_the_invited() {
    let app = TestApp::with(|config| config.sign_up.mode = SignUpMode::Closed).await;
    let page = app.browser().get("/sign-up").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.forms().is_empty());
    assert!(!app.browser().get("/sign-in").await.html.contains("/sign-up"));
    let refused = app
        .identity
        .sign_up(new_user("ada@example.com"), None, None, &context("192.0.2.1"))
        .await;
    assert!(refused.is_err());

    let app = TestApp::with(|config| config.sign_up.mode = SignUpMode::Invitation).await;
    assert_eq!(app.browser().get("/sign-up").await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        app.browser().get("/sign-up?invitation=none").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_wrong_password_an_unknown_address_and_a_blocked_person_get_one_answer_for_the_same_work() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    person(&app, "bob@example.com").await;
    execute(
        &app,
        "UPDATE users SET blocked_at = now() WHERE email_key = 'bob@example.com'",
    )
    .await;
    let browser = app.browser();
    let page = browser.get("/sign-in").await;
    let mut answers = BTreeSet::new();
    for (email, password) in [
        ("ada@example.com", OTHER_PASSWORD),
        ("eve@example.com", OTHER_PASSWORD),
        ("bob@example.com", PASSWORD),
        ("bob@example.com", OTHER_PASSWORD),
        ("no address", OTHER_PASSWORD),
    ] {
        let before = app.identity.hasher.computed();
        let answer = browser
            .submit(&page, &[("email", email), ("password", password)])
            .await;
        assert_eq!(app.identity.hasher.computed() - before, 1, "hashes for {email}");
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{email}");
        assert!(answer.text().contains(REFUSED), "{email}: {}", answer.text());
        let headers: BTreeSet<_> = answer.headers.keys().map(ToString::to_string).collect();
        answers.insert((answer.html.replace(email, "(what was typed)"), headers));
    }
    assert_eq!(answers.len(), 1, "{answers:#?}");
    assert!(!is_signed_in(&browser).await);
}

#[tokio::test]
async fn a_refused_sign_in_is_in_the_trail_of_its_owner() {
    let app = TestApp::start().await;
    let ada = person(&app, "ada@example.com").await;
    guess(&app.identity, "ada@example.com", OTHER_PASSWORD, "203.0.113.7")
        .await
        .unwrap_err();
    let browser = signed_in(&app, "ada@example.com").await;
    let page = browser.get("/account/activity?action=session").await;
    assert!(page.text().contains("Sign-in refused"), "{}", page.text());
    assert!(page.text().contains("203.0.113.7"));
    assert!(!page.text().contains("Account created"), "filtered by its kind");
    assert!(actions(&app, ada).await.contains("session.refused"));
    assert!(
        browser
            .get("/account/activity")
            .await
            .text()
            .contains("Account created")
    );
    // Another person reads nothing of it.
    person(&app, "bob@example.com").await;
    let other = signed_in(&app, "bob@example.com").await;
    assert!(
        !other
            .get("/account/activity")
            .await
            .text()
            .contains("203.0.113.7")
    );
}

#[tokio::test]
async fn forms_from_elsewhere_are_refused() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    let browser = app.browser();
    let page = browser.get("/sign-in").await;
    let mut form = page.forms().remove(0);
    form.fields
        .push(("email".to_owned(), "ada@example.com".to_owned()));
    form.fields.push(("password".to_owned(), PASSWORD.to_owned()));
    let mut without_token = form.clone();
    without_token.fields.retain(|(name, _)| name != "csrf_token");
    assert_eq!(browser.send(&without_token).await.status, StatusCode::FORBIDDEN);
    // The token of another browser is none.
    assert_eq!(app.browser().send(&form).await.status, StatusCode::FORBIDDEN);
    assert!(!is_signed_in(&browser).await);

    // One's own token from before sign-in is none afterwards.
    let before = browser
        .get("/sign-in")
        .await
        .forms()
        .remove(0)
        .value("csrf_token")
        .unwrap()
        .to_owned();
    sign_in(&browser, "ada@example.com", PASSWORD).await;
    let mut sign_out = browser
        .get("/account")
        .await
        .forms()
        .into_iter()
        .find(|form| form.action.path() == "/sign-out")
        .unwrap();
    let own = sign_out.clone();
    sign_out.fields = vec![("csrf_token".to_owned(), before)];
    assert_eq!(browser.send(&sign_out).await.status, StatusCode::FORBIDDEN);
    assert!(is_signed_in(&browser).await);
    let page = browser.send(&own).await;
    assert!(page.text().contains("You are signed out."), "{}", page.text());
    assert!(!is_signed_in(&browser).await);
}

#[tokio::test]
async fn sign_in_leads_back_to_a_page_of_ours_and_nowhere_else() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    let browser = app.browser();
    let page = browser.get("/account/activity?action=session").await;
    assert_eq!(page.url.path(), "/sign-in");
    let page = browser
        .submit(&page, &[("email", "ada@example.com"), ("password", PASSWORD)])
        .await;
    assert_eq!(page.url.path(), "/account/activity");
    assert_eq!(page.url.query(), Some("action=session"));

    for forged in [
        "//evil.example/",
        "https://evil.example/",
        "/\\evil.example",
        "/%0d%0aX: y\n",
        "evil",
    ] {
        let browser = app.browser();
        let page = browser.get("/sign-in").await;
        let mut form = page.forms().remove(0);
        form.fields
            .retain(|(name, _)| !matches!(name.as_str(), "email" | "password"));
        for (name, value) in [
            ("email", "ada@example.com"),
            ("password", PASSWORD),
            ("return_to", forged),
        ] {
            form.fields.push((name.to_owned(), value.to_owned()));
        }
        let answer = browser
            .client
            .post(form.action)
            .form(&form.fields)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{forged}");
        assert_eq!(answer.headers()[LOCATION], "/", "{forged}");
    }
    // A request that is nobody's leads to an error page of ours, not to an app.
    let browser = app.browser();
    let page = browser
        .get("/sign-in?request=arq_00000000000000000000000001")
        .await;
    assert!(page.forms()[0].value("request").is_none());
}

#[tokio::test]
async fn whoever_the_command_line_makes_is_verified_and_may_have_a_weak_password_but_not_a_short_one() {
    let app = TestApp::start().await;
    let mut new = new_user("ada@example.com");
    new.password = "password1".to_owned().into();
    let created = app.identity.create_user(new, true).await.unwrap();
    assert!(created.user.operator && created.user.email_verified);
    assert!(
        guess(&app.identity, "ada@example.com", "password1", "192.0.2.1")
            .await
            .is_ok()
    );
    assert!(
        actions(&app, created.user.id)
            .await
            .contains("operator.appointed")
    );
    let mut short = new_user("bob@example.com");
    short.password = "seven77".to_owned().into();
    assert!(app.identity.create_user(short, false).await.is_err());
}

#[tokio::test]
async fn a_hash_of_weaker_parameters_is_made_anew_at_sign_in() {
    let mut app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    let count = "SELECT count(*) FROM users WHERE password_hash LIKE '%m=20480,%'";
    assert_eq!(number(&app, count).await, 0);
    let mut config = app.config();
    config.passwords.memory_kib = 20_480;
    let urls = app.urls();
    app.add_node(config, urls).await;
    let stronger = app.nodes[1].app.identity.clone();
    guess(&stronger, "ada@example.com", PASSWORD, "192.0.2.1")
        .await
        .unwrap();
    assert_eq!(number(&app, count).await, 1);
    guess(&app.identity, "ada@example.com", PASSWORD, "192.0.2.1")
        .await
        .unwrap();
    assert_eq!(number(&app, count).await, 1, "a better hash stays");
}
