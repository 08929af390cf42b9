//! The token endpoint: what it takes, what it refuses, and in which words.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use claviger::audit::By;
use claviger::oauth::clients::{self, GrantType};
use reqwest::{StatusCode, header::CONTENT_TYPE};

use super::flow::{Ask, Client, Login, World, answer, jwt_part, raw, text, verifier};

const INVALID_GRANT: (u16, &str) = (400, "invalid_grant");

fn is(error: &(u16, String), expected: (u16, &str)) -> bool {
    (error.0, error.1.as_str()) == expected
}

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
async fn nothing_that_comes_in_is_more_than_an_invalid_request() {
    let world = World::start().await;
    let client = world.public().await;
    let browser = world.browser().await;
    let login = world.login(&browser, &client).await;
    let url = world.app.url("/oauth/token");
    let whole = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(login.fields())
        .append_pair("client_id", &client.id.to_string())
        .finish();
    let post = || world.http.post(&url);
    let mut refused = Vec::new();
    refused.push(("no body", post()));
    refused.push(("no content type", post().body(whole.clone())));
    for content_type in ["application/json", "multipart/form-data", "text/plain"] {
        refused.push((
            content_type,
            post().header(CONTENT_TYPE, content_type).body(whole.clone()),
        ));
    }
    for (what, more) in [
        (
            "twice the grant type",
            "&grant_type=authorization_code".to_owned(),
        ),
        ("twice the code", format!("&code={}", login.code)),
        ("twice what nobody knows", "&x=1&x=1".to_owned()),
        ("twice the client", format!("&client_id={}", client.id)),
        ("invalid UTF-8", "&x=%FF".to_owned()),
        ("half a character", "&x=%C3".to_owned()),
        ("NUL", "&x=a%00b".to_owned()),
        ("more than 64 KiB", format!("&x={}", "a".repeat(64 * 1024))),
    ] {
        refused.push((what, raw(post(), format!("{whole}{more}"))));
    }
    refused.push((
        "bytes",
        raw(post(), [whole.as_bytes(), b"&x=\xff\xfe\0"].concat()),
    ));
    for (name, _) in login.fields() {
        let fields: Vec<_> = login
            .fields()
            .into_iter()
            .filter(|(own, _)| *own != name)
            .collect();
        if name != "redirect_uri" {
            let client_id = client.id.to_string();
            let form = fields.iter().map(|(name, value)| (*name, value.as_str()));
            let form: Vec<_> = form.chain([("client_id", client_id.as_str())]).collect();
            refused.push((name, post().form(&form)));
        }
    }
    for bad in [
        "a".repeat(42),
        "a".repeat(129),
        format!("{} ", "a".repeat(42)),
        "é".repeat(43),
    ] {
        let form: Vec<(&str, String)> = login
            .fields()
            .into_iter()
            .map(|(name, value)| {
                (
                    name,
                    if name == "code_verifier" {
                        bad.clone()
                    } else {
                        value
                    },
                )
            })
            .chain([("client_id", client.id.to_string())])
            .collect();
        let answer = answer(post().form(&form)).await;
        assert!(
            is(&answer.error(), (400, "invalid_grant")),
            "{bad}: {}",
            answer.text
        );
    }
    for (what, request) in refused {
        let answer = answer(request).await;
        assert!(
            is(&answer.error(), (400, "invalid_request")),
            "{what}: {} {}",
            answer.status,
            answer.text
        );
        assert_eq!(answer.header("cache-control"), "no-store", "{what}");
        assert!(answer.json()["error_description"].is_string(), "{what}");
    }
    // What is not known is ignored, and content type parameters are, too.
    let sound = post()
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=UTF-8")
        .body(format!("{whole}&x=1&y=&z"));
    answer(sound).await.good();
}

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
        let by = super::flow::Client {
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

#[tokio::test]
async fn each_error_is_worded_once() {
    let world = World::with(|config| config.limits.client_failures_per_minute = 1).await;
    let (client, public) = (world.confidential().await, world.public().await);
    let browser = world.browser().await;
    let tokens = world.tokens(&browser, &client).await;
    let refresh_token = text(&tokens, "refresh_token");
    let mut wire = String::new();
    let mut keep = |what: &str, answer: super::flow::Answer| {
        wire.push_str(&format!("{what}\n  {} {}\n", answer.status, answer.text));
        for name in [
            "cache-control",
            "pragma",
            "content-type",
            "www-authenticate",
            "retry-after",
        ] {
            if answer.headers.contains_key(name) {
                wire.push_str(&format!("  {name}: {}\n", answer.header(name)));
            }
        }
    };
    let as_client = async |path: &str, fields: &[(&str, &str)]| world.post_as(&client, path, fields).await;
    for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke"] {
        keep(
            &format!("{path}: no body"),
            answer(world.http.post(world.app.url(path))).await,
        );
        keep(
            &format!("{path}: nothing asked for"),
            as_client(path, &[("x", "1")]).await,
        );
        keep(
            &format!("{path}: no client"),
            world.post(path, &[("token", "x")]).await,
        );
    }
    keep(
        "unsupported_grant_type",
        as_client("/oauth/token", &[("grant_type", "password")]).await,
    );
    keep(
        "unauthorized_client",
        as_client("/oauth/token", &[("grant_type", "client_credentials")]).await,
    );
    keep(
        "invalid_grant: code",
        as_client(
            "/oauth/token",
            &[
                ("grant_type", "authorization_code"),
                ("code", "x"),
                ("code_verifier", &verifier()),
            ],
        )
        .await,
    );
    keep("invalid_grant: refresh", world.refresh(&client, "x").await);
    keep(
        "invalid_scope",
        as_client(
            "/oauth/token",
            &[
                ("grant_type", "refresh_token"),
                ("refresh_token", &refresh_token),
                ("scope", "tokens:introspect"),
            ],
        )
        .await,
    );
    keep(
        "introspection by a public client",
        world.introspect(&public, "x").await,
    );
    keep(
        "userinfo without a token",
        answer(world.http.get(world.app.url("/oauth/userinfo"))).await,
    );
    keep("userinfo with a bad token", world.userinfo("x").await);
    let basic = world.http.post(world.app.url("/oauth/token"));
    let basic = basic
        .basic_auth(client.id, Some("wrong"))
        .form(&[("grant_type", "client_credentials")]);
    keep("invalid_client: basic", answer(basic).await);
    keep(
        "throttled",
        as_client("/oauth/token", &[("grant_type", "client_credentials")]).await,
    );
    insta::assert_snapshot!(wire);
}

#[tokio::test]
async fn a_developer_finds_every_refusal_in_the_request_log() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let mut unproved = client.clone();
    unproved.secret = None;
    world.refresh(&client, "x").await;
    world.introspect(&unproved, "x").await;
    world.post_as(&client, "/oauth/revoke", &[("x", "1")]).await;
    let elsewhere = world.ask(&client).with("redirect_uri", "https://evil.example/");
    browser.get(&elsewhere.path()).await;
    let page = browser.get(&world.ask(&client).path()).await;
    browser.submit(&page, &[("decision", "deny")]).await;
    let expected = [
        ("authorize", "access_denied"),
        ("authorize", "invalid_request"),
        ("introspect", "invalid_client"),
        ("revoke", "invalid_request"),
        ("token", "invalid_grant"),
    ];
    let sql =
        "SELECT endpoint, error, description FROM client_requests WHERE error IS NOT NULL ORDER BY 1, 2";
    let mut descriptions = String::new();
    crate::support::wait::until("the request log", async || {
        let rows = world.database().await.query(sql, &[]).await.unwrap();
        let logged: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        descriptions = rows.iter().map(|row| row.get::<_, String>(2)).collect();
        logged
            .iter()
            .map(|(endpoint, error)| (endpoint.as_str(), error.as_str()))
            .eq(expected)
    })
    .await;
    // In the log alone: what was sent, and what is registered.
    assert!(
        descriptions.contains("got https://evil.example/, registered: https://app.example/callback"),
        "{descriptions}"
    );
}
