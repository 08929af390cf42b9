//! The catalogue and those who hold what is in it: a scope that goes, or is kept for fewer, goes everywhere.

use claviger::{
    audit::{Actor, By},
    oauth::{
        clients::{ClientKind, Registration, edit_client, register_client},
        scopes::{ScopeError, add_scope, remove_scope},
    },
    scopes::{Audience, Entry},
    types::ClientId,
};
use futures_util::future::join;
use reqwest::StatusCode;

use super::flow::{Client, World, landed, parameter, text};

const ORDERS: &str = "read:orders";
const ASKED: &str = "openid offline_access read:orders";

async fn add(world: &World, audience: Audience) {
    let entry = Entry {
        scope: ORDERS.parse().unwrap(),
        description: "Read your orders".parse().unwrap(),
        sensitive: false,
        publishable: false,
        audience,
    };
    add_scope(&world.app.authority, &entry, Actor::Operator, None)
        .await
        .unwrap();
}

async fn remove(world: &World) -> Result<(), ScopeError> {
    remove_scope(&world.app.authority, ORDERS, Actor::Operator, None).await
}

fn with_orders(registration: &mut Registration, kind: ClientKind) {
    registration.kind = kind;
    registration.scopes = ASKED.parse().unwrap();
}

/// Lets the client ask for it again.
async fn give_back(world: &World, client: &Client) {
    let authority = &world.app.authority;
    let entity = authority.clients.get(client.id).await.unwrap().unwrap();
    let mut registration = entity.registration.clone();
    registration.scopes = ASKED.parse().unwrap();
    edit_client(authority, &entity, &registration, By::OPERATOR)
        .await
        .unwrap();
}

/// How many rows of a table still have it.
async fn holders(world: &World, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table} WHERE '{ORDERS}' = ANY (scopes)");
    world.number(&sql).await
}

#[tokio::test]
async fn a_scope_that_is_kept_for_fewer_or_removed_is_taken_from_those_who_may_not_have_it() {
    for narrowed in [true, false] {
        let world = World::nodes_with(2, |_| {}).await;
        add(&world, Audience::Any).await;
        let public = world
            .register(|registration| with_orders(registration, ClientKind::Public))
            .await;
        let confidential = world
            .register(|registration| with_orders(registration, ClientKind::Confidential))
            .await;
        let browser = world.browser().await;
        let ask = |client: &Client| world.ask(client).with("scope", ASKED);
        let mut tokens = Vec::new();
        for client in [&public, &confidential] {
            let login = world.login_with(&browser, ask(client)).await;
            let given = world.redeem(client, &login).await.good();
            assert_eq!(given["scope"], "offline_access openid read:orders");
            tokens.push(text(&given, "refresh_token"));
        }
        let on_its_way = world.login_with(&browser, ask(&public)).await;

        if narrowed {
            add(&world, Audience::Confidential).await;
        } else {
            remove(&world).await.unwrap();
        }
        let left = i64::from(narrowed);
        for table in ["clients", "consents", "grants"] {
            assert_eq!(
                holders(&world, table).await,
                left,
                "{table}, narrowed: {narrowed}"
            );
        }
        let refused = landed(&browser.get(&ask(&public).path()).await);
        assert_eq!(parameter(&refused, "error").as_deref(), Some("invalid_scope"));
        for node in &world.app.nodes {
            let refreshed = world.refresh_at(node, &public, &tokens[0]).await;
            if refreshed.status == StatusCode::OK {
                assert_eq!(refreshed.json()["scope"], "offline_access openid");
                tokens[0] = text(&refreshed.json(), "refresh_token");
            } else {
                panic!("{}", refreshed.text);
            }
        }
        let redeemed = world.redeem(&public, &on_its_way).await.good();
        assert_eq!(redeemed["scope"], "offline_access openid");
        let kept = world.refresh(&confidential, &tokens[1]).await.good();
        let expected = if narrowed {
            "offline_access openid read:orders"
        } else {
            "offline_access openid"
        };
        assert_eq!(kept["scope"], expected);

        // It may come back, but not by itself: nobody has allowed it to what it is then.
        add(&world, Audience::Any).await;
        give_back(&world, &public).await;
        let page = browser.get(&ask(&public).path()).await;
        assert!(page.leads_to().is_none() && page.text().contains("Read your orders"));
        let refreshed = world.refresh(&public, &tokens[0]).await.good();
        assert_eq!(refreshed["scope"], "offline_access openid");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_client_is_left_with_a_scope_that_was_taken_away_beside_it() {
    let world = World::start().await;
    let authority = &world.app.authority;
    let client = world
        .register(|registration| {
            registration.kind = ClientKind::Public;
            registration.scopes = "openid".parse().unwrap();
        })
        .await;
    for round in 0..20 {
        add(&world, Audience::Any).await;
        let entity = authority.clients.get(client.id).await.unwrap().unwrap();
        let mut registration = entity.registration.clone();
        registration.scopes = ASKED.parse().unwrap();
        let take_away = async {
            if round % 2 == 0 {
                remove(&world).await.unwrap();
            } else {
                add(&world, Audience::FirstParty).await;
            }
        };
        // Half of them register, half of them edit; each ends with it or with a refusal, none with a deadlock.
        let keep = async {
            if round % 4 < 2 {
                let id = ClientId::new(&authority.clock, &authority.entropy);
                let owner = (world.account, world.first_app);
                let by = By::OPERATOR;
                let made = register_client(authority, id, owner, &registration, false, by).await;
                made.map(|_| ())
            } else {
                edit_client(authority, &entity, &registration, By::OPERATOR).await
            }
        };
        let (kept, ()) = Box::pin(join(keep, take_away)).await;
        if let Err(error) = kept {
            assert!(error.to_string().contains(ORDERS), "round {round}: {error}");
        }
        assert_eq!(holders(&world, "clients").await, 0, "round {round}");
    }
}
