//! Keys are rotated under running flows: what old ones made stays good, new ones take over.

use std::time::Duration;

use claviger::{audit::Actor, crypto::Purpose, oauth::clients::GrantType};
use reqwest::StatusCode;

use super::flow::{World, jwt_part, text};

async fn published(world: &World) -> Vec<String> {
    let keys = world.json("/.well-known/jwks.json").await;
    let keys = keys["keys"].as_array().unwrap();
    keys.iter().map(|key| text(key, "kid")).collect()
}

#[tokio::test]
async fn a_signing_key_is_published_before_it_signs_and_kept_while_it_is_needed() {
    let world = World::nodes_with(2, |_| {}).await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let signed_by = async || {
        let tokens = world.tokens(&browser, &client).await;
        let access_token = text(&tokens, "access_token");
        let kid = text(&jwt_part(&access_token, 0), "kid");
        (
            access_token,
            kid,
            text(&jwt_part(&text(&tokens, "id_token"), 0), "kid"),
        )
    };
    let (_, old, _) = signed_by().await;
    let before = published(&world).await;
    assert_eq!(before.len(), 3, "one of each algorithm");
    assert!(before.contains(&old));

    world
        .app
        .authority
        .signing
        .rotate_now(Actor::Operator)
        .await
        .unwrap();
    let after = published(&world).await;
    assert_eq!(after.len(), 6);
    let (_, kid, _) = signed_by().await;
    assert_eq!(kid, old, "it does not sign yet");

    world
        .app
        .advance(Duration::from_secs(24 * 60 * 60) - Duration::from_secs(2));
    let (last_of_old, kid, _) = signed_by().await;
    assert_eq!(kid, old);
    world.app.advance(Duration::from_secs(10));
    let (first_of_new, new, id_token) = signed_by().await;
    assert!(new != old && after.contains(&new) && !before.contains(&new) && id_token == new);

    // Both are good here, and on a node that did not make the new one once it has read the keys.
    let other = &world.app.nodes[1];
    other.app.read_keys().await.unwrap();
    for token in [&last_of_old, &first_of_new] {
        assert!(world.is_active(&client, token).await);
        let told = world
            .post_as_to(other, &client, "/oauth/introspect", &[("token", token)])
            .await;
        assert_eq!(told.good()["active"], true);
    }
    // Not before all that it signed is dead does the old one go.
    let tidy = async || world.app.run_job("oauth.signing-keys").await;
    tidy().await;
    assert!(published(&world).await.contains(&old));
    world.app.advance(Duration::from_secs(30 * 60));
    assert_eq!(tidy().await, 3);
    let kept = published(&world).await;
    assert!(kept.len() == 3 && !kept.contains(&old) && kept.contains(&new));
}

#[tokio::test]
async fn a_successor_is_made_ahead_of_its_time() {
    let day = Duration::from_secs(24 * 60 * 60);
    let world = World::start().await;
    let tidy = async || world.app.run_job("oauth.signing-keys").await;
    assert_eq!(tidy().await, 0);
    world.app.advance(89 * day - Duration::from_secs(60));
    assert_eq!(tidy().await, 0);
    assert_eq!(published(&world).await.len(), 3);
    world.app.advance(Duration::from_secs(60));
    assert_eq!(tidy().await, 3);
    assert_eq!(published(&world).await.len(), 6);
    assert_eq!(tidy().await, 0);
}

#[tokio::test]
async fn derived_keys_are_rotated_under_whatever_they_made() {
    let world = World::nodes_with(2, |_| {}).await;
    let client = world
        .register(|registration| registration.grant_types.push(GrantType::ClientCredentials))
        .await;
    let browser = world.browser().await;
    let tokens = world.tokens(&browser, &client).await;
    let waiting = browser
        .get(&world.ask(&client).with("prompt", "consent").path())
        .await;
    let login = world.login(&browser, &client).await;

    let authority = &world.app.authority;
    for purpose in Purpose::ALL {
        let mut connection = authority.db.connection().await.unwrap();
        authority.keyring.rotate(&mut connection, purpose).await.unwrap();
    }
    let before: Vec<_> = Purpose::ALL
        .map(|purpose| authority.keyring.current_id(purpose).unwrap())
        .into();
    world.app.nodes[1].app.read_keys().await.unwrap();
    world.app.advance(Duration::from_secs(31));
    for (purpose, old) in Purpose::ALL.into_iter().zip(before) {
        assert_ne!(authority.keyring.current_id(purpose).unwrap(), old, "{purpose:?}");
    }

    // A code, a refresh token, a client's secret, a form of before: on either node.
    let redeemed = world.redeem_at(&world.app.nodes[1], &client, &login).await.good();
    let old = text(&tokens, "refresh_token");
    let new = text(&world.refresh(&client, &old).await.good(), "refresh_token");
    assert_ne!(&new[..9], &old[..9], "the successor is under the new key");
    world
        .refresh(&client, &text(&redeemed, "refresh_token"))
        .await
        .good();
    let page = browser.submit(&waiting, &[("decision", "approve")]).await;
    assert!(page.leads_to().is_some(), "{}", page.text());
    // No move of the client was seen in that, for there was none.
    let moves = "SELECT count(*) FROM audit_records WHERE action = 'grant.moved'";
    assert_eq!(world.number(moves).await, 0);
    // A secret was digested anew when it was used.
    let stale = format!(
        "SELECT count(*) FROM client_secrets WHERE key_id <> {}",
        authority.keyring.current_id(Purpose::ClientSecret).unwrap().0
    );
    assert_eq!(world.number(&stale).await, 0);

    // What is sealed at rest is sealed anew by the job, and still opens; one row that makes no sense stops no other.
    let untouched = world.tokens(&browser, &client).await;
    let damage = "UPDATE grants SET context_sealed = context_sealed || '\\x00'
        WHERE id = (SELECT id FROM grants ORDER BY id LIMIT 1)";
    world.database().await.execute(damage, &[]).await.unwrap();
    let mut connection = authority.db.connection().await.unwrap();
    for purpose in [Purpose::ClientContext, Purpose::SigningKey] {
        authority.keyring.rotate(&mut connection, purpose).await.unwrap();
    }
    drop(connection);
    world.app.advance(Duration::from_secs(31));
    let rows = world.app.run_job("oauth.reseal").await;
    assert!(rows > 3, "{rows}");
    assert_eq!(world.app.run_job("oauth.reseal").await, 0);
    let current = authority.keyring.current_id(Purpose::ClientContext).unwrap();
    let stale = format!(
        "SELECT count(*) FROM grants WHERE substring(context_sealed FROM 1 FOR 4) <> '\\x{:08x}'::bytea",
        current.0
    );
    assert_eq!(world.number(&stale).await, 1);
    let page = browser.get(&format!("/account/apps/{}", client.id)).await;
    assert!(page.text().contains("127.0.0.1"), "{}", page.text());
    world.app.read_keys().await.unwrap();
    world
        .refresh(&client, &text(&untouched, "refresh_token"))
        .await
        .good();
    assert_eq!(
        world
            .introspect(&client, &text(&untouched, "access_token"))
            .await
            .status,
        StatusCode::OK
    );
}
