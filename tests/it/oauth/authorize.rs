//! The authorization endpoint: what it takes, where it sends whom, and what it never does.

use std::time::Duration;

use claviger::{
    audit::{Actor, By},
    oauth::{
        clients::{ClientKind, GrantType},
        scopes::remove_scope,
    },
};
use proptest::{
    prelude::{Strategy, any},
    strategy::ValueTree as _,
    test_runner::TestRunner,
};
use reqwest::StatusCode;

use super::flow::{
    Ask, CALLBACK, PASSWORD, World, challenge, create_user, jwt_part, landed, parameter, text, verifier,
};
use crate::support::browser::Page;

/// The error that a browser was sent to the client with, once all of the answer is as it must be.
fn error_of(world: &World, page: &Page) -> String {
    let url = landed(page);
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert!(url.as_str().starts_with(CALLBACK), "{url}");
    assert_eq!(
        parameter(&url, "iss").as_deref(),
        Some(world.app.config.issuer().as_str())
    );
    assert_eq!(parameter(&url, "code"), None);
    let description = parameter(&url, "error_description").expect("a description");
    assert!(
        description
            .chars()
            .all(|c| matches!(c, ' '..='~') && c != '"' && c != '\\'),
        "{description}"
    );
    parameter(&url, "error").expect("an error")
}

fn is_refusal_page(page: &Page) -> bool {
    page.status == StatusCode::BAD_REQUEST && page.is_html() && page.leads_to().is_none()
}

fn is_sign_in(page: &Page) -> bool {
    page.status == StatusCode::OK && page.url.path() == "/sign-in"
}

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
    let login = super::flow::Login {
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

/// What a browser sends when a page of another site posts a form: no cookies.
async fn posted_from_elsewhere(
    world: &World,
    path: &str,
    form: &[(String, String)],
    (name, value): (&str, &str),
) -> reqwest::Response {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let request = client.post(world.app.url(path)).form(form).header(name, value);
    request.send().await.unwrap()
}

#[tokio::test]
async fn what_another_site_posts_takes_no_cookie_away() {
    let world = World::start().await;
    for (path, from) in [
        ("/sign-in", ("sec-fetch-site", "cross-site")),
        ("/sign-up", ("origin", "https://mallory.example")),
        ("/sign-out", ("origin", "null")),
        ("/confirm", ("sec-fetch-site", "cross-site")),
        ("/oauth/consent", ("sec-fetch-site", "cross-site")),
        ("/oauth/authorize", ("sec-fetch-site", "cross-site")),
        ("/no/such/page", ("sec-fetch-site", "cross-site")),
    ] {
        let answer = posted_from_elsewhere(&world, path, &[], from).await;
        assert!(answer.headers().get("set-cookie").is_none(), "{path}");
    }
    // From a page of ours whose cookie has gone it is set, so that the form can be sent once more.
    let own = world.app.url("");
    for from in [
        ("sec-fetch-site", "same-origin"),
        ("origin", own.as_str()),
        ("accept", "*/*"),
    ] {
        let answer = posted_from_elsewhere(&world, "/sign-in", &[], from).await;
        assert!(answer.headers().get("set-cookie").is_some(), "{from:?}");
    }
}

#[tokio::test]
async fn a_request_posted_from_another_site_is_claimed_by_the_browser_that_comes_back() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let other_tab = browser.get(&world.ask(&client).path()).await;
    let from = ("sec-fetch-site", "cross-site");
    let form = world.ask(&client).with("prompt", "consent").parameters;
    let posted = posted_from_elsewhere(&world, "/oauth/authorize", &form, from).await;
    assert_eq!(posted.status(), StatusCode::SEE_OTHER);
    let back = posted.headers()["location"].to_str().unwrap();
    let page = browser.get(back).await;
    assert!(!page.url.as_str().contains("claim="), "{}", page.url);
    // Once: whoever finds the address afterwards has nothing of it.
    let stranger = world.browser().await;
    assert_eq!(stranger.get(back).await.status, StatusCode::BAD_REQUEST);
    // And what was open in the browser before goes on.
    for page in [page, other_tab] {
        let page = browser.submit(&page, &[("decision", "approve")]).await;
        assert!(parameter(&landed(&page), "code").is_some());
    }
}

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
        let login = super::flow::Login {
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
async fn scopes_are_told_apart_by_case_and_not_by_order() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    world.login(&browser, &client).await;
    // The same ones in another order, and one of them twice, need no question.
    let ask = world
        .ask(&client)
        .with("scope", "offline_access email email openid profile");
    assert!(parameter(&landed(&browser.get(&ask.path()).await), "code").is_some());
    for other in ["openid Email", "openid \u{e9}mail", "openid \"email\""] {
        let page = browser.get(&world.ask(&client).with("scope", other).path()).await;
        assert_eq!(error_of(&world, &page), "invalid_scope", "{other}");
    }
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

#[tokio::test]
async fn a_request_survives_sign_in_and_is_its_browsers_own() {
    let world = World::start().await;
    create_user(&world.app, "Grace", "grace@example.com", false).await;
    let client = world.confidential().await;
    let victim = world.app.browser();
    let page = victim.get(&world.ask(&client).path()).await;
    assert!(is_sign_in(&page));
    let id = page.forms()[0].value("request").unwrap().to_owned();

    // Somebody else's browser, signed in or not, gets nowhere with it.
    let foreign = world.browser_of("grace@example.com").await;
    let stranger = world.app.browser();
    for path in [
        format!("/oauth/authorize/continue?request={id}"),
        format!("/oauth/consent?request={id}"),
        "/oauth/authorize/continue?request=arq_00000000000000000000000000".to_owned(),
        "/oauth/authorize/continue?request=https://evil.example/".to_owned(),
        "/oauth/authorize/continue".to_owned(),
    ] {
        assert!(is_refusal_page(&foreign.get(&path).await), "{path}");
        assert!(is_refusal_page(&stranger.get(&path).await), "{path}");
    }
    let elsewhere = stranger.get(&format!("/sign-in?request={id}")).await;
    assert!(!elsewhere.text().contains("Weather Watch"));
    // A tampered way back leads nowhere else.
    for return_to in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
    ] {
        let encoded: String = url::form_urlencoded::byte_serialize(return_to.as_bytes()).collect();
        let browser = world.app.browser();
        let page = browser.get(&format!("/sign-in?return_to={encoded}")).await;
        let page = browser
            .submit(&page, &[("email", "ada@example.com"), ("password", PASSWORD)])
            .await;
        assert!(page.leads_to().is_none(), "{return_to}");
    }

    let page = victim
        .submit(&page, &[("email", "ada@example.com"), ("password", PASSWORD)])
        .await;
    assert!(page.text().contains("Weather Watch"), "{}", page.text());
    let page = victim.submit(&page, &[("decision", "approve")]).await;
    assert!(parameter(&landed(&page), "code").is_some());
    // It was used up by that.
    assert!(is_refusal_page(
        &victim
            .get(&format!("/oauth/authorize/continue?request={id}"))
            .await
    ));
}

#[tokio::test]
async fn a_request_does_not_wait_for_ever_nor_for_a_client_that_changed() {
    use claviger::oauth::clients::{Switch, edit_client, set_disabled};

    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let ask = world.ask(&client);
    let page = browser.get(&ask.path()).await;
    world.app.advance(Duration::from_secs(60 * 60));
    let late = browser.submit(&page, &[("decision", "approve")]).await;
    assert!(is_refusal_page(&late), "{}", late.text());

    let authority = &world.app.authority;
    let entity = authority.clients.get(client.id).await.unwrap().unwrap();
    let page = browser.get(&ask.path()).await;
    let mut narrower = entity.registration.clone();
    narrower.scopes = "openid".parse().unwrap();
    edit_client(authority, &entity, &narrower, By::OPERATOR)
        .await
        .unwrap();
    let page = browser.submit(&page, &[("decision", "approve")]).await;
    assert!(is_refusal_page(&page), "{}", page.text());

    let page = browser.get(&ask.clone().with("scope", "openid").path()).await;
    set_disabled(authority, &entity, Switch::Operator, true, By::OPERATOR)
        .await
        .unwrap();
    let page = browser.submit(&page, &[("decision", "approve")]).await;
    assert!(is_refusal_page(&page), "{}", page.text());
    assert!(is_refusal_page(&browser.get(&ask.path()).await));
}

#[tokio::test]
async fn a_scope_that_leaves_the_catalogue_cannot_be_asked_for_any_more() {
    use claviger::oauth::scopes::{Audience, Entry, add_scope};

    let world = World::start().await;
    let authority = &world.app.authority;
    let entry = Entry {
        scope: "forecasts".parse().unwrap(),
        description: "Read your forecasts".parse().unwrap(),
        sensitive: true,
        publishable: false,
        audience: Audience::Any,
    };
    add_scope(authority, &entry, Actor::Operator, None).await.unwrap();
    let client = world
        .register(|registration| registration.scopes = "openid forecasts".parse().unwrap())
        .await;
    let browser = world.browser().await;
    let ask = world.ask(&client).with("scope", "openid forecasts");
    let page = browser.get(&ask.path()).await;
    assert!(page.text().contains("Read your forecasts") && page.text().contains("Sensitive"));
    let login = world.login_with(&browser, ask.clone()).await;
    world.redeem(&client, &login).await.good();
    remove_scope(authority, "forecasts", Actor::Operator, None)
        .await
        .unwrap();
    assert_eq!(error_of(&world, &browser.get(&ask.path()).await), "invalid_scope");
}
