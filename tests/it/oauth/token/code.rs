//! Redemption of codes (RFC 6749 §4.1.3, RFC 7636 §4.5).

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::StatusCode;

use super::{INVALID_GRANT, is};
use crate::oauth::flow::{Ask, Login, World, answer, jwt_part, text, verifier};

#[tokio::test]
async fn a_public_client_redeems_its_code() {
    let world = World::start().await;
    let client = world.public().await;
    let browser = world.browser().await;
    let login = world.login(&browser, &client).await;
    let answer = world.redeem(&client, &login).await;
    let tokens = answer.good();

    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 900);
    assert_eq!(tokens["scope"], "email offline_access openid profile");
    assert!(text(&tokens, "refresh_token").len() > 40);

    let access_token = text(&tokens, "access_token");
    let header = jwt_part(&access_token, 0);
    assert_eq!(
        (header["typ"].as_str(), header["alg"].as_str()),
        (Some("at+jwt"), Some("ES256"))
    );
    assert!(header["kid"].is_string());
    let claims = jwt_part(&access_token, 1);
    let issuer = world.app.config.issuer();
    let now = world.app.authority.clock.unix();
    assert_eq!(claims["iss"], issuer.as_str());
    assert_eq!(claims["sub"], world.ada.to_string());
    assert_eq!(claims["aud"], issuer.as_str());
    assert_eq!(claims["client_id"], client.id.to_string());
    assert_eq!(claims["scope"], "email offline_access openid profile");
    assert_eq!(
        (
            claims["iat"].as_i64(),
            claims["nbf"].as_i64(),
            claims["exp"].as_i64()
        ),
        (Some(now), Some(now), Some(now + 900))
    );
    assert!(claims["auth_time"].as_i64().unwrap() <= now);
    assert!(claims["jti"].is_string() && claims["sid"].is_string());
}

#[tokio::test]
async fn a_confidential_client_redeems_by_either_method() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;

    let by_post = world.login(&browser, &client).await;
    world.redeem(&client, &by_post).await.good();

    let by_basic = world.login(&browser, &client).await;
    let request = world
        .http
        .post(world.app.url("/oauth/token"))
        .basic_auth(client.id, client.secret.as_ref())
        .form(&by_basic.fields());
    answer(request).await.good();

    // Both halves are form-encoded first (RFC 6749 §2.3.1), and may be so to the last character.
    let encoded = |text: &str| {
        text.bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect::<String>()
    };
    let encoded_login = world.login(&browser, &client).await;
    let credentials = format!(
        "{}:{}",
        encoded(&client.id.to_string()),
        encoded(client.secret.as_ref().unwrap())
    );
    let request = world
        .http
        .post(world.app.url("/oauth/token"))
        .header("authorization", format!("bAsIc {}", STANDARD.encode(credentials)))
        .form(&encoded_login.fields());
    answer(request).await.good();
}

#[tokio::test]
async fn the_redirect_uri_may_be_left_out_where_the_request_left_it_out() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let without = |ask: Ask| ask.without("redirect_uri");
    let login = world.login_with(&browser, without(world.ask(&client))).await;
    assert!(login.redirect_uri.is_empty());
    world.redeem(&client, &login).await.good();

    // Sent then, it must be sent again, and be the same.
    let login = world.login(&browser, &client).await;
    for redirect_uri in ["", "https://app.example/callback/", "https://app.example"] {
        let other = Login {
            redirect_uri: redirect_uri.to_owned(),
            ..login.clone()
        };
        let error = world.redeem(&client, &other).await.error();
        assert!(is(&error, INVALID_GRANT), "{redirect_uri}: {error:?}");
    }
    world.redeem(&client, &login).await.good();
}

#[tokio::test]
async fn whatever_is_wrong_with_a_code_reads_alike_and_uses_nothing_up() {
    let world = World::start().await;
    let (client, other) = (world.confidential().await, world.public().await);
    let browser = world.browser().await;
    let login = world.login(&browser, &client).await;
    let mut bodies = Vec::new();
    let mut refuse = async |what: &str, client, login: Login| {
        let answer = world.redeem(client, &login).await;
        assert!(is(&answer.error(), INVALID_GRANT), "{what}: {}", answer.text);
        assert_eq!(answer.header("cache-control"), "no-store");
        bodies.push(answer.text);
    };
    let with_code = |code: &str| Login {
        code: code.to_owned(),
        ..login.clone()
    };
    refuse(
        "a wrong verifier",
        &client,
        Login {
            verifier: verifier(),
            ..login.clone()
        },
    )
    .await;
    refuse("another client", &other, login.clone()).await;
    refuse(
        "another redirect URI",
        &client,
        Login {
            redirect_uri: "https://app.example/other".to_owned(),
            ..login.clone()
        },
    )
    .await;
    let mut tampered = login.code.clone().into_bytes();
    tampered[40] = if tampered[40] == b'A' { b'B' } else { b'A' };
    for code in [
        "x",
        "%00",
        "é",
        &login.code[1..],
        &login.code[..login.code.len() - 1],
        &String::from_utf8(tampered).unwrap(),
        &"A".repeat(5_000),
    ] {
        refuse(code, &client, with_code(code)).await;
    }

    // The owner still has the use of it.
    let tokens = world.redeem(&client, &login).await.good();

    let expired = world.login(&browser, &client).await;
    world.app.advance(Duration::from_secs(5 * 60));
    refuse("an expired one", &client, expired).await;

    // A replay that would not have been good the first time either revokes nothing …
    refuse(
        "a replay with a wrong verifier",
        &client,
        Login {
            verifier: verifier(),
            ..login.clone()
        },
    )
    .await;
    refuse("a replay of another client", &other, login.clone()).await;
    let refresh_token = text(&tokens, "refresh_token");
    assert!(world.is_active(&client, &refresh_token).await);
    assert!(world.is_active(&client, &text(&tokens, "access_token")).await);

    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:#?}");
}

#[tokio::test]
async fn a_second_redemption_takes_back_what_the_first_one_gave() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let login = world.login(&browser, &client).await;
    let tokens = world.redeem(&client, &login).await.good();
    let bystander = world.tokens(&browser, &client).await;
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    assert!(world.is_active(&client, &access).await && world.is_active(&client, &refresh).await);

    let again = world.redeem(&client, &login).await;
    assert!(is(&again.error(), INVALID_GRANT), "{}", again.text);
    assert!(!world.is_active(&client, &access).await);
    assert!(!world.is_active(&client, &refresh).await);
    assert_eq!(world.userinfo(&access).await.status, StatusCode::UNAUTHORIZED);
    assert!(is(&world.refresh(&client, &refresh).await.error(), INVALID_GRANT));

    // Another login of the same person at the same client is not touched.
    assert!(world.is_active(&client, &text(&bystander, "access_token")).await);
    assert!(world.is_active(&client, &text(&bystander, "refresh_token")).await);
    let replays =
        "SELECT count(*) FROM audit_records WHERE action = 'grant.replayed' AND outcome = 'refused'";
    assert_eq!(world.number(replays).await, 1);
}

#[tokio::test]
async fn a_code_dies_with_the_consent_that_it_came_of() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let login = world.login(&browser, &client).await;
    let page = browser.get(&format!("/account/apps/{}", client.id)).await;
    let form = page
        .forms()
        .into_iter()
        .find(|form| form.action.path().ends_with("/disconnect"))
        .unwrap();
    browser.send(&form).await;
    assert!(is(&world.redeem(&client, &login).await.error(), INVALID_GRANT));

    // Nor does a later consent bring it back.
    world.app.advance(Duration::from_secs(1));
    let later = world.login(&browser, &client).await;
    assert!(is(&world.redeem(&client, &login).await.error(), INVALID_GRANT));
    world.redeem(&client, &later).await.good();
}

#[tokio::test]
async fn a_code_dies_with_its_session_also_where_that_is_not_heard_of_yet() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let login = world.login(&browser, &client).await;
    // As another node does at this moment.
    let owner = world.database().await;
    owner.execute("DELETE FROM sessions", &[]).await.unwrap();
    assert!(is(&world.redeem(&client, &login).await.error(), INVALID_GRANT));
    assert_eq!(world.number("SELECT count(*) FROM grants").await, 0);
}

#[tokio::test]
async fn without_offline_access_an_openid_login_has_no_refresh_token() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let ask = world.ask(&client).with("scope", "openid email");
    let login = world.login_with(&browser, ask).await;
    let tokens = world.redeem(&client, &login).await.good();
    assert!(tokens.get("refresh_token").is_none() && tokens.get("id_token").is_some());
}
