//! Delays that grow with failures.

use std::time::Duration;

use reqwest::StatusCode;

use super::*;

fn wait_of(result: Result<Started, SignInError>) -> Option<u64> {
    match result {
        Err(SignInError::Delayed(wait)) => Some(wait.as_secs()),
        Err(SignInError::Refused) | Ok(_) => None,
        Err(SignInError::Fault(fault)) => panic!("{fault}"),
    }
}

#[tokio::test]
async fn delays_grow_with_each_failure_of_an_account_whether_or_not_it_exists() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    for email in ["ada@example.com", "nobody@example.com"] {
        let mut from = (1..).map(|host| format!("198.51.100.{host}"));
        let mut attempt = async || guess(&app.identity, email, OTHER_PASSWORD, &from.next().unwrap()).await;
        for _ in 0..5 {
            assert_eq!(wait_of(attempt().await), None, "{email}");
        }
        for delay in [2, 4, 8, 16] {
            assert_eq!(
                wait_of(attempt().await),
                None,
                "{email}: the try before {delay} s"
            );
            assert_eq!(wait_of(attempt().await), Some(delay), "{email}");
            app.advance(Duration::from_secs(delay - 1));
            assert_eq!(
                wait_of(attempt().await),
                Some(1),
                "{email}: a try too early is not counted"
            );
            app.advance(Duration::from_secs(1));
        }
        for _ in 0..12 {
            attempt().await.unwrap_err();
            app.advance(Duration::from_mins(15));
        }
        attempt().await.unwrap_err();
        assert_eq!(wait_of(attempt().await), Some(900), "{email}: the longest delay");
    }
}

#[tokio::test]
async fn the_right_password_waits_too_and_then_clears_the_count() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    let browser = app.browser();
    for _ in 0..6 {
        let page = sign_in(&browser, "ada@example.com", OTHER_PASSWORD).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
    }
    let hashes = app.identity.hasher.computed();
    let page = sign_in(&browser, "ada@example.com", PASSWORD).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(page.headers["retry-after"], "2");
    assert!(page.text().contains("Wait 2 seconds"), "{}", page.text());
    assert_eq!(page.forms()[0].value("email"), Some("ada@example.com"));
    assert_eq!(
        app.identity.hasher.computed(),
        hashes,
        "no work for who must wait"
    );
    app.advance(Duration::from_secs(2));
    sign_in(&browser, "ada@example.com", PASSWORD).await;
    assert!(is_signed_in(&browser).await);
    // The account's count is cleared; that of the address is only as it was before.
    assert_eq!(number(&app, "SELECT count(*) FROM sign_in_failures").await, 1);
    assert_eq!(
        number(&app, "SELECT failures::bigint FROM sign_in_failures").await,
        6
    );
}

#[tokio::test]
async fn one_address_that_tries_many_accounts_is_slowed_and_an_own_account_does_not_help_it() {
    let app = TestApp::start().await;
    person(&app, "mallory@example.com").await;
    let from = "2001:db8:1:2::66";
    for victim in 0..6 {
        // Signing in to an account of one's own between the guesses clears nothing.
        guess(&app.identity, "mallory@example.com", PASSWORD, from)
            .await
            .unwrap();
        let result = guess(
            &app.identity,
            &format!("v{victim}@example.com"),
            OTHER_PASSWORD,
            from,
        )
        .await;
        assert_eq!(wait_of(result), None);
    }
    // The next address of the same network is the same site.
    let result = guess(
        &app.identity,
        "v9@example.com",
        OTHER_PASSWORD,
        "2001:db8:1:2::67",
    )
    .await;
    assert_eq!(wait_of(result), Some(2));
    let elsewhere = guess(&app.identity, "v9@example.com", OTHER_PASSWORD, "2001:db8:1:3::1").await;
    assert_eq!(wait_of(elsewhere), None);
}

#[tokio::test]
async fn guesses_sent_at_once_are_held_back_as_those_sent_one_after_another() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    let addresses: Vec<_> = (1..=60).map(|host| format!("198.51.100.{host}")).collect();
    let guesses = addresses
        .iter()
        .map(|from| guess(&app.identity, "ada@example.com", OTHER_PASSWORD, from));
    let results = futures_util::future::join_all(guesses).await;
    let looked_at = results
        .into_iter()
        .filter(|result| matches!(result, Err(SignInError::Refused)))
        .count();
    assert_eq!(looked_at, 6);
}

#[tokio::test]
async fn the_owner_is_told_of_repeated_failures_once() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    for host in 1..=4 {
        guess(
            &app.identity,
            "ada@example.com",
            OTHER_PASSWORD,
            &format!("198.51.100.{host}"),
        )
        .await
        .unwrap_err();
    }
    assert!(mails(&app, "ada@example.com").await.is_empty());
    for host in 5..=8 {
        guess(
            &app.identity,
            "ada@example.com",
            OTHER_PASSWORD,
            &format!("198.51.100.{host}"),
        )
        .await
        .unwrap_err();
    }
    let mails = mails(&app, "ada@example.com").await;
    assert_eq!(mails.len(), 1);
    assert!(
        mails[0].contains("5 times") && mails[0].contains("198.51.100.5"),
        "{}",
        mails[0]
    );
}

#[tokio::test]
async fn mail_to_one_address_cannot_be_asked_for_without_end() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    for email in ["ada@example.com", "nobody@example.com"] {
        let email = email.parse().unwrap();
        for host in 1..=6 {
            app.identity
                .ask_for_reset(&email, None, &context(&format!("198.51.100.{host}")))
                .await
                .unwrap();
        }
        app.identity
            .ask_for_reset(&email, None, &context("198.51.100.9"))
            .await
            .unwrap_err();
    }
    assert_eq!(mails(&app, "ada@example.com").await.len(), 6);
}

#[tokio::test]
async fn the_table_of_failures_names_nobody_and_is_emptied() {
    let app = TestApp::start().await;
    guess(&app.identity, "ada@example.com", OTHER_PASSWORD, "192.0.2.1")
        .await
        .unwrap_err();
    let named = "SELECT count(*) FROM sign_in_failures WHERE encode(subject, 'escape') LIKE '%ada%' OR length(subject) <> 32";
    assert_eq!(number(&app, named).await, 0);
    app.run_job("identity.cleanup").await;
    assert_eq!(number(&app, "SELECT count(*) FROM sign_in_failures").await, 2);
    app.advance(Duration::from_mins(61));
    app.run_job("identity.cleanup").await;
    assert_eq!(number(&app, "SELECT count(*) FROM sign_in_failures").await, 0);
}

#[tokio::test]
async fn a_browser_that_is_known_gets_in_while_a_stranger_is_delayed() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    person(&app, "mallory@example.com").await;
    let browser = signed_in(&app, "ada@example.com").await;
    let mallory = signed_in(&app, "mallory@example.com").await;
    let sign_out = async |browser: &Browser| {
        let page = browser.get("/account").await;
        let form = page
            .forms()
            .into_iter()
            .find(|form| form.action.path() == "/sign-out")
            .unwrap();
        browser.send(&form).await;
        assert!(!is_signed_in(browser).await);
    };
    // In a session, too, the password is asked for whatever strangers do.
    let mut hosts = (1..).map(|host| format!("198.51.100.{host}"));
    for _ in 0..20 {
        let from = hosts.next().unwrap();
        let _ = guess(&app.identity, "ada@example.com", OTHER_PASSWORD, &from).await;
        app.advance(Duration::from_mins(15));
    }
    guess(
        &app.identity,
        "ada@example.com",
        OTHER_PASSWORD,
        &hosts.next().unwrap(),
    )
    .await
    .unwrap_err();
    let page = browser.get("/confirm").await;
    browser.submit(&page, &[("password", PASSWORD)]).await;
    assert!(is_signed_in(&browser).await);

    sign_out(&browser).await;
    sign_out(&mallory).await;
    // Not a browser that knows somebody else, nor one that knows nobody.
    for stranger in [&mallory, &app.browser()] {
        let page = sign_in(stranger, "ada@example.com", PASSWORD).await;
        assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS, "{}", page.text());
    }
    sign_in(&browser, "ada@example.com", PASSWORD).await;
    assert!(is_signed_in(&browser).await);
    // That was no reason to let strangers try again.
    let still = guess(&app.identity, "ada@example.com", PASSWORD, &hosts.next().unwrap()).await;
    assert!(wait_of(still).is_some());

    // A known browser is delayed for what is tried in it, and strangers are not for that.
    app.advance(Duration::from_mins(61));
    sign_out(&browser).await;
    for _ in 0..6 {
        let page = sign_in(&browser, "ada@example.com", OTHER_PASSWORD).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", page.text());
    }
    let page = sign_in(&browser, "ada@example.com", PASSWORD).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    guess(&app.identity, "ada@example.com", PASSWORD, &hosts.next().unwrap())
        .await
        .unwrap();
}

#[tokio::test]
async fn sign_ups_from_one_address_are_limited() {
    let app = TestApp::with(|config| config.limits.sign_ups_per_address = 2).await;
    let sign_up = async |email: &str, from: &str| {
        app.identity
            .sign_up(new_user(email), None, None, &context(from))
            .await
            .map(|_| ())
    };
    // What comes to nothing is not counted.
    for _ in 0..3 {
        let refused = sign_up("no address", "192.0.2.1").await;
        assert!(matches!(refused, Err(SignUpError::Problems(_))), "{refused:?}");
    }
    for number in 0..3 {
        sign_up(&format!("p{number}@example.com"), "192.0.2.1")
            .await
            .unwrap();
    }
    let refused = sign_up("p3@example.com", "192.0.2.1").await;
    assert!(
        matches!(refused, Err(SignUpError::Delayed(wait)) if wait.as_secs() == 2),
        "{refused:?}"
    );
    sign_up("elsewhere@example.com", "192.0.2.2").await.unwrap();
    app.advance(Duration::from_secs(2));
    sign_up("p3@example.com", "192.0.2.1").await.unwrap();
    // At the edge: 429, and how long to wait.
    for number in 4..7 {
        let browser = app.browser();
        let page = browser.get("/sign-up").await;
        let email = format!("p{number}@example.com");
        let fields = [("name", "Ada"), ("email", email.as_str()), ("password", PASSWORD)];
        browser.submit(&page, &fields).await;
        assert!(is_signed_in(&browser).await);
    }
    let browser = app.browser();
    let page = browser.get("/sign-up").await;
    let fields = [
        ("name", "Ada"),
        ("email", "p7@example.com"),
        ("password", PASSWORD),
    ];
    let page = browser.submit(&page, &fields).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(page.headers["retry-after"], "2");
}

#[tokio::test]
async fn a_browser_that_knows_an_earlier_password_is_as_any_other() {
    let app = TestApp::start().await;
    person(&app, "ada@example.com").await;
    // Whoever had the password could sign in as often as they liked, each time with a count of its own.
    let stranger = signed_in(&app, "ada@example.com").await;
    let own = signed_in(&app, "ada@example.com").await;
    app.advance(Duration::from_secs(1));
    let page = own.get("/forgot-password").await;
    own.submit(&page, &[("email", "ada@example.com")]).await;
    let page = own.get(&last_link(&app, "ada@example.com").await).await;
    own.submit(&page, &[("password", OTHER_PASSWORD)]).await;
    sign_in(&own, "ada@example.com", OTHER_PASSWORD).await;
    assert!(is_signed_in(&own).await);
    let delay = async |first: u8| {
        for host in first..first + 20 {
            let from = format!("198.51.100.{host}");
            let _ = guess(&app.identity, "ada@example.com", PASSWORD, &from).await;
            app.advance(Duration::from_mins(15));
        }
        let from = format!("198.51.100.{}", first + 20);
        let _ = guess(&app.identity, "ada@example.com", PASSWORD, &from).await;
    };
    delay(1).await;
    let page = sign_in(&stranger, "ada@example.com", PASSWORD).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS, "{}", page.text());

    // The one that was signed in with the new password is known by that.
    let sign_out = async || {
        let page = own.get("/account").await;
        let mut forms = page.forms().into_iter();
        let form = forms.find(|form| form.action.path() == "/sign-out").unwrap();
        own.send(&form).await;
    };
    sign_out().await;
    sign_in(&own, "ada@example.com", OTHER_PASSWORD).await;
    assert!(is_signed_in(&own).await);

    // So it is after a change of the password in it.
    app.advance(Duration::from_secs(1));
    let page = own.get("/account").await;
    let mut forms = page.forms().into_iter();
    let mut form = forms
        .find(|form| form.action.path() == "/account/password")
        .unwrap();
    for (name, value) in &mut form.fields {
        match name.as_str() {
            "password" => OTHER_PASSWORD.clone_into(value),
            "new_password" => "nine small boats at anchor".clone_into(value),
            _ => {}
        }
    }
    own.send(&form).await;
    sign_out().await;
    sign_in(&own, "ada@example.com", "nine small boats at anchor").await;
    assert!(is_signed_in(&own).await);
}

#[tokio::test]
async fn a_hash_with_older_parameters_is_made_anew_at_the_next_sign_in() {
    let app = TestApp::with(|config| config.passwords.iterations = 3).await;
    person(&app, "ada@example.com").await;
    let older = Identity {
        hasher: claviger::crypto::PasswordHasher::new(
            &claviger::config::Config::default().passwords,
            claviger::types::Entropy::system(),
        )
        .unwrap(),
        ..app.identity.clone()
    };
    let hash = older.hasher.hash(PASSWORD.to_owned().into()).await.unwrap();
    execute(&app, &format!("UPDATE users SET password_hash = '{hash}'")).await;
    let of_today = "SELECT count(*) FROM users WHERE password_hash LIKE '%t=3%'";
    guess(&app.identity, "ada@example.com", OTHER_PASSWORD, "192.0.2.1")
        .await
        .unwrap_err();
    assert_eq!(number(&app, of_today).await, 0);
    for _ in 0..2 {
        guess(&app.identity, "ada@example.com", PASSWORD, "192.0.2.1")
            .await
            .unwrap();
        assert_eq!(number(&app, of_today).await, 1);
    }
}
