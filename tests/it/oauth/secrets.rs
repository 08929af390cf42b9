//! Every flow is driven; then no secret that was seen is in the log, nor at rest.

use std::time::Duration;

use claviger::audit::By;
use claviger::oauth::clients::{GrantType, add_secret};

use super::flow::{Login, PASSWORD, World, answer, create_user, landed, parameter, text, verifier};
use crate::{
    api,
    identity::last_link,
    support::{logs, seen::Seen},
};

#[tokio::test]
async fn no_secret_is_logged_or_at_rest() {
    let world = World::with(|config| config.keys.default_key_scope = Some("read:orders".to_owned())).await;
    create_user(&world.app, "Olga", "olga@example.com", true).await;
    let mut seen = Seen::default();
    seen.add("a password", PASSWORD);
    let client = world
        .register(|registration| registration.grant_types = GrantType::ALL.to_vec())
        .await;
    seen.add("a client secret", client.secret.clone().unwrap());
    let entity = world.app.authority.clients.get(client.id).await.unwrap().unwrap();
    let (more, _) = add_secret(
        &world.app.authority,
        &entity,
        claviger::types::ClientSecretId::new(&world.app.authority.clock, &world.app.authority.entropy),
        None,
        By::OPERATOR,
    )
    .await
    .unwrap();
    seen.add("a client secret", more.expose());

    // Sign-in, wrong and right, by a browser whose cookies are read off the wire.
    let browser = world.app.browser();
    let url = world.app.url("/sign-in");
    let raw = browser.client.get(&url).send().await.unwrap();
    for cookie in raw.headers().get_all("set-cookie") {
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        seen.add("the browser's cookie", pair.split_once('=').unwrap().1);
    }
    let page = browser.get("/sign-in").await;
    seen.page(&page);
    let wrong = "quite another lantern, far away";
    seen.add("a wrong password", wrong);
    let page = browser
        .submit(&page, &[("email", "ada@example.com"), ("password", wrong)])
        .await;
    seen.page(&page);
    let mut form = page.forms().remove(0);
    form.fields
        .retain(|(name, _)| name != "email" && name != "password");
    form.fields
        .push(("email".to_owned(), "ada@example.com".to_owned()));
    form.fields.push(("password".to_owned(), PASSWORD.to_owned()));
    let signed_in = browser
        .client
        .post(form.action.clone())
        .form(&form.fields)
        .send()
        .await
        .unwrap();
    let session = signed_in.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    seen.add("the session's cookie", session.split_once('=').unwrap().1);
    world.app.advance(Duration::from_secs(1));

    // Consent, redemption right and wrong, by either method.
    let ask = world.ask(&client);
    let page = browser.get(&ask.path()).await;
    seen.page(&page);
    let page = browser.submit(&page, &[("decision", "approve")]).await;
    let login = Login {
        code: parameter(&landed(&page), "code").unwrap(),
        verifier: ask.verifier.clone(),
        redirect_uri: client.redirect_uri.clone(),
    };
    seen.add("a code", &login.code);
    seen.add("a verifier", &login.verifier);
    let wrong = Login {
        verifier: verifier(),
        ..login.clone()
    };
    seen.add("a wrong verifier", &wrong.verifier);
    world.redeem(&client, &wrong).await;
    let tokens = world.redeem(&client, &login).await.good();
    seen.tokens(&tokens);
    let basic = world.http.post(world.app.url("/oauth/token"));
    let basic = basic.basic_auth(client.id, client.secret.as_ref());
    answer(basic.form(&[("grant_type", "client_credentials")]))
        .await
        .good();
    let fields = [("grant_type", "client_credentials")];
    seen.tokens(&world.post_as(&client, "/oauth/token", &fields).await.good());
    let mut guess = client.clone();
    guess.secret = Some("cs_a_wrong_guess_at_the_secret".to_owned());
    seen.add("a wrong client secret", guess.secret.clone().unwrap());
    world.post_as(&guess, "/oauth/token", &fields).await;

    // Refreshes: routine, repeated, from elsewhere, replayed; introspection, userinfo, revocation.
    let refreshed = world
        .refresh(&client, &text(&tokens, "refresh_token"))
        .await
        .good();
    seen.tokens(&refreshed);
    seen.tokens(
        &world
            .refresh(&client, &text(&tokens, "refresh_token"))
            .await
            .good(),
    );
    world
        .introspect(&client, &text(&refreshed, "access_token"))
        .await
        .good();
    world
        .introspect(&client, &text(&refreshed, "refresh_token"))
        .await
        .good();
    world.userinfo(&text(&refreshed, "access_token")).await.good();
    world.app.advance(Duration::from_secs(60));
    world.refresh(&client, &text(&tokens, "refresh_token")).await;
    world.redeem(&client, &login).await;
    let more = world.tokens(&browser, &client).await;
    seen.tokens(&more);
    world.revoke(&client, &text(&more, "access_token")).await;
    world.revoke(&client, &text(&more, "refresh_token")).await;

    // Silent, posted, refused and denied requests, with what only the client should see in them.
    let nonce = "a nonce of the client's own";
    seen.add("a nonce", nonce);
    for ask in [
        world.ask(&client).with("prompt", "none").with("nonce", nonce),
        world
            .ask(&client)
            .with("response_mode", "form_post")
            .with("nonce", nonce),
    ] {
        let page = browser.get(&ask.path()).await;
        if let Some(code) = page.leads_to().and_then(|url| parameter(&url, "code")) {
            seen.add("a code", code);
        }
        for form in page.forms() {
            if let Some(code) = form.value("code") {
                seen.add("a code", code);
            }
        }
    }
    browser
        .get(
            &world
                .ask(&client)
                .with("id_token_hint", &text(&tokens, "id_token"))
                .path(),
        )
        .await;

    // Somebody signs up by themselves, with a link by mail; and uses keys.
    let newcomer = world.app.browser();
    let page = newcomer.get("/sign-up").await;
    seen.page(&page);
    let fields = [
        ("name", "Nia"),
        ("email", "nia@example.com"),
        ("password", PASSWORD),
    ];
    let page = newcomer.submit(&page, &fields).await;
    seen.page(&page);
    let link = last_link(&world.app, "nia@example.com").await;
    seen.add("a link's token", link.rsplit_once('=').unwrap().1);
    newcomer.get(&link).await;
    let owner = create_user(&world.app, "Kim", "kim@example.com", false).await;
    let browser = world.browser_of("kim@example.com").await;
    api::secrets::drive(&world, &owner, &browser, &mut seen).await;

    // The request log is written a moment later than requests are answered.
    crate::support::wait::until("the request log", async || {
        world
            .number("SELECT count(*) FROM client_requests WHERE error IS NOT NULL")
            .await
            > 0
    })
    .await;
    world.app.mailer.flush().await;
    let (log, dump) = (logs::text(), world.dump().await);
    assert!(
        log.contains("replay") && dump.contains("grant.replayed"),
        "there was something to search"
    );
    assert!(
        dump.contains("key.leaked") && seen.len() > 35,
        "there was something to search for: {}",
        seen.len()
    );
    seen.are_nowhere(&log, &dump);
}

#[tokio::test]
async fn nothing_is_short_enough_to_be_guessed() {
    let world = World::start().await;
    let browser = world.browser().await;
    let client = world.confidential().await;
    let bytes = |text: &str| claviger::crypto::decode_base64url(text).unwrap().len();
    // 256 bits, all of them random.
    let cookies = browser.cookies("/");
    for name in ["claviger-browser", "claviger-session"] {
        let cookie = cookies.split("; ").find_map(|cookie| {
            let (own, value) = cookie.split_once('=')?;
            (own == name).then_some(value)
        });
        // Behind the dot of the browser's stands when it ends.
        let token = cookie.and_then(|cookie| cookie.split('.').next());
        assert_eq!(token.map(bytes), Some(32), "{name}");
    }
    let secret = client.secret.clone().unwrap();
    assert_eq!(secret.strip_prefix("cs_").map(bytes), Some(32));
    // The key's id, the grant's, the generation, and a MAC of 256 bits, of which no bit is idle.
    let tokens = world.tokens(&browser, &client).await;
    let refresh_token = text(&tokens, "refresh_token");
    let raw = claviger::crypto::decode_base64url(refresh_token.strip_prefix("rt_").unwrap()).unwrap();
    assert_eq!(raw.len(), 4 + 16 + 4 + 32);
    for bit in (24 * 8..raw.len() * 8).step_by(37) {
        let mut forged = raw.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        let forged = format!("rt_{}", claviger::crypto::encode_base64url(&forged));
        let refused = world.refresh(&client, &forged).await;
        assert_eq!(refused.error(), (400, "invalid_grant".to_owned()), "{bit}");
    }
    world.refresh(&client, &refresh_token).await.good();
}
