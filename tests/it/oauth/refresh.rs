//! Refreshing: rotation, the retry window, replay, and the end of a grant.

use std::{fs, time::Duration};

use claviger::{
    audit::By,
    config::Span,
    oauth::clients::{ClientKind, edit_client},
};
use reqwest::{Client as Http, StatusCode};
use serde_json::Value;

use super::flow::{Answer, Client, World, create_user, text};

const REFUSED: (u16, &str) = (400, "invalid_grant");

fn assert_refused(answer: &Answer) {
    let (status, code) = answer.error();
    assert_eq!((status, code.as_str()), REFUSED, "{}", answer.text);
}

fn refresh_token(tokens: &Value) -> String {
    text(tokens, "refresh_token")
}

/// The row of the only grant, and who wrote it last.
async fn grant_row(world: &World) -> String {
    let sql = "SELECT xmin::text || ' ' || row_to_json(grants)::text FROM grants";
    world.database().await.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn every_use_rotates() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let first = world.tokens(&browser, &client).await;
    let answer = world.refresh(&client, &refresh_token(&first)).await;
    let second = answer.good();
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_ne!(refresh_token(&first), refresh_token(&second));
    assert_ne!(text(&first, "access_token"), text(&second, "access_token"));
    assert_eq!(second["scope"], first["scope"]);
    // An ID token speaks of a sign-in, and there was none.
    assert!(first.get("id_token").is_some() && second.get("id_token").is_none());
    assert!(!world.is_active(&client, &refresh_token(&first)).await);
    assert!(world.is_active(&client, &refresh_token(&second)).await);
    // Access tokens that came before go on as long as they live.
    assert!(world.is_active(&client, &text(&first, "access_token")).await);
}

#[tokio::test]
async fn a_retry_inside_the_window_gets_the_same_successor_and_writes_nothing() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let first = refresh_token(&world.tokens(&browser, &client).await);
    let second = world.refresh(&client, &first).await.good();
    let before = grant_row(&world).await;
    let mut access_tokens = vec![text(&second, "access_token")];
    for _ in 0..3 {
        world.app.advance(Duration::from_secs(3));
        let again = world.refresh(&client, &first).await.good();
        assert_eq!(refresh_token(&again), refresh_token(&second));
        access_tokens.push(text(&again, "access_token"));
    }
    assert_eq!(grant_row(&world).await, before);
    for token in &access_tokens {
        assert!(world.is_active(&client, token).await);
    }
    access_tokens.sort();
    access_tokens.dedup();
    assert_eq!(access_tokens.len(), 4, "each retry has a fresh access token");
    world.refresh(&client, &refresh_token(&second)).await.good();
}

#[tokio::test]
async fn after_the_window_it_is_a_replay_that_ends_the_family() {
    let world = World::start().await;
    create_user(&world.app, "Olga", "olga@example.com", true).await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let first = world.tokens(&browser, &client).await;
    let second = world.refresh(&client, &refresh_token(&first)).await.good();
    world.app.advance(Duration::from_secs(10));
    assert_refused(&world.refresh(&client, &refresh_token(&first)).await);
    assert_refused(&world.refresh(&client, &refresh_token(&second)).await);
    for token in [
        refresh_token(&second),
        text(&second, "access_token"),
        text(&first, "access_token"),
    ] {
        assert!(!world.is_active(&client, &token).await);
    }
    // Once, whoever comes again.
    assert_refused(&world.refresh(&client, &refresh_token(&first)).await);
    let replays = "SELECT count(*) FROM audit_records WHERE action = 'grant.replayed'";
    assert_eq!(world.number(replays).await, 1);

    // She is told, and the operators are.
    world.app.mailer.flush().await;
    let mail: Vec<String> = fs::read_dir(world.app.data_dir().join("mail"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let to = |address: &str, words: &str| {
        let to = format!("To: {address}");
        mail.iter().any(|mail| mail.contains(&to) && mail.contains(words))
    };
    assert!(to("ada@example.com", "Weather Watch"), "{mail:#?}");
    assert!(
        to("olga@example.com", "replay") || to("olga@example.com", "Replay"),
        "{mail:#?}"
    );
}

#[tokio::test]
async fn a_used_successor_ends_the_window() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let first = refresh_token(&world.tokens(&browser, &client).await);
    let second = refresh_token(&world.refresh(&client, &first).await.good());
    let third = refresh_token(&world.refresh(&client, &second).await.good());
    assert_refused(&world.refresh(&client, &first).await);
    assert_refused(&world.refresh(&client, &third).await);
}

#[tokio::test]
async fn clients_that_cannot_prove_themselves_have_no_window() {
    let world = World::start().await;
    let client = world.public().await;
    let browser = world.browser().await;
    let first = refresh_token(&world.tokens(&browser, &client).await);
    let second = refresh_token(&world.refresh(&client, &first).await.good());
    assert_refused(&world.refresh(&client, &first).await);
    assert_refused(&world.refresh(&client, &second).await);
}

#[tokio::test]
async fn an_owner_sets_the_window() {
    let world = World::start().await;
    let browser = world.browser().await;
    for (kind, seconds) in [
        (ClientKind::Confidential, 0),
        (ClientKind::Confidential, 60),
        (ClientKind::Public, 5),
    ] {
        let client = world
            .register(|registration| {
                registration.kind = kind;
                registration.retry_window = Some(Duration::from_secs(seconds));
            })
            .await;
        if seconds > 0 {
            let first = refresh_token(&world.tokens(&browser, &client).await);
            world.refresh(&client, &first).await.good();
            world
                .app
                .advance(Duration::from_secs(seconds) - Duration::from_millis(1));
            world.refresh(&client, &first).await.good();
        }
        let first = refresh_token(&world.tokens(&browser, &client).await);
        world.refresh(&client, &first).await.good();
        world.app.advance(Duration::from_secs(seconds));
        assert_refused(&world.refresh(&client, &first).await);
    }
}

#[tokio::test]
async fn scopes_can_be_narrowed_and_never_widened() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let ask = world.ask(&client).with("scope", "openid email offline_access");
    let login = world.login_with(&browser, ask).await;
    let mut token = refresh_token(&world.redeem(&client, &login).await.good());
    let refresh = async |token: &str, scope: &str| {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("scope", scope),
        ];
        world.post_as(&client, "/oauth/token", &fields).await
    };
    let narrow = refresh(&token, "email").await.good();
    assert_eq!(narrow["scope"], "email");
    token = refresh_token(&narrow);
    for wider in [
        "profile",
        "openid email offline_access profile",
        "unheard-of",
        "\"",
    ] {
        let error = refresh(&token, wider).await.error();
        assert_eq!((error.0, error.1.as_str()), (400, "invalid_scope"), "{wider}");
    }
    // The token was not used up by that, and the grant is as wide as it was.
    let whole = refresh(&token, "").await.good();
    assert_eq!(whole["scope"], "email offline_access openid");
}

#[tokio::test]
async fn what_a_client_may_not_any_more_its_grants_do_not_give_it() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let token = refresh_token(&world.tokens(&browser, &client).await);
    let login = world.login(&browser, &client).await;
    set_scopes(&world, &client, "openid profile offline_access").await;
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token.as_str()),
        ("scope", "email"),
    ];
    let refused = world.post_as(&client, "/oauth/token", &fields).await;
    assert_eq!(refused.error(), (400, "invalid_scope".to_owned()));
    let narrower = world.refresh(&client, &token).await.good();
    assert_eq!(narrower["scope"], "offline_access openid profile");
    let told = world.userinfo(&text(&narrower, "access_token")).await.good();
    assert_eq!(told.get("email"), None);
    // Nor does a code that was on its way.
    let redeemed = world.redeem(&client, &login).await.good();
    assert_eq!(redeemed["scope"], "offline_access openid profile");

    // Given back, it is there again; without any, there is nothing to give.
    set_scopes(&world, &client, "openid profile email offline_access").await;
    let again = world.refresh(&client, &refresh_token(&narrower)).await.good();
    assert_eq!(again["scope"], "email offline_access openid profile");
    set_scopes(&world, &client, "tokens:introspect").await;
    assert_refused(&world.refresh(&client, &refresh_token(&again)).await);
    // The refused token was not used up by that: it is no replay when the mistake is mended.
    world.app.advance(Duration::from_mins(5));
    set_scopes(&world, &client, "openid profile email offline_access").await;
    world.refresh(&client, &refresh_token(&again)).await.good();
}

/// Gives a client another ceiling.
async fn set_scopes(world: &World, client: &Client, scopes: &str) {
    let authority = &world.app.authority;
    let entity = authority.clients.get(client.id).await.unwrap().unwrap();
    let mut registration = entity.registration.clone();
    registration.scopes = scopes.parse().unwrap();
    edit_client(authority, &entity, &registration, By::OPERATOR)
        .await
        .unwrap();
}

#[tokio::test]
async fn thirty_days_slide_from_each_use() {
    let day = Duration::from_secs(24 * 60 * 60);
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let mut token = refresh_token(&world.tokens(&browser, &client).await);
    for _ in 0..4 {
        world.app.advance(30 * day - Duration::from_secs(1));
        token = refresh_token(&world.refresh(&client, &token).await.good());
    }
    world.app.advance(30 * day);
    assert!(!world.is_active(&client, &token).await);
    assert_refused(&world.refresh(&client, &token).await);
}

#[tokio::test]
async fn a_grant_ends_at_the_limit_that_the_operator_set() {
    let day = Duration::from_secs(24 * 60 * 60);
    let world = World::with(|config| config.lifetimes.grant = Some(Span::days(40))).await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let mut token = refresh_token(&world.tokens(&browser, &client).await);
    for _ in 0..3 {
        world.app.advance(13 * day);
        token = refresh_token(&world.refresh(&client, &token).await.good());
    }
    world.app.advance(day);
    assert_refused(&world.refresh(&client, &token).await);
}

#[tokio::test]
async fn foreign_tokens_die_and_harm_nobody() {
    let world = World::start().await;
    let (client, other) = (world.confidential().await, world.public().await);
    let browser = world.browser().await;
    let token = refresh_token(&world.tokens(&browser, &client).await);
    assert_refused(&world.refresh(&other, &token).await);
    let used = token.clone();
    let token = refresh_token(&world.refresh(&client, &token).await.good());
    world.app.advance(Duration::from_secs(60));
    // A stranger who found an old one cannot log its owner out.
    assert_refused(&world.refresh(&other, &used).await);
    let mut forged = token.clone().into_bytes();
    let last = forged.len() - 5;
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    for bad in [
        "",
        "rt_",
        "rt_AAAA",
        &token[3..],
        &format!("{token}A"),
        &token[..token.len() - 1],
        &String::from_utf8(forged).unwrap(),
    ] {
        let (status, code) = world.refresh(&client, bad).await.error();
        let expected = if bad.is_empty() {
            "invalid_request"
        } else {
            "invalid_grant"
        };
        assert_eq!((status, code.as_str()), (400, expected), "{bad}");
    }
    world.refresh(&client, &token).await.good();
}

#[tokio::test]
async fn a_move_to_another_place_is_on_record_and_a_routine_use_is_not() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let mut token = refresh_token(&world.tokens(&browser, &client).await);
    let moves = async || {
        world
            .number("SELECT count(*) FROM audit_records WHERE action = 'grant.moved'")
            .await
    };
    let records = async || world.number("SELECT count(*) FROM audit_records").await;
    let before = records().await;
    for _ in 0..3 {
        token = refresh_token(&world.refresh(&client, &token).await.good());
    }
    assert_eq!(records().await, before);
    let elsewhere = Http::builder().user_agent("Another program").build().unwrap();
    let id = client.id.to_string();
    let use_elsewhere = async |token: &str| {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", &id),
            ("client_secret", client.secret.as_ref().unwrap()),
        ];
        super::flow::answer(elsewhere.post(world.app.url("/oauth/token")).form(&fields))
            .await
            .good()
    };
    token = refresh_token(&use_elsewhere(&token).await);
    assert_eq!(moves().await, 1);
    token = refresh_token(&use_elsewhere(&token).await);
    assert_eq!(moves().await, 1);
    world.refresh(&client, &token).await.good();
    assert_eq!(moves().await, 2);
    assert_eq!(world.number("SELECT refreshes FROM grants").await, 6);
}

#[tokio::test]
async fn a_thousand_refreshes_add_no_row() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let mut token = refresh_token(&world.tokens(&browser, &client).await);
    // The log of requests is trimmed to a fixed number, and written a moment later than they are answered.
    let steady = async || {
        let mut rows = world.rows().await;
        rows.retain(|(table, _)| table != "client_requests");
        rows
    };
    let before = steady().await;
    for _ in 0..1_000 {
        token = refresh_token(&world.refresh(&client, &token).await.good());
    }
    assert_eq!(steady().await, before);
    let logged = world.number("SELECT count(*) FROM client_requests").await;
    assert!(
        logged <= i64::from(world.app.config.oauth.request_log),
        "{logged}"
    );
}

#[tokio::test]
async fn ended_grants_and_old_requests_are_cleaned_up() {
    let world = World::start().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let revoked = world.tokens(&browser, &client).await;
    let live = world.tokens(&browser, &client).await;
    assert_eq!(
        world.revoke(&client, &refresh_token(&revoked)).await.status,
        StatusCode::OK
    );
    // A request that nobody goes on with.
    browser
        .get(&world.ask(&client).with("prompt", "consent").path())
        .await;
    assert_eq!(
        world.number("SELECT count(*) FROM authorization_requests").await,
        1
    );
    world.app.advance(Duration::from_secs(25 * 60 * 60));
    for job in ["oauth.grants", "oauth.authorization-requests"] {
        world.app.run_job(job).await;
    }
    assert_eq!(world.number("SELECT count(*) FROM grants").await, 1);
    assert_eq!(
        world.number("SELECT count(*) FROM authorization_requests").await,
        0
    );
    world.refresh(&client, &refresh_token(&live)).await.good();
}

#[tokio::test]
async fn a_disabled_client_gets_nothing_until_it_is_let_in_again() {
    use claviger::{
        audit::By,
        oauth::clients::{Switch, set_disabled},
    };

    let world = World::start().await;
    let client = world.confidential().await;
    let asker: Client = world.confidential().await;
    let browser = world.browser().await;
    let tokens = world.tokens(&browser, &client).await;
    let authority = &world.app.authority;
    let entity = authority.clients.get(client.id).await.unwrap().unwrap();
    set_disabled(authority, &entity, Switch::Operator, true, By::OPERATOR)
        .await
        .unwrap();
    assert_eq!(
        world.refresh(&client, &refresh_token(&tokens)).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert!(!world.is_active(&asker, &text(&tokens, "access_token")).await);
    assert!(!world.is_active(&asker, &refresh_token(&tokens)).await);
    set_disabled(authority, &entity, Switch::Operator, false, By::OPERATOR)
        .await
        .unwrap();
    world.refresh(&client, &refresh_token(&tokens)).await.good();
}

/// What the trail has of refused codes and tokens: to what, why, and whose it was.
async fn refusals(world: &World) -> Vec<(String, String, String)> {
    let sql = "SELECT subject_kind, details ->> 'because', coalesce(account_id::text, '')
        FROM audit_records WHERE action = 'grant.refused' ORDER BY id";
    let rows = world.database().await.query(sql, &[]).await.unwrap();
    rows.iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}

#[tokio::test]
async fn what_is_refused_of_ours_leaves_a_record_and_no_flood() {
    let world = World::start().await;
    let owner = world.confidential().await;
    let other = world.public().await;
    let browser = world.browser().await;
    let account = world.account.uuid().to_string();
    let invalid = (400, "invalid_grant".to_owned());

    // What anybody can make up leaves nothing.
    let mut forged = world.login(&browser, &owner).await;
    forged.code.replace_range(20..24, "AAAA");
    assert_eq!(world.redeem(&owner, &forged).await.error(), invalid);
    assert_eq!(world.refresh(&other, "made-up").await.error(), invalid);
    assert_eq!(refusals(&world).await, []);

    let login = world.login(&browser, &owner).await;
    let mut misfit = login.clone();
    misfit.verifier = super::flow::verifier();
    for _ in 0..20 {
        assert_eq!(world.redeem(&other, &login).await.error(), invalid);
        assert_eq!(world.redeem(&owner, &misfit).await.error(), invalid);
    }
    world.app.advance(Duration::from_mins(1));
    assert_eq!(world.redeem(&owner, &misfit).await.error(), invalid);
    let told = refusals(&world).await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].1.contains("another client") && told[1].1.contains("code_verifier"));
    assert!(
        told.iter()
            .all(|(kind, _, of)| kind == "client" && *of == account),
        "{told:?}"
    );

    // Nothing of that used the code up.
    let tokens = world.redeem(&owner, &login).await.good();
    let token = text(&tokens, "refresh_token");
    let foreign = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    for _ in 0..20 {
        assert_eq!(world.refresh(&other, &token).await.error(), invalid);
        let narrowed = [foreign.as_slice(), &[("scope", "openid")]].concat();
        let narrowed = world.post_as(&other, "/oauth/token", &narrowed).await;
        assert_eq!(narrowed.error(), invalid);
        assert_eq!(world.revoke(&other, &token).await.status, StatusCode::OK);
    }
    let told = refusals(&world).await;
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!((told[2].0.as_str(), &told[2].2), ("grant", &account));

    // A replay has its own record; the next one of the same code finds the grant dead.
    for _ in 0..3 {
        assert_eq!(world.redeem(&owner, &login).await.error(), invalid);
    }
    let replays = "SELECT count(*) FROM audit_records WHERE action = 'grant.replayed'";
    assert_eq!(world.number(replays).await, 1);
    world.app.advance(Duration::from_mins(1));
    assert_eq!(world.redeem(&owner, &login).await.error(), invalid);
    assert_eq!(refusals(&world).await.len(), 4);

    // When it has expired, it is nothing to anybody.
    let expired = world.login(&browser, &owner).await;
    world.app.advance(Duration::from_mins(6));
    assert_eq!(world.redeem(&owner, &expired).await.error(), invalid);
    assert_eq!(refusals(&world).await.len(), 4);
}

#[tokio::test]
async fn ended_grants_are_found_among_live_ones_a_batch_at_a_time() {
    let world = World::with(|config| config.jobs.batch = 2).await;
    let browser = world.browser().await;
    let client = world.confidential().await;
    let mut live = Vec::new();
    for number in 0..9 {
        let token = text(&world.tokens(&browser, &client).await, "refresh_token");
        if number % 4 == 0 {
            live.push(token);
        } else {
            world.revoke(&client, &token).await;
        }
    }
    world.app.advance(Duration::from_hours(25));
    assert_eq!(world.app.run_job("oauth.grants").await, 6);
    assert_eq!(world.app.run_job("oauth.grants").await, 0);
    for token in live {
        world.refresh(&client, &token).await.good();
    }
}
