//! What the authorization server tells: with the act, and nothing of where people are.

use claviger::{
    audit::By,
    oauth::{block_user, clients},
    webhooks::{EndpointUrl, Settings},
};
use serde_json::Value;

use super::{documented, receiver::Receiver};
use crate::{
    oauth::flow::{World, text},
    support::wait::until,
};

/// A world with an endpoint that is told everything.
async fn world() -> (World, Receiver) {
    let world = World::with(|config| config.webhooks.allow_private_addresses = true).await;
    let receiver = Receiver::start().await;
    let webhooks = &world.app.webhooks;
    let id = claviger::types::WebhookEndpointId::new(&webhooks.clock, &webhooks.entropy);
    let settings = Settings {
        url: EndpointUrl::parse(&receiver.url("/"), true).unwrap(),
        description: None,
        event_types: Vec::new(),
    };
    let mut transaction = world.app.db.begin().await.unwrap();
    webhooks
        .add(
            &mut transaction,
            id,
            (world.account, world.first_app),
            &settings,
            By::OPERATOR,
        )
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    (world, receiver)
}

/// Waits for so many events in all, and gives them.
async fn told(world: &World, receiver: &Receiver, number: usize) -> Vec<Value> {
    let dispatching = world.app.webhooks.start();
    until("it is told", async || receiver.received().len() >= number).await;
    dispatching.stop().await;
    let told: Vec<_> = receiver.received().iter().map(|one| one.json()).collect();
    assert_eq!(told.len(), number, "{told:?}");
    told.iter().for_each(documented::check);
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_told_when_it_comes_and_when_it_goes() {
    let (world, receiver) = world().await;
    let (browser, client) = (world.browser().await, world.confidential().await);
    let tokens = world.tokens(&browser, &client).await;
    world.revoke(&client, &text(&tokens, "refresh_token")).await;
    let told = told(&world, &receiver, 2).await;
    assert_eq!(told[0]["type"], "grant.created");
    assert_eq!(told[1]["type"], "grant.revoked");
    assert_eq!(told[1]["data"]["reason"], "client_request");
    for event in &told {
        let data = &event["data"];
        assert_eq!(data["client_id"], client.id.to_string());
        assert_eq!(data["user_id"], world.ada.to_string());
        assert_eq!(data["grant_id"], told[0]["data"]["grant_id"]);
        assert_eq!(data["scope"], "email offline_access openid profile");
        assert!(!event.to_string().contains("127.0.0.1"), "{event}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_code_tells_nothing_and_a_replayed_one_tells_both() {
    let (world, receiver) = world().await;
    let (browser, client) = (world.browser().await, world.confidential().await);
    let login = world.login(&browser, &client).await;
    world.redeem(&client, &login).await.good();
    world.redeem(&client, &login).await.error();
    world.redeem(&client, &login).await.error();
    let told = told(&world, &receiver, 3).await;
    let types: Vec<_> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["grant.created", "grant.replayed", "grant.revoked"]);
    assert_eq!(told[1]["data"]["reason"], "replay");
}

#[tokio::test(flavor = "multi_thread")]
async fn blocking_a_person_and_deleting_a_client_tell_of_each_grant() {
    let (world, receiver) = world().await;
    let (browser, client) = (world.browser().await, world.confidential().await);
    world.tokens(&browser, &client).await;
    world.tokens(&browser, &client).await;
    let mut connection = world.app.db.connection().await.unwrap();
    let found = clients::client(&mut connection, client.id)
        .await
        .unwrap()
        .unwrap();
    drop(connection);
    clients::delete_client(&world.app.authority, &found, By::OPERATOR)
        .await
        .unwrap();
    let other = world.confidential().await;
    world.tokens(&browser, &other).await;
    assert!(
        block_user(&world.app.authority, world.ada, claviger::audit::Actor::Operator)
            .await
            .unwrap()
    );
    let told = told(&world, &receiver, 6).await;
    let reasons: Vec<_> = told
        .iter()
        .filter_map(|event| event["data"]["reason"].as_str())
        .collect();
    assert_eq!(reasons, ["client_deleted", "client_deleted", "blocked"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_goes_takes_its_webhooks_along() {
    let (world, _receiver) = world().await;
    let (browser, client) = (world.browser().await, world.confidential().await);
    world.tokens(&browser, &client).await;
    assert_eq!(world.number("SELECT count(*) FROM webhook_deliveries").await, 1);
    clients::delete_app(&world.app.authority, world.first_app, By::OPERATOR)
        .await
        .unwrap();
    for table in ["endpoints", "secrets", "messages", "deliveries", "attempts"] {
        assert_eq!(
            world
                .number(&format!("SELECT count(*) FROM webhook_{table}"))
                .await,
            0,
            "{table}"
        );
    }
}
