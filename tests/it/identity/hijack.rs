//! Addresses with which a stranger signed up before their owner came.

use std::time::Duration;

use claviger::{
    config::Passwords,
    crypto::{PasswordHasher, Token},
    oauth::ConsentsAndGrants,
    types::Entropy,
};
use futures_util::future::join;
use reqwest::StatusCode;

use super::*;
use crate::{
    oauth::flow::{self, World, text},
    support::wait::until,
};

const OWNERS: &str = "grace@example.com";

/// A stranger's browser, signed up with somebody else's address.
async fn stranger(world: &World, email: &str) -> Browser {
    let browser = world.app.browser();
    let page = browser.get("/sign-up").await;
    let fields = [("name", "Mallory"), ("email", email), ("password", PASSWORD)];
    browser.submit(&page, &fields).await;
    assert!(is_signed_in(&browser).await);
    world.app.advance(Duration::from_secs(1));
    browser
}

/// The link that the owner of the address asks for.
async fn reset_link(world: &World, email: &str) -> String {
    world.app.advance(Duration::from_secs(1));
    let browser = world.app.browser();
    let page = browser.get("/forgot-password").await;
    browser.submit(&page, &[("email", email)]).await;
    last_link(&world.app, email).await
}

async fn reset(world: &World, link: &str) -> Page {
    let browser = world.app.browser();
    let page = browser.get(link).await;
    browser.submit(&page, &[("password", OTHER_PASSWORD)]).await
}

#[tokio::test]
async fn a_stranger_who_came_first_keeps_nothing() {
    let world = World::nodes_with(2, |_| {}).await;
    let client = world.confidential().await;
    let mallory = stranger(&world, OWNERS).await;
    let verification = last_link(&world.app, OWNERS).await;
    let tokens = world.tokens(&mallory, &client).await;
    let code = world.login(&mallory, &client).await;
    let page = mallory.get("/account").await;
    let change = [("email", "mallory@example.com"), ("password", PASSWORD)];
    mallory.submit(&page, &change).await;
    let taking_away = last_link(&world.app, "mallory@example.com").await;

    let link = reset_link(&world, OWNERS).await;
    assert!(link.starts_with("/reset-password"), "{link}");
    let mail = mails(&world.app, OWNERS).await.pop().unwrap();
    assert!(mail.contains("has not been confirmed yet"), "{mail}");
    let page = reset(&world, &link).await;
    assert_eq!(page.heading(), "Password changed");
    assert!(
        page.text().contains("Your address is confirmed"),
        "{}",
        page.text()
    );

    assert!(!is_signed_in(&mallory).await);
    assert!(
        guess(&world.app.identity, OWNERS, PASSWORD, "192.0.2.1")
            .await
            .is_err()
    );
    for node in &world.app.nodes {
        for token in ["access_token", "refresh_token"] {
            let fields = [("token", text(&tokens, token))];
            let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
            let answer = world
                .post_as_to(node, &client, "/oauth/introspect", &fields)
                .await;
            assert_eq!(answer.text, r#"{"active":false}"#, "{token}");
        }
    }
    let refreshed = world.refresh(&client, &text(&tokens, "refresh_token")).await;
    assert_eq!(refreshed.error(), (400, "invalid_grant".to_owned()));
    let redeemed = world.redeem(&client, &code).await;
    assert_eq!(redeemed.error(), (400, "invalid_grant".to_owned()));
    for link in [&verification, &taking_away, &link] {
        let page = world.app.browser().get(link).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{link}");
    }
    for nothing in ["consents", "sessions", "one_time_links", "email_changes"] {
        let rows = world.number(&format!("SELECT count(*) FROM {nothing}")).await;
        assert_eq!(rows, 0, "{nothing}");
    }

    let started = guess(&world.app.identity, OWNERS, OTHER_PASSWORD, "192.0.2.1").await;
    let grace = started.unwrap().user_id;
    assert!(load(&world.app, grace).await.email_verified);
    let done = actions(&world.app, grace).await;
    for action in [
        "password.reset",
        "email.verified",
        "consent.revoked",
        "session.ended",
    ] {
        assert!(done.contains(action), "{action} is not in {done:?}");
    }
    let browser = world.app.browser();
    sign_in(&browser, OWNERS, OTHER_PASSWORD).await;
    assert!(
        !browser
            .get("/account/apps")
            .await
            .text()
            .contains("Weather Watch")
    );
    // What comes now is the owner's.
    world.tokens(&browser, &client).await;
}

#[tokio::test]
async fn a_reset_of_a_verified_address_leaves_apps_to_be_reviewed() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let tokens = world.tokens(&browser, &client).await;
    let link = reset_link(&world, "ada@example.com").await;
    let page = reset(&world, &link).await;
    assert!(page.text().contains("everybody is signed out"), "{}", page.text());
    assert!(page.html.contains("href=\"/account/apps\""));
    assert!(!is_signed_in(&browser).await);
    world
        .refresh(&client, &text(&tokens, "refresh_token"))
        .await
        .good();
}

#[tokio::test]
async fn nothing_is_planted_in_an_account_whose_address_nobody_has_proved() {
    let world = World::start().await;
    let mallory = stranger(&world, OWNERS).await;
    let before = world.rows().await;
    let apps = mallory.get("/apps").await;
    let mut links = apps.html.split("href=\"");
    let own = links.find(|link| link.starts_with("/apps/app_")).unwrap();
    let own = own.split(['"', '?']).next().unwrap().to_owned();
    let token = apps.forms()[0].value("csrf_token").unwrap().to_owned();
    for path in ["/apps/new".to_owned(), format!("{own}/clients/new")] {
        let page = mallory.get(&path).await;
        assert_eq!(page.url.path(), "/account", "{path}");
        assert!(
            page.text().contains("Confirm your e-mail address first"),
            "{}",
            page.text()
        );
        assert!(
            page.forms()
                .iter()
                .any(|form| form.action.path() == "/account/email/resend")
        );
    }
    let redirect = ("redirect_uris", "https://mallory.example/");
    for path in ["/apps/new".to_owned(), own.clone(), format!("{own}/clients/new")] {
        let fields = [
            ("csrf_token", token.as_str()),
            ("name", "Planted"),
            ("type", "public"),
            redirect,
        ];
        let answer = mallory
            .client
            .post(world.app.url(&path))
            .form(&fields)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
        assert_eq!(answer.headers()["location"], "/account", "{path}");
    }
    assert_eq!(world.rows().await, before);

    // Whoever reads the mail and is signed in goes on.
    let page = mallory.get(&last_link(&world.app, OWNERS).await).await;
    mallory.send(&page.forms()[0]).await;
    assert_eq!(mallory.get("/apps/new").await.url.path(), "/apps/new");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_beside_a_reset_leaves_no_session_behind() {
    let world = World::start().await;
    let held = ConsentsAndGrants(world.app.authority.clone());
    for round in 0..10 {
        let email = format!("grace{round}@example.com");
        stranger(&world, &email).await;
        let link = reset_link(&world, &email).await;
        let token = Token::presented(link.split_once("token=").unwrap().1);
        let identity = &world.app.identity;
        let from = context("192.0.2.1");
        let (done, _) = join(
            identity.reset_password(&token, OTHER_PASSWORD.to_owned().into(), &held, &from),
            guess(identity, &email, PASSWORD, "192.0.2.7"),
        )
        .await;
        done.unwrap();
        assert_eq!(
            world.number("SELECT count(*) FROM sessions").await,
            0,
            "round {round}"
        );
        world.app.advance(Duration::from_mins(20));
    }
}

/// Does `sql` to everybody while `act` waits to write down what its look at the password was for.
async fn in_the_middle<T>(world: &World, sql: &str, act: impl Future<Output = T>) -> T {
    let mut blocker = world.database().await;
    let held = blocker.transaction().await.unwrap();
    held.execute("SELECT * FROM users FOR UPDATE", &[]).await.unwrap();
    let meanwhile = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        until("an act that waits", async || world.number(waiting).await > 0).await;
        held.batch_execute(sql).await.unwrap();
        held.commit().await.unwrap();
    };
    join(act, meanwhile).await.0
}

/// Lets everybody be blocked in the middle of `act`, and then let in again.
async fn blocked_in_the_middle<T>(world: &World, act: impl Future<Output = T>) -> T {
    let sql = "UPDATE users SET blocked_at = now(); DELETE FROM sessions";
    let done = in_the_middle(world, sql, act).await;
    assert_eq!(world.number("SELECT count(*) FROM sessions").await, 0);
    execute(&world.app, "UPDATE users SET blocked_at = NULL").await;
    done
}

#[tokio::test]
async fn a_password_looked_at_before_a_block_signs_nobody_in_after_it() {
    let world = World::start().await;
    let identity = &world.app.identity;
    let sign_in = Box::pin(guess(identity, "ada@example.com", flow::PASSWORD, "192.0.2.7"));
    let started = blocked_in_the_middle(&world, sign_in).await;
    assert!(matches!(started, Err(SignInError::Refused)), "{started:?}");
    let refused = "SELECT count(*) FROM audit_records WHERE action = 'session.refused'";
    assert_eq!(world.number(refused).await, 1);
}

#[tokio::test]
async fn a_change_of_password_begun_before_a_block_changes_nothing_after_it() {
    let world = World::start().await;
    let browser = world.browser().await;
    let page = browser.get("/account").await;
    let fields = [("password", flow::PASSWORD), ("new_password", OTHER_PASSWORD)];
    blocked_in_the_middle(&world, Box::pin(browser.submit(&page, &fields))).await;
    assert!(!is_signed_in(&browser).await);
    guess(
        &world.app.identity,
        "ada@example.com",
        flow::PASSWORD,
        "192.0.2.7",
    )
    .await
    .expect("the password is the old one");
}

/// What another sign-in does to the hash of a password: it makes a stronger one of the same.
async fn hashed_anew(password: &str) -> String {
    let hasher = PasswordHasher::new(&Passwords::default(), Entropy::system()).unwrap();
    let hash = hasher.hash(password.to_owned().into()).await.unwrap();
    format!("UPDATE users SET password_hash = '{hash}'")
}

#[tokio::test]
async fn a_hash_made_anew_meanwhile_does_not_make_the_password_wrong() {
    let world = World::start().await;
    let identity = &world.app.identity;
    let anew = hashed_anew(flow::PASSWORD).await;
    let sign_in = Box::pin(guess(identity, "ada@example.com", flow::PASSWORD, "192.0.2.7"));
    in_the_middle(&world, &anew, sign_in).await.expect("a sign-in");

    let browser = world.browser().await;
    let page = browser.get("/account").await;
    let fields = [("password", flow::PASSWORD), ("new_password", OTHER_PASSWORD)];
    let anew = hashed_anew(flow::PASSWORD).await;
    in_the_middle(&world, &anew, Box::pin(browser.submit(&page, &fields))).await;
    guess(identity, "ada@example.com", OTHER_PASSWORD, "192.0.2.7")
        .await
        .expect("the new password");

    let link = reset_link(&world, "ada@example.com").await;
    let browser = world.app.browser();
    let page = browser.get(&link).await;
    let fields = [("password", PASSWORD)];
    let anew = hashed_anew(OTHER_PASSWORD).await;
    let page = in_the_middle(&world, &anew, Box::pin(browser.submit(&page, &fields))).await;
    assert_eq!(page.heading(), "Password changed");
    guess(identity, "ada@example.com", PASSWORD, "192.0.2.7")
        .await
        .expect("the password by the link");
    let refused = "SELECT count(*) FROM audit_records WHERE action = 'session.refused'";
    assert_eq!(world.number(refused).await, 0);
}

#[tokio::test]
async fn what_a_stranger_is_about_to_allow_is_refused_after_the_reset() {
    let world = World::start().await;
    let client = world.confidential().await;
    let mallory = stranger(&world, OWNERS).await;
    let page = mallory.get(&world.ask(&client).path()).await;
    let link = reset_link(&world, OWNERS).await;
    // The click has come while the session stood, and is held up until the reset is through.
    let mut holder = world.database().await;
    let held = holder.transaction().await.unwrap();
    held.execute("SELECT * FROM authorization_requests FOR UPDATE", &[])
        .await
        .unwrap();
    let meanwhile = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        until("a click that waits", async || world.number(waiting).await > 0).await;
        assert_eq!(reset(&world, &link).await.heading(), "Password changed");
        held.rollback().await.unwrap();
    };
    let (allowed, ()) = join(mallory.submit(&page, &[("decision", "approve")]), meanwhile).await;
    assert!(allowed.leads_to().is_none(), "{:?}", allowed.leads_to());
    assert_eq!(world.number("SELECT count(*) FROM consents").await, 0);
}

#[tokio::test]
async fn a_code_of_a_session_that_has_ended_gives_nothing() {
    let world = World::nodes_with(2, |_| {}).await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    // A thief's, say, who hopes to come back with it after the owner has chosen another password.
    let login = world.login(&browser, &client).await;
    let link = reset_link(&world, "ada@example.com").await;
    reset(&world, &link).await;
    for node in &world.app.nodes {
        let redeemed = world.redeem_at(node, &client, &login).await;
        assert_eq!(redeemed.error(), (400, "invalid_grant".to_owned()));
    }
    assert_eq!(world.number("SELECT count(*) FROM grants").await, 0);
}
