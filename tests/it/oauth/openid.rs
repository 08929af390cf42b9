//! OpenID Connect, and whether what the server says of itself is true.

use claviger::{
    config::SigningAlgorithm,
    crypto::encode_base64url,
    oauth::clients::{ClientKind, GrantType},
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};

use super::flow::{Client, World, answer, landed, parameter, text};

/// Checks a token as a client would that knows the key set alone.
async fn verified(world: &World, token: &str, audience: &str) -> (Algorithm, Value) {
    let keys: JwkSet = serde_json::from_value(world.json("/.well-known/jwks.json").await).unwrap();
    let header = decode_header(token).unwrap();
    let key = keys
        .find(header.kid.as_ref().unwrap())
        .expect("the key is published");
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.set_audience(&[audience]);
    validation.set_issuer(&[world.app.config.issuer()]);
    let token = decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap();
    (header.alg, token.claims)
}

async fn client_of(world: &World, algorithm: SigningAlgorithm) -> Client {
    world
        .register(|registration| registration.id_token_alg = algorithm)
        .await
}

#[tokio::test]
async fn id_tokens_are_signed_as_the_client_registered_and_say_all_they_must() {
    let world = World::start().await;
    let browser = world.browser().await;
    for (registered, expected) in [
        (SigningAlgorithm::ES256, Algorithm::ES256),
        (SigningAlgorithm::EdDSA, Algorithm::EdDSA),
        (SigningAlgorithm::RS256, Algorithm::RS256),
    ] {
        let client = client_of(&world, registered).await;
        let ask = world.ask(&client).with("nonce", "n-0S6_WzA2Mj é");
        let login = world.login_with(&browser, ask).await;
        let tokens = world.redeem(&client, &login).await.good();
        let id = client.id.to_string();
        let (algorithm, mut claims) = verified(&world, &text(&tokens, "id_token"), &id).await;
        assert_eq!(algorithm, expected);
        let access_token = text(&tokens, "access_token");
        let half = match algorithm {
            Algorithm::EdDSA => Sha512::digest(&access_token)[..32].to_vec(),
            _ => Sha256::digest(&access_token)[..16].to_vec(),
        };
        let now = world.app.authority.clock.unix();
        let sid = claims.as_object_mut().unwrap().remove("sid").unwrap();
        assert!(sid.is_string());
        let auth_time = claims.as_object_mut().unwrap().remove("auth_time").unwrap();
        assert!(auth_time.as_i64().unwrap() < now);
        let expected = json!({
            "iss": world.app.config.issuer(), "sub": world.ada, "aud": id, "azp": id,
            "iat": now, "exp": now + 900, "nonce": "n-0S6_WzA2Mj é",
            "at_hash": encode_base64url(&half), "acr": "1", "amr": ["pwd"],
        });
        assert_eq!(claims, expected);
    }
}

#[tokio::test]
async fn access_tokens_have_the_configured_signature() {
    for (configured, expected) in [
        (SigningAlgorithm::EdDSA, Algorithm::EdDSA),
        (SigningAlgorithm::RS256, Algorithm::RS256),
    ] {
        let world = World::with(|config| config.oauth.access_token_alg = configured).await;
        let client = world.confidential().await;
        let browser = world.browser().await;
        let token = text(&world.tokens(&browser, &client).await, "access_token");
        let issuer = world.app.config.issuer();
        assert_eq!(verified(&world, &token, &issuer).await.0, expected);
        assert!(world.is_active(&client, &token).await);
    }
}

#[tokio::test]
async fn claims_come_in_the_id_token_if_they_are_asked_for_there() {
    let world = World::start().await;
    let client = world.confidential().await;
    let narrow = world
        .register(|registration| registration.scopes = "openid email".parse().unwrap())
        .await;
    let browser = world.browser().await;
    let wanted = r#"{"id_token": {"email": null, "name": {"essential": true}, "birthdate": null}}"#;
    for (client, scope, expected) in [
        (&client, "openid email", vec!["email", "name"]),
        (&client, "openid profile email", vec!["email", "name"]),
        (&client, "openid", vec!["email", "name"]),
        // What the client may not have is left out, essential or not.
        (&narrow, "openid", vec!["email"]),
    ] {
        let ask = world.ask(client).with("scope", scope).with("claims", wanted);
        let login = world.login_with(&browser, ask).await;
        let tokens = world.redeem(client, &login).await.good();
        let (_, claims) = verified(&world, &text(&tokens, "id_token"), &client.id.to_string()).await;
        for name in ["email", "name", "email_verified", "birthdate"] {
            assert_eq!(
                claims.get(name).is_some(),
                expected.contains(&name),
                "{scope}: {name}"
            );
        }
    }
    // No openid, no ID token.
    let ask = world.ask(&client).with("scope", "email").with("claims", wanted);
    let tokens = world
        .redeem(&client, &world.login_with(&browser, ask).await)
        .await
        .good();
    assert_eq!(
        (tokens.get("id_token"), &tokens["scope"]),
        (None, &json!("email"))
    );
}

#[tokio::test]
async fn a_claim_that_no_scope_gives_asks_for_the_one_that_does() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let ask = || world.ask(&client).with("scope", "openid");
    world.login_with(&browser, ask()).await;
    let wanted = r#"{"userinfo": {"email": {"essential": true}}}"#;
    let ask = || ask().with("claims", wanted);
    // Without a page nobody can be asked for it, and that is no error (OIDC Core 5.5.1).
    let silent = world.login_with(&browser, ask().with("prompt", "none")).await;
    assert_eq!(world.redeem(&client, &silent).await.good()["scope"], "openid");
    let page = browser.get(&ask().path()).await;
    assert!(page.text().contains("e-mail address"), "{}", page.text());
    for ask in [ask(), ask().with("prompt", "none")] {
        let login = world.login_with(&browser, ask).await;
        let tokens = world.redeem(&client, &login).await.good();
        assert_eq!(tokens["scope"], "email openid");
        let told = world.userinfo(&text(&tokens, "access_token")).await.good();
        assert_eq!(told["email"], "ada@example.com");
        let (_, claims) = verified(&world, &text(&tokens, "id_token"), &client.id.to_string()).await;
        assert_eq!(claims.get("email"), None);
    }
}

#[tokio::test]
async fn pages_are_english_whatever_language_is_asked_for() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let metadata = world.json("/.well-known/openid-configuration").await;
    assert_eq!(strings(&metadata, "ui_locales_supported"), ["en"]);
    for wish in ["fr-CA fr en", "de", "x y z", "-"] {
        let page = browser
            .get(&world.ask(&client).with("ui_locales", wish).path())
            .await;
        assert_eq!(page.status, StatusCode::OK, "{wish}");
        assert!(page.html.contains("<html lang=\"en\""), "{wish}");
    }
}

fn strings(metadata: &Value, name: &str) -> Vec<String> {
    let list = metadata[name].as_array().unwrap_or_else(|| panic!("no {name}"));
    list.iter()
        .map(|value| value.as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn everything_that_is_advertised_is_true() {
    let world = World::start().await;
    let metadata = world.json("/.well-known/openid-configuration").await;
    assert_eq!(
        metadata,
        world.json("/.well-known/oauth-authorization-server").await
    );
    let issuer = world.app.config.issuer();
    assert_eq!(text(&metadata, "issuer"), issuer);
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    for name in ["request_parameter_supported", "request_uri_parameter_supported"] {
        assert_eq!(metadata[name], false, "{name}");
    }
    assert_eq!(strings(&metadata, "response_types_supported"), ["code"]);
    assert_eq!(strings(&metadata, "code_challenge_methods_supported"), ["S256"]);
    assert_eq!(strings(&metadata, "subject_types_supported"), ["public"]);

    // The endpoints are there, each for its method.
    let endpoint = |name: &str| text(&metadata, name);
    for name in ["token_endpoint", "introspection_endpoint", "revocation_endpoint"] {
        let answer = answer(world.http.post(endpoint(name))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}");
        let wrong = super::flow::answer(world.http.get(endpoint(name))).await;
        assert_eq!(wrong.status, StatusCode::METHOD_NOT_ALLOWED, "{name}");
    }
    let keys = answer(world.http.get(endpoint("jwks_uri"))).await;
    assert_eq!(keys.status, StatusCode::OK);
    assert!(
        keys.header("cache-control").contains("max-age="),
        "{:?}",
        keys.headers
    );
    assert!(!keys.text.contains("\"d\""), "private halves stay private");
    let of_keys: Vec<String> = keys.json()["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| text(key, "alg"))
        .collect();
    let browser = world.browser().await;

    // Each algorithm of ID tokens, with each scope that is on offer to anybody.
    let algorithms = strings(&metadata, "id_token_signing_alg_values_supported");
    assert_eq!(algorithms.len(), 3);
    for name in algorithms {
        assert!(of_keys.contains(&name));
        let algorithm: SigningAlgorithm = serde_json::from_value(json!(name)).unwrap();
        let client = client_of(&world, algorithm).await;
        let tokens = world.tokens(&browser, &client).await;
        let (signed, _) = verified(&world, &text(&tokens, "id_token"), &client.id.to_string()).await;
        assert_eq!(format!("{signed:?}"), name);
    }
    let scopes = strings(&metadata, "scopes_supported").join(" ");
    let everything = world
        .register(|registration| {
            registration.scopes = scopes.parse().unwrap();
            registration.grant_types = GrantType::ALL.to_vec();
        })
        .await;
    let claims = r#"{"id_token": {"name": null, "email": null, "email_verified": null}}"#;
    let ask = world
        .ask(&everything)
        .with("scope", &scopes)
        .with("claims", claims)
        .with("nonce", "1");
    let login = world.login_with(&browser, ask).await;
    let tokens = world.redeem(&everything, &login).await.good();
    let (_, claims) = verified(&world, &text(&tokens, "id_token"), &everything.id.to_string()).await;
    for name in strings(&metadata, "claims_supported") {
        assert!(claims.get(&name).is_some(), "{name}");
    }
    assert_eq!(json!([claims["acr"]]), metadata["acr_values_supported"]);
    world.userinfo(&text(&tokens, "access_token")).await.good();

    // Each grant type.
    for grant_type in strings(&metadata, "grant_types_supported") {
        match grant_type.as_str() {
            "authorization_code" => {}
            "refresh_token" => {
                world
                    .refresh(&everything, &text(&tokens, "refresh_token"))
                    .await
                    .good();
            }
            "client_credentials" => {
                let fields = [("grant_type", "client_credentials")];
                world.post_as(&everything, "/oauth/token", &fields).await.good();
            }
            other => panic!("{other} is not tried"),
        }
    }
    // Each way to authenticate, at each endpoint that names it.
    let public = world
        .register(|registration| registration.kind = ClientKind::Public)
        .await;
    for (endpoint, list) in [
        ("token_endpoint", "token_endpoint_auth_methods_supported"),
        (
            "introspection_endpoint",
            "introspection_endpoint_auth_methods_supported",
        ),
        (
            "revocation_endpoint",
            "revocation_endpoint_auth_methods_supported",
        ),
    ] {
        for method in strings(&metadata, list) {
            let request = world.http.post(text(&metadata, endpoint));
            let id = if method == "none" {
                public.id
            } else {
                everything.id
            }
            .to_string();
            let secret = everything.secret.clone().unwrap();
            let mut fields = vec![
                ("token", "x"),
                ("grant_type", "refresh_token"),
                ("refresh_token", "x"),
            ];
            let request = match method.as_str() {
                "none" => {
                    fields.push(("client_id", &id));
                    request.form(&fields)
                }
                "client_secret_post" => {
                    fields.extend([("client_id", id.as_str()), ("client_secret", secret.as_str())]);
                    request.form(&fields)
                }
                "client_secret_basic" => request.basic_auth(&id, Some(&secret)).form(&fields),
                other => panic!("{other} is not tried"),
            };
            let answer = answer(request).await;
            assert!(
                answer.status == StatusCode::OK || answer.error().1 == "invalid_grant",
                "{endpoint} {method}: {}",
                answer.text
            );
        }
    }
    // Each mode of response and each prompt is taken.
    for mode in strings(&metadata, "response_modes_supported") {
        let page = browser
            .get(&world.ask(&everything).with("response_mode", &mode).path())
            .await;
        let code = match page.leads_to() {
            Some(_) => parameter(&landed(&page), "code"),
            None => page.forms()[0].value("code").map(str::to_owned),
        };
        assert!(code.is_some(), "{mode}");
    }
    for prompt in strings(&metadata, "prompt_values_supported") {
        let page = browser
            .get(&world.ask(&everything).with("prompt", &prompt).path())
            .await;
        assert!(
            page.leads_to()
                .is_none_or(|url| parameter(&url, "error").is_none()),
            "{prompt}"
        );
    }
}

#[tokio::test]
async fn scripts_of_any_origin_may_read_what_programs_ask() {
    let world = World::start().await;
    for path in ["/oauth/token", "/oauth/revoke", "/oauth/userinfo"] {
        let request = world.http.request(reqwest::Method::OPTIONS, world.app.url(path));
        let answer = answer(request.header("origin", "https://app.example")).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert!(
            answer
                .header("access-control-allow-headers")
                .contains("Authorization")
        );
        // No cookie goes along.
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
    for path in ["/oauth/authorize", "/oauth/introspect", "/oauth/consent"] {
        let answer = answer(world.http.get(world.app.url(path))).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
}

#[tokio::test]
async fn an_issuer_with_a_path_has_its_metadata_behind_it() {
    let world =
        World::with(|config| config.issuer = Some("https://id.example/tenant/one".parse().unwrap())).await;
    let path = "/.well-known/oauth-authorization-server/tenant/one";
    let metadata = world.json(path).await;
    assert_eq!(text(&metadata, "issuer"), "https://id.example/tenant/one");
    assert_eq!(
        text(&metadata, "token_endpoint"),
        "https://id.example/tenant/one/oauth/token"
    );
    let other = world
        .app
        .url("/.well-known/oauth-authorization-server/tenant/two");
    assert_eq!(answer(world.http.get(other)).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_metadata_is_as_it_was() {
    let world = World::with(|config| config.issuer = Some("https://id.example/".parse().unwrap())).await;
    insta::assert_json_snapshot!(world.json("/.well-known/openid-configuration").await);
}
