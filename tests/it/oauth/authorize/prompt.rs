//! Who is to sign in, choose or prove again before the client is answered (OpenID Connect Core §3.1.2.1).

use std::time::Duration;

use super::{error_of, is_sign_in};
use crate::oauth::flow::{CALLBACK, PASSWORD, World, create_user, jwt_part, landed, parameter, text};

#[tokio::test]
async fn a_silent_request_never_shows_a_page() {
    let world = World::start().await;
    let client = world.confidential().await;
    let silent = || world.ask(&client).with("prompt", "none");
    let stranger = world.app.browser();
    assert_eq!(
        error_of(&world, &stranger.get(&silent().path()).await),
        "login_required"
    );
    // Not even where the request is at fault.
    for (ask, expected) in [
        (silent().without("code_challenge"), "invalid_request"),
        (silent().with("scope", "unheard-of"), "invalid_scope"),
        (silent().also("nonce", "1").also("nonce", "2"), "invalid_request"),
    ] {
        assert_eq!(error_of(&world, &stranger.get(&ask.path()).await), expected);
    }
    let browser = world.browser().await;
    assert_eq!(
        error_of(&world, &browser.get(&silent().path()).await),
        "consent_required"
    );
    world.login(&browser, &client).await;
    assert!(parameter(&landed(&browser.get(&silent().path()).await), "code").is_some());
    world.app.advance(Duration::from_secs(100));
    let page = browser.get(&silent().with("max_age", "10").path()).await;
    assert_eq!(error_of(&world, &page), "login_required");
    let claims = r#"{"id_token": {"sub": {"value": "usr_00000000000000000000000000"}}}"#;
    let page = browser.get(&silent().with("claims", claims).path()).await;
    assert_eq!(error_of(&world, &page), "login_required");
}

#[tokio::test]
async fn a_login_can_be_asked_for_again() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    world.login(&browser, &client).await;
    world.app.advance(Duration::from_secs(100));
    for ask in [
        world.ask(&client).with("prompt", "login"),
        world.ask(&client).with("max_age", "10"),
        world.ask(&client).with("max_age", "0"),
    ] {
        let page = browser.get(&ask.path()).await;
        assert!(
            page.leads_to().is_none() && page.text().contains("password once more"),
            "{}",
            page.text()
        );
        // Going on without it leads nowhere but back.
        let id = page.forms()[0].value("request").unwrap().to_owned();
        let around = browser
            .get(&format!("/oauth/authorize/continue?request={id}"))
            .await;
        assert!(around.leads_to().is_none() && around.text().contains("password once more"));
        world.app.advance(Duration::from_secs(1));
        let at = world.app.authority.clock.unix();
        let page = browser.submit(&page, &[("password", PASSWORD)]).await;
        let login = crate::oauth::flow::Login {
            code: parameter(&landed(&page), "code").unwrap(),
            verifier: ask.verifier.clone(),
            redirect_uri: CALLBACK.to_owned(),
        };
        let tokens = world.redeem(&client, &login).await.good();
        assert_eq!(jwt_part(&text(&tokens, "id_token"), 1)["auth_time"], at);
        world.app.advance(Duration::from_secs(100));
    }
    let page = browser
        .get(&world.ask(&client).with("max_age", "1000").path())
        .await;
    assert!(parameter(&landed(&page), "code").is_some());
}

#[tokio::test]
async fn the_age_of_a_login_is_measured_when_the_request_is_answered() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    for (most, reading, asked_anew) in [
        ("600", 599, false),
        ("600", 601, true),
        // However little the app allows, there is time to read what it asks for, or nobody would ever be done.
        ("0", 240, false),
        ("30", 240, false),
        ("30", 301, true),
    ] {
        world.app.advance(Duration::from_secs(3600));
        let ask = world.ask(&client).with("max_age", most).with("prompt", "consent");
        let page = browser.get(&ask.path()).await;
        world.app.advance(Duration::from_secs(1));
        let page = browser.submit(&page, &[("password", PASSWORD)]).await;
        world.app.advance(Duration::from_secs(reading));
        let mut page = browser.submit(&page, &[("decision", "approve")]).await;
        assert_eq!(
            page.text().contains("password once more"),
            asked_anew,
            "{most}, {reading}: {}",
            page.text()
        );
        if asked_anew {
            page = browser.submit(&page, &[("password", PASSWORD)]).await;
            world.app.advance(Duration::from_secs(20));
            page = browser.submit(&page, &[("decision", "approve")]).await;
        }
        assert!(parameter(&landed(&page), "code").is_some(), "{most}, {reading}");
    }
    // Somebody who was signed in before, and young enough when the request came.
    world.app.advance(Duration::from_secs(100));
    let ask = world
        .ask(&client)
        .with("max_age", "600")
        .with("prompt", "consent");
    let page = browser.get(&ask.path()).await;
    world.app.advance(Duration::from_secs(600));
    let page = browser.submit(&page, &[("decision", "approve")]).await;
    assert!(page.text().contains("password once more"), "{}", page.text());
}

#[tokio::test]
async fn an_account_can_be_chosen() {
    let world = World::start().await;
    create_user(&world.app, "Grace", "grace@example.com", false).await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    world.login(&browser, &client).await;
    world.app.advance(Duration::from_secs(1));
    let ask = world.ask(&client).with("prompt", "select_account");
    let page = browser.get(&ask.path()).await;
    assert!(page.heading().contains("Choose an account"), "{}", page.text());
    let stays = browser.submit(&page, &[("choice", "continue")]).await;
    assert!(parameter(&landed(&stays), "code").is_some());

    world.app.advance(Duration::from_secs(1));
    let page = browser.get(&ask.path()).await;
    let sign_in = browser.submit(&page, &[("choice", "another")]).await;
    assert!(is_sign_in(&sign_in), "{}", sign_in.text());
    let consent = browser
        .submit(
            &sign_in,
            &[("email", "grace@example.com"), ("password", PASSWORD)],
        )
        .await;
    assert!(consent.text().contains("grace@example.com"), "{}", consent.text());
    let page = browser.submit(&consent, &[("decision", "approve")]).await;
    assert!(parameter(&landed(&page), "code").is_some());
}

#[tokio::test]
async fn whom_the_client_means_is_whom_it_gets() {
    let world = World::start().await;
    let grace = create_user(&world.app, "Grace", "grace@example.com", false).await;
    let client = world.confidential().await;
    let other = world.public().await;
    let browser = world.browser().await;
    let tokens = world.tokens(&browser, &client).await;
    let hint = text(&tokens, "id_token");
    let ask = || world.ask(&client);

    // Of her, expired or not: on it goes.
    world.app.advance(Duration::from_secs(3_600));
    let page = browser.get(&ask().with("id_token_hint", &hint).path()).await;
    assert!(parameter(&landed(&page), "code").is_some());
    // Another client's, or no ID token: refused.
    let page = browser
        .get(&world.ask(&other).with("id_token_hint", &hint).path())
        .await;
    assert_eq!(error_of(&world, &page), "invalid_request");
    let access_token = text(&tokens, "access_token");
    let page = browser
        .get(&ask().with("id_token_hint", &access_token).path())
        .await;
    assert_eq!(error_of(&world, &page), "invalid_request");

    // Somebody else is meant: she may change over, and is not passed off as somebody she is not.
    let claims = format!(r#"{{"userinfo": {{"sub": {{"value": "{}"}}}}}}"#, grace.user.id);
    let page = browser.get(&ask().with("claims", &claims).path()).await;
    assert!(page.heading().contains("Choose an account"), "{}", page.text());
    let stays = browser.submit(&page, &[("choice", "continue")]).await;
    assert_eq!(error_of(&world, &stays), "login_required");
    let page = browser.get(&ask().with("claims", &claims).path()).await;
    let page = browser.submit(&page, &[("choice", "another")]).await;
    let page = browser
        .submit(&page, &[("email", "grace@example.com"), ("password", PASSWORD)])
        .await;
    let page = browser.submit(&page, &[("decision", "approve")]).await;
    assert!(parameter(&landed(&page), "code").is_some());
}

#[tokio::test]
async fn nobody_can_be_two_people() {
    let world = World::start().await;
    let grace = create_user(&world.app, "Grace", "grace@example.com", false).await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let tokens = world.tokens(&browser, &client).await;
    let ask = world
        .ask(&client)
        .with("id_token_hint", &text(&tokens, "id_token"));
    let subject = |member: &str, id| format!(r#""{member}": {{"sub": {{"value": "{id}"}}}}"#);
    let (ada, grace) = (world.ada, grace.user.id);
    for claims in [
        format!("{{{}}}", subject("id_token", grace)),
        format!("{{{}, {}}}", subject("id_token", ada), subject("userinfo", grace)),
    ] {
        let page = browser.get(&ask.clone().with("claims", &claims).path()).await;
        assert_eq!(error_of(&world, &page), "invalid_request", "{claims}");
    }
    let claims = format!("{{{}, {}}}", subject("id_token", ada), subject("userinfo", ada));
    let page = browser.get(&ask.with("claims", &claims).path()).await;
    assert!(parameter(&landed(&page), "code").is_some());
}

#[tokio::test]
async fn a_strength_of_sign_in_that_is_essential_is_met_or_refused() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    world.login(&browser, &client).await;
    let ask = |acr: &str| {
        let claims = format!(r#"{{"id_token": {{"acr": {acr}}}}}"#);
        world.ask(&client).with("claims", &claims)
    };
    for unmet in [
        r#"{"essential": true, "values": ["phr", "phrh"]}"#,
        r#"{"essential": true, "value": "phr"}"#,
        r#"{"essential": true, "values": []}"#,
    ] {
        for ask in [ask(unmet), ask(unmet).with("prompt", "none")] {
            let page = browser.get(&ask.path()).await;
            assert_eq!(
                error_of(&world, &page),
                "unmet_authentication_requirements",
                "{unmet}"
            );
        }
        // Nobody is sent on before they have signed in.
        assert!(is_sign_in(&world.app.browser().get(&ask(unmet).path()).await));
    }
    for met in [
        r#"{"essential": true, "values": ["phr", "1"]}"#,
        r#"{"essential": true, "value": "1"}"#,
        r#"{"essential": true}"#,
        r#"{"values": ["phr"]}"#,
        r#"{"essential": false, "value": "phr"}"#,
        "null",
    ] {
        let page = browser.get(&ask(met).path()).await;
        assert!(parameter(&landed(&page), "code").is_some(), "{met}");
    }
    // `acr_values` is a wish.
    let page = browser
        .get(&world.ask(&client).with("acr_values", "phr").path())
        .await;
    assert!(parameter(&landed(&page), "code").is_some());
}

#[tokio::test]
async fn a_hint_fills_in_the_address() {
    let world = World::start().await;
    let client = world.confidential().await;
    let stranger = world.app.browser();
    let page = stranger
        .get(&world.ask(&client).with("login_hint", "ada@example.com").path())
        .await;
    assert!(is_sign_in(&page));
    assert_eq!(page.forms()[0].value("email"), Some("ada@example.com"));
    assert!(page.text().contains("Weather Watch"));
    // Nonsense fills in nothing, and cannot leave its place.
    let page = stranger
        .get(
            &world
                .ask(&client)
                .with("login_hint", "\"><script>alert(1)</script>")
                .path(),
        )
        .await;
    assert!(is_sign_in(&page) && !page.html.contains("<script>alert"));
}
