//! What a request may say, and to whom it is told that it may not.

use claviger::oauth::clients::{ClientKind, GrantType};
use proptest::{
    prelude::{Strategy, any},
    strategy::ValueTree as _,
    test_runner::TestRunner,
};
use reqwest::StatusCode;

use super::{error_of, is_refusal_page, is_sign_in};
use crate::oauth::flow::{Ask, CALLBACK, PASSWORD, World, challenge, landed, parameter, verifier};

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_to_the_client_by_its_name() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let ask = || world.ask(&client);
    let plain = verifier();
    let cases: Vec<(Ask, &str)> = vec![
        (ask().without("response_type"), "invalid_request"),
        (ask().with("response_type", "token"), "unsupported_response_type"),
        (
            ask().with("response_type", "code id_token"),
            "unsupported_response_type",
        ),
        (ask().with("response_mode", "fragment"), "invalid_request"),
        (ask().without("code_challenge"), "invalid_request"),
        (ask().without("code_challenge_method"), "invalid_request"),
        (ask().with("code_challenge_method", "plain"), "invalid_request"),
        (
            ask()
                .with("code_challenge_method", "plain")
                .with("code_challenge", &plain),
            "invalid_request",
        ),
        (ask().with("code_challenge_method", "s256"), "invalid_request"),
        (
            ask().with("code_challenge", &challenge("x")[1..]),
            "invalid_request",
        ),
        (
            ask().with("code_challenge", &format!("{}A", challenge("x"))),
            "invalid_request",
        ),
        (
            ask().with("code_challenge", &format!("{}=", &challenge("x")[1..])),
            "invalid_request",
        ),
        (
            ask().with("code_challenge", &format!("{}+", &challenge("x")[1..])),
            "invalid_request",
        ),
        (ask().with("code_challenge", &"é".repeat(43)), "invalid_request"),
        (ask().with("request", "x.y.z"), "request_not_supported"),
        (
            ask().with("request_uri", "https://app.example/r"),
            "request_uri_not_supported",
        ),
        (ask().with("registration", "{}"), "registration_not_supported"),
        (ask().without("scope"), "invalid_scope"),
        (ask().with("scope", "openid unheard-of"), "invalid_scope"),
        (ask().with("scope", "openid tokens:introspect"), "invalid_scope"),
        (ask().with("scope", "openid \"quoted\""), "invalid_scope"),
        (ask().with("prompt", "none login"), "invalid_request"),
        (ask().with("prompt", "perhaps"), "invalid_request"),
        (ask().with("max_age", "-1"), "invalid_request"),
        (ask().with("max_age", "soon"), "invalid_request"),
        (ask().with("claims", "[]"), "invalid_request"),
        (ask().with("claims", "{\"id_token\": 1}"), "invalid_request"),
        (
            ask().with("claims", r#"{"id_token": {"sub": {"value": "\u0000"}}}"#),
            "invalid_request",
        ),
        (ask().with("max_age", "+5"), "invalid_request"),
        (ask().with("id_token_hint", "x.y.z"), "invalid_request"),
        (ask().also("scope", "openid"), "invalid_request"),
        (ask().also("nonce", "1").also("nonce", "1"), "invalid_request"),
        (ask().also("x", "1").also("x", "2"), "invalid_request"),
    ];
    for (ask, expected) in cases {
        let page = browser.get(&ask.path()).await;
        assert_eq!(error_of(&world, &page), expected, "{}", ask.query());
        assert_eq!(parameter(&landed(&page), "state").as_deref(), Some("the state"));
        // Nobody is sent on before they have signed in.
        let stranger = world.app.browser();
        assert!(is_sign_in(&stranger.get(&ask.path()).await), "{}", ask.query());
    }
    // Of two states there is no telling which to return.
    let page = browser.get(&ask().also("state", "another").path()).await;
    assert_eq!(error_of(&world, &page), "invalid_request");
    assert_eq!(parameter(&landed(&page), "state"), None);
}

#[tokio::test]
async fn a_request_with_a_fault_is_answered_after_sign_in() {
    let world = World::start().await;
    let client = world.public().await;
    let stranger = world.app.browser();
    let page = stranger
        .get(&world.ask(&client).without("code_challenge").path())
        .await;
    assert!(is_sign_in(&page));
    let page = stranger
        .submit(&page, &[("email", "ada@example.com"), ("password", PASSWORD)])
        .await;
    assert_eq!(error_of(&world, &page), "invalid_request");
}

#[tokio::test]
async fn who_cannot_be_trusted_is_told_nothing_by_redirect() {
    let world = World::start().await;
    let one = world.public().await;
    let two = world
        .register(|registration| {
            registration
                .redirect_uris
                .push("https://app.example/second".parse().unwrap());
        })
        .await;
    let machine = world
        .register(|registration| {
            registration.grant_types = vec![GrantType::ClientCredentials];
            registration.redirect_uris.clear();
        })
        .await;
    let ask = || world.ask(&one);
    let with_uri = |uri: &str| ask().with("redirect_uri", uri);
    let cases = vec![
        ask().without("client_id"),
        ask().with("client_id", "cli_00000000000000000000000000"),
        ask().with("client_id", "nonsense"),
        ask().with("client_id", "é\u{1F511}"),
        ask().also("client_id", &one.id.to_string()),
        ask().also("redirect_uri", CALLBACK),
        with_uri("https://app.example/callback/"),
        with_uri("https://app.example/Callback"),
        with_uri("https://app.example/callback?x=1"),
        with_uri("https://app.example/callback#x"),
        with_uri("https://app.example/%63allback"),
        with_uri("https://app.example:443/callback"),
        with_uri("https://app.example./callback"),
        with_uri("https://APP.example/callback"),
        with_uri("http://app.example/callback"),
        with_uri("https://app.example/callback "),
        with_uri("https://evil.example/callback"),
        with_uri("javascript:alert(1)"),
        with_uri("//app.example/callback"),
        world.ask(&two).without("redirect_uri"),
        world.ask(&machine).without("redirect_uri"),
        world.ask(&machine).with("redirect_uri", CALLBACK),
    ];
    let (browser, stranger) = (world.browser().await, world.app.browser());
    for ask in cases {
        for (who, browser) in [("Ada", &browser), ("a stranger", &stranger)] {
            for ask in [ask.clone(), ask.clone().with("prompt", "none")] {
                let page = browser.get(&ask.path()).await;
                assert!(is_refusal_page(&page), "{who}: {} {}", ask.query(), page.status);
                assert!(!page.html.contains("second"), "what is registered is not told");
            }
        }
    }
    for query in ["client_id=%FF", "client_id=a%00b", "%00"] {
        let page = browser.get(&format!("/oauth/authorize?{query}")).await;
        assert!(is_refusal_page(&page), "{query}: {}", page.status);
    }
    // Both of two registered ones are good, and the only one need not be named.
    for uri in [CALLBACK, "https://app.example/second"] {
        let login = world
            .login_with(&browser, world.ask(&two).with("redirect_uri", uri))
            .await;
        world.redeem(&two, &login).await.good();
    }
    let login = world.login_with(&browser, ask().without("redirect_uri")).await;
    world.redeem(&one, &login).await.good();
}

#[tokio::test]
async fn the_port_of_a_loopback_address_is_free_and_nothing_else_is() {
    let world = World::start().await;
    let client = world
        .register(|registration| {
            registration.kind = ClientKind::Public;
            registration.redirect_uris = [
                "http://127.0.0.1/cb",
                "http://[::1]:1/cb?a=1",
                "http://localhost:3000/cb",
            ]
            .map(|uri| uri.parse().unwrap())
            .into();
        })
        .await;
    let browser = world.browser().await;
    for uri in [
        "http://127.0.0.1:51004/cb",
        "http://127.0.0.1/cb",
        "http://[::1]:65535/cb?a=1",
        "http://localhost:3000/cb",
    ] {
        let login = world
            .login_with(&browser, world.ask(&client).with("redirect_uri", uri))
            .await;
        world.redeem(&client, &login).await.good();
    }
    for uri in [
        "http://127.0.0.1:51004/cb2",
        "http://127.0.0.1:51004/cb?x",
        "https://127.0.0.1:51004/cb",
        "http://127.0.0.2/cb",
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:51004@evil.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://localhost:3001/cb",
        "http://localhost/cb",
    ] {
        let page = browser
            .get(&world.ask(&client).with("redirect_uri", uri).path())
            .await;
        assert!(is_refusal_page(&page), "{uri}: {}", page.status);
    }
}

#[tokio::test]
async fn state_returns_to_the_byte() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    world.login(&browser, &client).await;
    // The endpoint reads what any program may write, so the states are drawn; each is one request.
    let mut runner = TestRunner::deterministic();
    let drawn = any::<String>().prop_filter("NUL is refused", |state| !state.contains('\0'));
    let mut states: Vec<String> = (0..60)
        .map(|_| drawn.new_tree(&mut runner).unwrap().current())
        .filter(|state| !state.is_empty())
        .collect();
    states.extend(
        [
            " ",
            "a b+c&d=é%\"'<>/?#",
            "%00%FF",
            "+",
            "\r\n\tx",
            "\u{202e}\u{1F511}",
            "<script>",
            "=&=",
            "a&code=x",
        ]
        .map(str::to_owned),
    );
    states.push("x".repeat(2_000));
    for state in &states {
        let page = browser.get(&world.ask(&client).with("state", state).path()).await;
        let url = landed(&page);
        assert_eq!(parameter(&url, "state").as_ref(), Some(state));
        assert!(parameter(&url, "code").is_some());
        assert_eq!(url.fragment(), None);
        let posted = world
            .ask(&client)
            .with("state", state)
            .with("response_mode", "form_post");
        let page = browser.get(&posted.path()).await;
        let form = page.forms().remove(0);
        // What a form cannot carry otherwise than with the line ends of its own (HTML, form submission).
        let lines = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n");
        assert_eq!(form.value("state").map(lines), Some(lines(state)));
    }
    let page = browser.get(&world.ask(&client).without("state").path()).await;
    assert_eq!(parameter(&landed(&page), "state"), None);
}

#[tokio::test]
async fn the_registered_query_stays_in_the_answer() {
    let world = World::start().await;
    let client = world
        .register(|registration| {
            registration.redirect_uris = vec!["https://app.example/cb?tenant=a%20b".parse().unwrap()];
        })
        .await;
    let browser = world.browser().await;
    world.login(&browser, &client).await;
    let page = browser.get(&world.ask(&client).path()).await;
    let location = page.headers["location"].to_str().unwrap();
    assert!(
        location.starts_with("https://app.example/cb?tenant=a%20b&code="),
        "{location}"
    );
}

#[tokio::test]
async fn answers_can_be_posted() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let ask = world.ask(&client).with("response_mode", "form_post");
    let consent = browser.get(&ask.path()).await;
    let page = browser.submit(&consent, &[("decision", "approve")]).await;
    assert_eq!(page.status, StatusCode::OK);
    let form = page.forms().remove(0);
    assert_eq!(form.action.as_str(), CALLBACK);
    assert_eq!(form.method, reqwest::Method::POST);
    assert_eq!(form.value("iss"), Some(world.app.config.issuer().as_str()));
    assert_eq!(form.value("state"), Some("the state"));
    assert!(form.value("code").is_some() && form.value("csrf_token").is_none());
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("form-action 'self' https://app.example;"),
        "{policy}"
    );
    assert_eq!(page.headers["referrer-policy"], "no-referrer");
    assert_eq!(page.headers["cache-control"], "no-store");
    let login = crate::oauth::flow::Login {
        code: form.value("code").unwrap().to_owned(),
        verifier: ask.verifier,
        redirect_uri: CALLBACK.to_owned(),
    };
    world.redeem(&client, &login).await.good();

    let refused = world
        .ask(&client)
        .with("response_mode", "form_post")
        .without("code_challenge");
    let form = browser.get(&refused.path()).await.forms().remove(0);
    assert_eq!(form.value("error"), Some("invalid_request"));
}

#[tokio::test]
async fn a_request_can_be_posted() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    world.login(&browser, &client).await;
    let request = browser
        .client
        .post(world.app.url("/oauth/authorize"))
        .form(&world.ask(&client).parameters);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let location = response.headers()["location"].to_str().unwrap();
    assert!(location.contains("code="), "{location}");
}

#[tokio::test]
async fn names_that_no_claim_has_are_passed_over_whatever_is_in_them() {
    let world = World::start().await;
    let client = world.confidential().await;
    let claims = r#"{"id_token": {"\u0000": null, "a": {"value": "\u0000"}}, "userinfo": {"\u0000": null}}"#;
    let ask = world.ask(&client).with("claims", claims);
    let stranger = world.app.browser();
    let page = stranger.get(&ask.path()).await;
    assert!(is_sign_in(&page), "{}", page.status);
    let page = stranger
        .submit(&page, &[("email", "ada@example.com"), ("password", PASSWORD)])
        .await;
    let page = stranger.submit(&page, &[("decision", "approve")]).await;
    assert!(parameter(&landed(&page), "code").is_some());
}
