//! How clients prove who they are (RFC 6749 §2.3), and get tokens for themselves (§4.4).

use std::time::Duration;

use claviger::audit::By;
use claviger::oauth::clients::{self, GrantType};
use reqwest::StatusCode;

use super::is;
use crate::oauth::flow::{Client, World, answer, jwt_part, text, verifier};

#[tokio::test]
async fn clients_prove_who_they_are_in_one_way() {
    let world = World::start().await;
    let (client, public) = (world.confidential().await, world.public().await);
    let url = world.app.url("/oauth/token");
    let id = client.id.to_string();
    let secret = client.secret.clone().unwrap();
    let grant = ("grant_type", "client_credentials");
    let basic = |secret: &str| world.http.post(&url).basic_auth(&id, Some(secret));

    let two = answer(basic(&secret).form(&[grant, ("client_secret", &secret)])).await;
    assert!(is(&two.error(), (400, "invalid_request")), "{}", two.text);
    let another = answer(basic(&secret).form(&[grant, ("client_id", &public.id.to_string())])).await;
    assert!(is(&another.error(), (400, "invalid_request")), "{}", another.text);

    let unproved = answer(world.http.post(&url).form(&[grant, ("client_id", &id)])).await;
    assert!(
        is(&unproved.error(), (401, "invalid_client")),
        "{}",
        unproved.text
    );
    let nobody = answer(world.http.post(&url).form(&[grant])).await;
    assert!(is(&nobody.error(), (401, "invalid_client")), "{}", nobody.text);

    let mut words = Vec::new();
    for (what, client_id, secret) in [
        ("a wrong secret", id.clone(), "cs_wrong"),
        (
            "an unknown client",
            "cli_00000000000000000000000000".to_owned(),
            &secret,
        ),
        ("no client id at all", "nonsense".to_owned(), &secret),
        (
            "a secret of a client that has none",
            public.id.to_string(),
            &secret,
        ),
    ] {
        let by_post = [grant, ("client_id", &client_id), ("client_secret", secret)];
        let by_post = answer(world.http.post(&url).form(&by_post)).await;
        assert!(
            is(&by_post.error(), (401, "invalid_client")),
            "{what}: {}",
            by_post.text
        );
        assert_eq!(by_post.header("www-authenticate"), "", "{what}");
        let by_basic = world.http.post(&url).basic_auth(&client_id, Some(secret));
        let by_basic = answer(by_basic.form(&[grant])).await;
        assert!(
            is(&by_basic.error(), (401, "invalid_client")),
            "{what}: {}",
            by_basic.text
        );
        assert!(
            by_basic.header("www-authenticate").starts_with("Basic realm="),
            "{what}"
        );
        assert_eq!(by_basic.header("cache-control"), "no-store", "{what}");
        words.push(by_post.text);
        words.push(by_basic.text);
    }
    words.dedup();
    assert_eq!(words.len(), 1, "{words:#?}");

    for header in ["Basic !!!", "Basic", "Basic YQ==", "Bearer x"] {
        let odd = world
            .http
            .post(&url)
            .header("authorization", header)
            .form(&[grant]);
        let odd = answer(odd).await;
        assert!(
            is(&odd.error(), (401, "invalid_client")),
            "{header}: {}",
            odd.text
        );
        assert!(!odd.header("www-authenticate").is_empty(), "{header}");
    }
}

#[tokio::test]
async fn what_stands_in_the_address_proves_nothing() {
    let world = World::start().await;
    let client = world
        .register(|registration| registration.grant_types.push(GrantType::ClientCredentials))
        .await;
    let (id, secret) = (client.id.to_string(), client.secret.clone().unwrap());
    let address = format!("/oauth/token?grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let answer = world
        .post(&address, &[("grant_type", "client_credentials")])
        .await;
    assert!(is(&answer.error(), (401, "invalid_client")), "{}", answer.text);
    let named = [("grant_type", "client_credentials"), ("client_id", &id)];
    let answer = world.post(&address, &named).await;
    assert!(is(&answer.error(), (401, "invalid_client")), "{}", answer.text);
}

#[tokio::test]
async fn secrets_overlap_while_they_are_rotated() {
    let world = World::start().await;
    let client = world
        .register(|registration| registration.grant_types.push(GrantType::ClientCredentials))
        .await;
    let authority = &world.app.authority;
    let works = async |secret: &str| {
        let by = crate::oauth::flow::Client {
            secret: Some(secret.to_owned()),
            ..client.clone()
        };
        let fields = [("grant_type", "client_credentials")];
        world.post_as(&by, "/oauth/token", &fields).await.status == StatusCode::OK
    };
    let old = client.secret.clone().unwrap();
    let entity = authority.clients.get(client.id).await.unwrap().unwrap();
    let (new, _) = clients::add_secret(
        authority,
        &entity,
        claviger::types::ClientSecretId::new(&authority.clock, &authority.entropy),
        None,
        By::OPERATOR,
    )
    .await
    .unwrap();
    assert!(works(&old).await && works(new.expose()).await);
    let first = entity.secrets[0].id;
    clients::revoke_secret(authority, &entity, first, By::OPERATOR)
        .await
        .unwrap();
    assert!(!works(&old).await && works(new.expose()).await);
}

#[tokio::test]
async fn guessing_secrets_is_slowed_down() {
    let world = World::with(|config| config.limits.client_failures_per_minute = 3).await;
    let client = world.confidential().await;
    let id = client.id.to_string();
    let guess = async || {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", id.as_str()),
            ("client_secret", "cs_guess"),
        ];
        world.post("/oauth/token", &fields).await
    };
    for _ in 0..3 {
        assert_eq!(guess().await.status, StatusCode::UNAUTHORIZED);
    }
    let stopped = guess().await;
    assert_eq!(stopped.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(stopped.header("retry-after"), "60");
    world.app.advance(Duration::from_secs(60));
    assert_eq!(guess().await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_broken_client_does_not_stop_the_others_behind_its_address() {
    let world = World::with(|config| {
        config.limits.client_failures_per_minute = 3;
        config.limits.address_failures_per_minute = 5;
    })
    .await;
    let (good, broken, guessed) = (
        world.confidential().await,
        world.confidential().await,
        world.confidential().await,
    );
    let works = async |client: &Client| world.introspect(client, "x").await.status;
    let fails = async |client: &Client| {
        let id = client.id.to_string();
        let fields = [("token", "x"), ("client_id", &id), ("client_secret", "cs_guess")];
        world.post("/oauth/introspect", &fields).await.status
    };
    assert_eq!(works(&good).await, StatusCode::OK);
    for _ in 0..3 {
        assert_eq!(fails(&broken).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(works(&broken).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(works(&good).await, StatusCode::OK);
    // The address is at its limit now. Whoever has not failed passes, and gets one try at it.
    for _ in 0..2 {
        assert_eq!(fails(&guessed).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(works(&guessed).await, StatusCode::TOO_MANY_REQUESTS);
    let nobody = Client {
        id: claviger::types::ClientId::from_uuid(uuid::Uuid::nil()),
        ..guessed.clone()
    };
    assert_eq!(works(&nobody).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(works(&good).await, StatusCode::OK);
    assert_eq!(fails(&good).await, StatusCode::UNAUTHORIZED);
    assert_eq!(works(&good).await, StatusCode::TOO_MANY_REQUESTS);
    world.app.advance(Duration::from_secs(60));
    assert_eq!(works(&good).await, StatusCode::OK);
}

#[tokio::test]
async fn a_client_gets_tokens_for_itself_if_it_may() {
    let world = World::start().await;
    let machine = world
        .register(|registration| {
            registration.redirect_uris.clear();
            registration.grant_types = vec![GrantType::ClientCredentials];
            registration.scopes = "tokens:introspect email".parse().unwrap();
        })
        .await;
    let ask = async |scope: &str| {
        let fields = [("grant_type", "client_credentials"), ("scope", scope)];
        world.post_as(&machine, "/oauth/token", &fields).await
    };
    let tokens = ask("").await.good();
    assert_eq!(tokens["scope"], "tokens:introspect");
    assert!(tokens.get("refresh_token").is_none() && tokens.get("id_token").is_none());
    let claims = jwt_part(&text(&tokens, "access_token"), 1);
    assert_eq!(claims["sub"], machine.id.to_string());
    assert!(claims.get("sid").is_none() && claims.get("auth_time").is_none());
    assert!(world.is_active(&machine, &text(&tokens, "access_token")).await);
    let userinfo = world.userinfo(&text(&tokens, "access_token")).await;
    assert_eq!(userinfo.status, StatusCode::FORBIDDEN);

    // What speaks of a person, what is not registered, what there is not, what is none.
    for scope in [
        "email",
        "openid",
        "tokens:introspect email",
        "unheard-of",
        "\"",
        "é",
    ] {
        let error = ask(scope).await.error();
        assert!(is(&error, (400, "invalid_scope")), "{scope}: {error:?}");
    }
    let code = world
        .post_as(
            &machine,
            "/oauth/token",
            &[
                ("grant_type", "authorization_code"),
                ("code", "x"),
                ("code_verifier", &verifier()),
            ],
        )
        .await;
    assert!(is(&code.error(), (400, "unauthorized_client")), "{}", code.text);
    let other = world.confidential().await;
    let refused = world
        .post_as(&other, "/oauth/token", &[("grant_type", "client_credentials")])
        .await;
    assert!(
        is(&refused.error(), (400, "unauthorized_client")),
        "{}",
        refused.text
    );
}
