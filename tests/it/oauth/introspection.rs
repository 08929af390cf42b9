//! Introspection, revocation and userinfo.

use std::time::Duration;

use claviger::{
    app::DatabaseUrls,
    audit::Actor,
    config::Span,
    oauth::{block_user, unblock_user},
};
use reqwest::StatusCode;

use super::flow::{World, answer, cheap_passwords, text};
use crate::support::{app::TestApp, proxy::Proxy, wait::until};

const INACTIVE: &str = r#"{"active":false}"#;

/// A server whose cable to the database can be cut.
async fn on_a_cable(lease: Span) -> (World, Proxy) {
    let mut app = TestApp::nodes(0).await;
    let cable = Proxy::to(&app.database.server_url);
    let mut urls = app.urls();
    urls.server = cable.url().to_owned();
    let mut config = app.config();
    cheap_passwords(&mut config);
    config.revocation.lease = lease;
    app.add_node(config, urls).await;
    (World::of(app).await, cable)
}

#[tokio::test]
async fn a_live_token_is_described() {
    let world = World::start().await;
    let (client, asker) = (world.confidential().await, world.confidential().await);
    let browser = world.browser().await;
    let auth_time = world.app.authority.clock.unix() - 1;
    let tokens = world.tokens(&browser, &client).await;
    let answer = world.introspect(&asker, &text(&tokens, "access_token")).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let mut told = answer.good();
    let issuer = world.app.config.issuer();
    let now = world.app.authority.clock.unix();
    for name in ["jti", "sid"] {
        assert!(told.as_object_mut().unwrap().remove(name).unwrap().is_string());
    }
    let expected = serde_json::json!({
        "active": true, "iss": issuer, "aud": issuer, "sub": world.ada, "client_id": client.id,
        "scope": "email offline_access openid profile", "token_type": "Bearer",
        "iat": now, "nbf": now, "exp": now + 900, "auth_time": auth_time,
    });
    assert_eq!(told, expected);

    let told = world
        .introspect(&asker, &text(&tokens, "refresh_token"))
        .await
        .good();
    assert_eq!(told["active"], true);
    assert_eq!(told["token_type"], "refresh_token");
    assert_eq!(told["exp"].as_i64(), Some(now + 30 * 24 * 60 * 60));
    // A hint makes no difference, right or wrong.
    for hint in ["access_token", "refresh_token", "unheard-of"] {
        let token = text(&tokens, "refresh_token");
        let fields = [("token", token.as_str()), ("token_type_hint", hint)];
        let told = world.post_as(&asker, "/oauth/introspect", &fields).await.good();
        assert_eq!(told["active"], true, "{hint}");
    }
}

#[tokio::test]
async fn of_what_is_not_good_nothing_is_told() {
    let world = World::start().await;
    let elsewhere = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let tokens = world.tokens(&browser, &client).await;
    let access_token = text(&tokens, "access_token");
    let foreign = {
        let client = elsewhere.confidential().await;
        let browser = elsewhere.browser().await;
        elsewhere.tokens(&browser, &client).await
    };
    let (head, rest) = access_token.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    let none = claviger::crypto::encode_base64url(br#"{"alg":"none","typ":"at+jwt"}"#);
    for token in [
        "x",
        "é\u{1F511}",
        &"a".repeat(60_000),
        &text(&tokens, "id_token"),
        &text(&foreign, "access_token"),
        &text(&foreign, "refresh_token"),
        &format!("{head}.{body}."),
        &format!("{none}.{body}."),
        &format!("{none}.{body}.{signature}"),
        &format!("{head}.{body}.{}", "A".repeat(86)),
    ] {
        let answer = world.introspect(&client, token).await;
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (StatusCode::OK, INACTIVE),
            "{token}"
        );
        assert_eq!(
            world
                .userinfo(&token.replace(|c: char| !c.is_ascii(), ""))
                .await
                .status,
            StatusCode::UNAUTHORIZED
        );
    }
    world.app.advance(Duration::from_secs(900));
    assert!(!world.is_active(&client, &access_token).await);
    assert_eq!(
        world.userinfo(&access_token).await.status,
        StatusCode::UNAUTHORIZED
    );
    world.app.advance(Duration::from_secs(30 * 24 * 60 * 60));
    assert!(!world.is_active(&client, &text(&tokens, "refresh_token")).await);
}

#[tokio::test]
async fn only_clients_that_prove_themselves_may_ask() {
    let world = World::start().await;
    let (client, public) = (world.confidential().await, world.public().await);
    let browser = world.browser().await;
    let token = text(&world.tokens(&browser, &client).await, "access_token");
    let mut wrong = client.clone();
    wrong.secret = Some("cs_wrong".to_owned());
    let mut unproved = client.clone();
    unproved.secret = None;
    for who in [&public, &wrong, &unproved] {
        let answer = world.introspect(who, &token).await;
        assert_eq!(
            answer.error(),
            (401, "invalid_client".to_owned()),
            "{}",
            answer.text
        );
    }
    let by_basic = world.http.post(world.app.url("/oauth/introspect"));
    let by_basic = by_basic
        .basic_auth(client.id, client.secret.as_ref())
        .form(&[("token", &token)]);
    assert_eq!(answer(by_basic).await.good()["active"], true);
    for fields in [
        &[("x", "1")][..],
        &[("token", "a"), ("token", "b")],
        &[("token", "")],
    ] {
        let answer = world.post_as(&client, "/oauth/introspect", fields).await;
        assert_eq!(
            answer.error(),
            (400, "invalid_request".to_owned()),
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_live_token_of_this_node_needs_no_database() {
    let (world, cable) = on_a_cable(Span::minutes(1)).await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let tokens = world.tokens(&browser, &client).await;
    cable.cut();
    for _ in 0..10 {
        assert!(world.is_active(&client, &text(&tokens, "access_token")).await);
    }
    // What cannot be known from memory is no yes.
    let refresh = world.introspect(&client, &text(&tokens, "refresh_token")).await;
    assert_eq!(
        refresh.error(),
        (503, "temporarily_unavailable".to_owned()),
        "{}",
        refresh.text
    );
    assert_eq!(refresh.header("retry-after"), "1");
    cable.mend();
    assert!(world.is_active(&client, &text(&tokens, "refresh_token")).await);
}

#[tokio::test]
async fn a_node_that_lost_touch_says_503_and_not_yes() {
    let (world, cable) = on_a_cable(Span::seconds(1)).await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let token = text(&world.tokens(&browser, &client).await, "access_token");
    assert!(world.is_active(&client, &token).await);
    cable.cut();
    until("the end of the lease", async || {
        world.introspect(&client, &token).await.status == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    assert_eq!(
        world.userinfo(&token).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    cable.mend();
    until("the next lease", async || {
        world.introspect(&client, &token).await.status == StatusCode::OK
    })
    .await;
    assert!(world.is_active(&client, &token).await);
}

#[tokio::test]
async fn other_nodes_know_a_token_and_its_end() {
    let world = World::nodes_with(3, |_| {}).await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let tokens = world.tokens(&browser, &client).await;
    let on_all = async |token: &str| {
        let mut active = Vec::new();
        for node in &world.app.nodes {
            let answer = world
                .post_as_to(node, &client, "/oauth/introspect", &[("token", token)])
                .await;
            active.push(answer.text != INACTIVE);
        }
        active
    };
    let access_token = text(&tokens, "access_token");
    assert_eq!(on_all(&access_token).await, [true; 3]);
    world
        .post_as_to(
            &world.app.nodes[1],
            &client,
            "/oauth/revoke",
            &[("token", &access_token)],
        )
        .await;
    assert_eq!(on_all(&access_token).await, [false; 3]);
    // Of the grant, the rest goes on, until it is revoked by its refresh token.
    let refresh_token = text(&tokens, "refresh_token");
    assert_eq!(on_all(&refresh_token).await, [true; 3]);
    let fresh = world.refresh(&client, &refresh_token).await.good();
    assert_eq!(on_all(&text(&fresh, "access_token")).await, [true; 3]);
    let node = &world.app.nodes[2];
    world
        .post_as_to(
            node,
            &client,
            "/oauth/revoke",
            &[("token", &text(&fresh, "refresh_token"))],
        )
        .await;
    assert_eq!(on_all(&text(&fresh, "access_token")).await, [false; 3]);
    assert_eq!(on_all(&text(&fresh, "refresh_token")).await, [false; 3]);
}

#[tokio::test]
async fn revocation_takes_back_and_says_no_more() {
    let world = World::start().await;
    let (client, other) = (world.confidential().await, world.public().await);
    let browser = world.browser().await;
    let tokens = world.tokens(&browser, &client).await;
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    // Unknown ones and those of others: 200, and nothing happens.
    for token in ["x", "rt_AAAA", &access, &refresh] {
        let answer = world.revoke(&other, token).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, ""));
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    assert!(world.is_active(&client, &access).await && world.is_active(&client, &refresh).await);

    for hint in ["refresh_token", "nonsense"] {
        let tokens = world.tokens(&browser, &client).await;
        let access = text(&tokens, "access_token");
        let fields = [("token", access.as_str()), ("token_type_hint", hint)];
        assert_eq!(
            world.post_as(&client, "/oauth/revoke", &fields).await.status,
            StatusCode::OK
        );
        assert!(!world.is_active(&client, &access).await);
        assert!(world.is_active(&client, &text(&tokens, "refresh_token")).await);
    }
    assert_eq!(world.revoke(&client, &refresh).await.status, StatusCode::OK);
    assert!(!world.is_active(&client, &access).await && !world.is_active(&client, &refresh).await);
    assert_eq!(
        world.refresh(&client, &refresh).await.error(),
        (400, "invalid_grant".to_owned())
    );
    // Once more is no error.
    assert_eq!(world.revoke(&client, &refresh).await.status, StatusCode::OK);
    assert_eq!(world.revoke(&client, &access).await.status, StatusCode::OK);

    // A public client takes back its own.
    let theirs = text(&world.tokens(&browser, &other).await, "refresh_token");
    assert_eq!(world.revoke(&other, &theirs).await.status, StatusCode::OK);
    assert_eq!(
        world.refresh(&other, &theirs).await.error(),
        (400, "invalid_grant".to_owned())
    );
}

#[tokio::test]
async fn what_was_revoked_stays_revoked_as_long_as_it_could_live() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let tokens = world.tokens(&browser, &client).await;
    let access = text(&tokens, "access_token");
    world.revoke(&client, &text(&tokens, "refresh_token")).await;
    for _ in 0..20 {
        world.app.advance(Duration::from_secs(60));
        world.app.run_job("revocation.cleanup").await;
        assert!(!world.is_active(&client, &access).await);
    }
}

#[tokio::test]
async fn a_sign_out_ends_what_was_not_given_for_the_time_of_absence() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let offline = world.tokens(&browser, &client).await;
    let login = world
        .login_with(&browser, world.ask(&client).with("scope", "openid"))
        .await;
    let online = world.redeem(&client, &login).await.good();
    let page = browser.get("/account/apps").await;
    let form = page
        .forms()
        .into_iter()
        .find(|form| form.action.path() == "/sign-out")
        .unwrap();
    browser.send(&form).await;
    assert!(!world.is_active(&client, &text(&online, "access_token")).await);
    assert!(world.is_active(&client, &text(&offline, "access_token")).await);
    world
        .refresh(&client, &text(&offline, "refresh_token"))
        .await
        .good();
}

#[tokio::test]
async fn who_is_let_in_again_gets_tokens_that_are_good() {
    let world = World::nodes_with(2, |_| {}).await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let before = world.tokens(&browser, &client).await;
    let authority = &world.app.authority;
    block_user(authority, world.ada, Actor::Operator).await.unwrap();
    for token in ["access_token", "refresh_token"] {
        assert!(!world.is_active(&client, &text(&before, token)).await);
    }
    unblock_user(authority, world.ada, Actor::Operator).await.unwrap();
    let browser = world.browser().await;
    let after = world.tokens(&browser, &client).await;
    for node in &world.app.nodes {
        let token = text(&after, "access_token");
        let told = world
            .post_as_to(node, &client, "/oauth/introspect", &[("token", &token)])
            .await;
        assert_eq!(told.good()["active"], true);
    }
    // What was ended stays ended.
    assert!(!world.is_active(&client, &text(&before, "access_token")).await);
}

#[tokio::test]
async fn whoever_revokes_once_more_is_told_no_sooner_that_it_is_done() {
    let mut app = TestApp::nodes(0).await;
    let cable = Proxy::to(&app.database.server_url);
    for url in [app.urls().server, cable.url().to_owned()] {
        let mut config = app.config();
        cheap_passwords(&mut config);
        config.revocation.lease = Span::seconds(2);
        if let Some(first) = app.nodes.first() {
            config.issuer = Some(first.app.config.issuer().parse().unwrap());
        }
        let urls = DatabaseUrls {
            server: url,
            ..app.urls()
        };
        app.add_node(config, urls).await;
    }
    let world = World::of(app).await;
    let (here, far) = (&world.app.nodes[0], &world.app.nodes[1]);
    let client = world.confidential().await;
    let browser = world.browser().await;
    for kind in ["refresh_token", "access_token"] {
        let tokens = world.tokens(&browser, &client).await;
        let (token, access_token) = (text(&tokens, kind), text(&tokens, "access_token"));
        let introspect = [("token", access_token.as_str())];
        let revoke = [("token", token.as_str())];
        let told = world
            .post_as_to(far, &client, "/oauth/introspect", &introspect)
            .await;
        assert_eq!(told.good()["active"], true);
        cable.cut();
        let before = world.number("SELECT sequence FROM revocation_head").await;
        let first = world.post_as_to(here, &client, "/oauth/revoke", &revoke);
        let second = async {
            until("the commit of the first", async || {
                world.number("SELECT sequence FROM revocation_head").await > before
            })
            .await;
            let answer = world.post_as_to(here, &client, "/oauth/revoke", &revoke).await;
            let told = world
                .post_as_to(far, &client, "/oauth/introspect", &introspect)
                .await;
            (answer, told)
        };
        let (first, (second, told)) = futures_util::future::join(first, second).await;
        assert_eq!((first.status, second.status), (StatusCode::OK, StatusCode::OK));
        assert_ne!(told.json()["active"], true, "{kind}");
        cable.mend();
        until("the far node", async || {
            world
                .post_as_to(far, &client, "/oauth/introspect", &introspect)
                .await
                .text
                == INACTIVE
        })
        .await;
    }
}

#[tokio::test]
async fn userinfo_tells_what_the_scopes_allow() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    for (scope, expected) in [
        ("openid", serde_json::json!({ "sub": world.ada })),
        (
            "openid profile",
            serde_json::json!({ "sub": world.ada, "name": "Ada" }),
        ),
        (
            "openid email",
            serde_json::json!({ "sub": world.ada, "email": "ada@example.com", "email_verified": true }),
        ),
    ] {
        let login = world
            .login_with(&browser, world.ask(&client).with("scope", scope))
            .await;
        let token = text(&world.redeem(&client, &login).await.good(), "access_token");
        let told = world.userinfo(&token).await;
        assert_eq!(told.header("cache-control"), "no-store");
        assert_eq!(told.good(), expected);
        let posted = world
            .http
            .post(world.app.url("/oauth/userinfo"))
            .bearer_auth(&token);
        assert_eq!(answer(posted).await.good(), expected);
    }
    let login = world
        .login_with(&browser, world.ask(&client).with("scope", "email"))
        .await;
    let token = text(&world.redeem(&client, &login).await.good(), "access_token");
    let told = world.userinfo(&token).await;
    assert_eq!(told.status, StatusCode::FORBIDDEN);
    assert!(told.header("www-authenticate").contains("insufficient_scope"));
    let told = answer(world.http.get(world.app.url("/oauth/userinfo"))).await;
    assert_eq!(told.status, StatusCode::UNAUTHORIZED);
    assert_eq!(told.header("www-authenticate"), "Bearer realm=\"oauth\"");
}
