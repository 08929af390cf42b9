//! Each kind of credential: taken back everywhere when the answer comes, told of, and nowhere to be read.

use std::time::Instant;

use claviger::{
    audit::By,
    keys::KeyKind,
    oauth::{
        access_token::{self, Principal},
        clients::add_secret,
    },
    types::{ClientSecretId, ScopeSet},
};
use serde_json::{Value, json};

use super::{Scene, WHERE, find, labels};
use crate::{oauth::flow::text, support::logs, webhooks::documented};

#[tokio::test]
async fn whatever_is_found_is_refused_by_every_node_when_the_answer_comes() {
    let scene = Scene::with(2, |_| {}).await;
    let world = &scene.world;
    let elsewhere = &world.app.nodes[1];
    let (key, value) = scene.key(|_| {}).await;
    let client = scene.confidential().await;
    let browser = world.browser().await;
    let first = world.tokens(&browser, &client).await;
    // An older generation of the refresh token, and an access token of another grant.
    let old = text(&first, "refresh_token");
    let current = text(&world.refresh(&client, &old).await.good(), "refresh_token");
    let access = text(&world.tokens(&browser, &client).await, "access_token");
    let (endpoint, webhook) = scene.endpoint().await;
    let secret = client.secret.clone().unwrap();
    let webhook = webhook.value.expose();
    let userinfo = async || {
        let request = world.http.get(elsewhere.url("/oauth/userinfo"));
        request
            .bearer_auth(&access)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert!(scene.takes(elsewhere, &value).await && scene.signs(elsewhere, endpoint).await);
    assert_eq!(userinfo().await, 200);
    let ask = [("token", "x")];
    world
        .post_as_to(elsewhere, &client, "/oauth/introspect", &ask)
        .await
        .good();

    let in_url = json!({"token": value, "type": "t", "url": format!("https://paste.example/?k={value}")});
    let found = [
        find(&value),
        in_url,
        find(&secret),
        find(&old),
        find(&access),
        find(webhook),
        find(&value.replace("live", "test")),
        find("cs_unknown_but_long_enough_to_be_a_secret"),
        find("rt_unknown"),
        find("whsec_unknown"),
        find(""),
    ];
    let answer = scene.report(&found).await;
    let hashes: Vec<_> = answer
        .body
        .as_array()
        .unwrap()
        .iter()
        .map(|own| own["token_hash"].clone())
        .collect();
    assert_eq!(
        hashes[0],
        claviger::crypto::encode_hex(&claviger::crypto::digest(value.as_bytes()))
    );
    assert!(!answer.body.to_string().contains(&value));
    let ours = [
        true, true, true, true, true, true, false, false, false, false, false,
    ];
    assert_eq!(labels(answer), ours);

    assert!(!scene.takes(elsewhere, &value).await);
    assert_eq!(userinfo().await, 401);
    let refused = world
        .post_as_to(elsewhere, &client, "/oauth/introspect", &ask)
        .await;
    assert_eq!(refused.error(), (401, "invalid_client".to_owned()));
    assert!(!scene.signs(elsewhere, endpoint).await);

    // Everything is known a second time, and nothing new is said of it.
    let again: Vec<Value> = found.iter().rev().cloned().collect();
    let mailed = scene.mails("ada@example.com").await.len();
    let mut known = labels(scene.report(&again).await);
    known.reverse();
    assert_eq!(known, ours);
    assert_eq!(scene.mails("ada@example.com").await.len(), mailed);
    assert_eq!(scene.outcomes(world.first_app).await.len(), 6);
    assert!(
        scene
            .outcomes(world.first_app)
            .await
            .iter()
            .all(|own| own.1 == "revoked")
    );

    // The grant is gone with the refresh token, whichever it was: another secret does not help.
    let entity = world.app.authority.clients.get(client.id).await.unwrap().unwrap();
    let id = ClientSecretId::new(&world.app.authority.clock, &world.app.authority.entropy);
    let (anew, _) = add_secret(&world.app.authority, &entity, id, None, By::OPERATOR)
        .await
        .unwrap();
    let mut client = client;
    client.secret = Some(anew.expose().to_owned());
    let refused = world.refresh_at(elsewhere, &client, &current).await;
    assert_eq!(refused.error(), (400, "invalid_grant".to_owned()));

    // The trail, for whom it concerns.
    for action in [
        "key.leaked",
        "key.revoked",
        "client.secret_revoked",
        "grant.revoked",
        "token.revoked",
    ] {
        let records = scene.records(action).await;
        assert_eq!(
            records.len(),
            if action == "key.leaked" { 2 } else { 1 },
            "{action}"
        );
        if action != "key.leaked" {
            assert_eq!(records[0].details["reason"], "leaked");
        }
    }
    assert_eq!(scene.records("secret.leaked").await.len(), 4);
    let leaked = &scene.records("key.leaked").await[1];
    assert_eq!(leaked.subject_id, Some(key.id.to_string()));
    assert_eq!(leaked.details["found_at"], WHERE);

    // The events.
    let payloads = "SELECT payload FROM webhook_messages WHERE event_type LIKE '%.revoked'";
    let told = world.database().await.query(payloads, &[]).await.unwrap();
    assert_eq!(told.len(), 2);
    for row in told {
        documented::check(&serde_json::from_str(row.get(0)).unwrap());
    }

    // The mail.
    let mails = scene.mails("ada@example.com").await.join("\n");
    assert!(mails.contains(&key.hint) && mails.contains(WHERE), "{mails}");
    assert!(
        mails.contains("has been revoked") && mails.contains("https://paste.example/?k= "),
        "{mails}"
    );

    let person = "A token with which Weather Watch reaches your account was found at";
    assert!(mails.contains(person), "{mails}");

    let dump = world.dump().await;
    assert!(dump.contains(WHERE), "there was something to search");
    for token in [value.as_str(), &secret, &old, &access, webhook] {
        assert!(!dump.contains(token) && !mails.contains(token) && !logs::text().contains(token));
    }
}

#[tokio::test]
async fn one_key_is_told_of_in_one_sentence_and_by_an_event() {
    let scene = Scene::start().await;
    let (key, value) = scene.key(|_| {}).await;
    let (_, _) = scene.endpoint().await;
    assert_eq!(labels(scene.report(&[find(&value)]).await), [true]);
    let mail = scene
        .mails("ada@example.com")
        .await
        .pop()
        .unwrap()
        .replace("=E2=80=A6", "…");
    let sentence = format!(
        "Your key {}… ({}) was found at {WHERE} and has been revoked.",
        key.hint,
        key.settings.name.as_str()
    );
    assert!(mail.contains(&sentence), "{mail}");
    let page = scene
        .world
        .browser()
        .await
        .get(&format!("/apps/{}", scene.world.first_app))
        .await;
    let shown = page.text();
    assert!(
        shown.contains("Found in public") && shown.contains(&key.hint) && shown.contains(WHERE),
        "{shown}"
    );
    let payloads =
        "SELECT string_agg(payload, ' ' ORDER BY id) FROM webhook_messages WHERE event_type = 'key.leaked'";
    let told: String = scene
        .world
        .database()
        .await
        .query_one(payloads, &[])
        .await
        .unwrap()
        .get(0);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["data"]["key_id"], key.id.to_string());
    assert_eq!(told["data"]["url"], WHERE);
    assert_eq!(
        (&told["data"]["source"], &told["data"]["revoked"]),
        (&json!("github"), &json!(true))
    );
}

#[tokio::test]
async fn what_does_no_harm_is_known_and_left_as_it_is() {
    let scene = Scene::start().await;
    let node = &scene.world.app.nodes[0];
    let keys = &scene.world.app.keys;
    let (regenerated, former) = scene.key(|_| {}).await;
    let made = keys
        .regenerate(regenerated.id, None, claviger::keys::Asker::OPERATOR)
        .await
        .unwrap();
    let now = made.value.unwrap();
    let (_, published) = scene
        .key(|new| {
            new.kind = KeyKind::Publishable;
            new.scopes = Some("read:orders".parse().unwrap());
        })
        .await;
    let found = [find(&former), find(&published)];
    assert_eq!(labels(scene.report(&found).await), [true, true]);
    assert!(scene.takes(node, now.expose()).await && scene.takes(node, &published).await);
    let mut outcomes: Vec<_> = scene
        .outcomes(scene.world.first_app)
        .await
        .into_iter()
        .map(|own| own.1)
        .collect();
    outcomes.sort();
    assert_eq!(outcomes, ["former", "published"]);
    assert_eq!(scene.records("key.revoked").await.len(), 0);
    assert!(scene.mails("ada@example.com").await.is_empty());
    // An end can be moved, so an expired key is taken back too.
    let soon = keys.clock.now() + std::time::Duration::from_secs(5);
    let (expired, value) = scene.key(|new| new.expires_at = Some(soon)).await;
    let token = access_token::mint(
        &scene.world.app.authority,
        scene.confidential().await.id,
        Principal::Client,
        &ScopeSet::default(),
    );
    let token = token.unwrap().0;
    scene.advance(3_600);
    assert_eq!(
        labels(scene.report(&[find(&value), find(token.expose())]).await),
        [true, true]
    );
    let expired = keys
        .key(expired.id, claviger::keys::Asker::OPERATOR)
        .await
        .unwrap();
    assert!(expired.revoked.is_some());
    assert_eq!(scene.records("token.revoked").await.len(), 0);
    assert!(
        scene
            .outcomes(scene.world.first_app)
            .await
            .contains(&("access_token".to_owned(), "over".to_owned()))
    );
    // What outlives its app is ours all the same.
    scene.delete_app().await;
    let gone = [
        find(now.expose()),
        find(&former),
        find(token.expose()),
        find(&published),
    ];
    assert_eq!(labels(scene.report(&gone).await), [true, true, true, true]);
}

#[tokio::test]
async fn publishable_keys_go_too_where_that_is_configured() {
    let scene = Scene::with(1, |config| config.leaks.revoke_publishable = true).await;
    let (_, published) = scene
        .key(|new| {
            new.kind = KeyKind::Publishable;
            new.scopes = Some("read:orders".parse().unwrap());
        })
        .await;
    assert_eq!(labels(scene.report(&[find(&published)]).await), [true]);
    assert!(!scene.takes(&scene.world.app.nodes[0], &published).await);
}

#[tokio::test]
async fn a_thousand_at_once_are_dealt_with_in_one_go() {
    let scene = Scene::with(2, |_| {}).await;
    let authority = &scene.world.app.authority;
    let (mut tokens, mut keys) = (Vec::new(), Vec::new());
    for _ in 0..400 {
        keys.push(scene.key(|_| {}).await.1);
    }
    for _ in 0..10 {
        let client = scene.confidential().await;
        tokens.push(client.secret.clone().unwrap());
        for _ in 0..20 {
            let minted = access_token::mint(authority, client.id, Principal::Client, &ScopeSet::default());
            tokens.push(minted.unwrap().0.expose().to_owned());
        }
    }
    for _ in 0..10 {
        tokens.push(scene.endpoint().await.1.value.expose().to_owned());
    }
    let client = scene.confidential().await;
    let browser = scene.world.browser().await;
    for _ in 0..5 {
        tokens.push(text(
            &scene.world.tokens(&browser, &client).await,
            "refresh_token",
        ));
    }
    tokens.extend(keys.iter().cloned());
    let ours = tokens.len();
    tokens.extend((0..1_000 - ours).map(|number| format!("sk_live_{number:0>49}")));
    let finds: Vec<Value> = tokens.iter().map(|token| find(token)).collect();
    let begun = Instant::now();
    let answer = scene.report(&finds).await;
    println!(
        "1,000 finds, {ours} of them live credentials: {:?}",
        begun.elapsed()
    );
    let labels = labels(answer);
    assert_eq!(labels.len(), 1_000);
    assert_eq!(labels.iter().filter(|own| **own).count(), ours);
    assert!(labels[..ours].iter().all(|own| *own));
    for key in [&keys[0], &keys[399]] {
        assert!(!scene.takes(&scene.world.app.nodes[1], key).await);
    }
    assert_eq!(scene.records("key.revoked").await.len(), 400);
    // One mail, however much it was.
    let mails = scene.mails("ada@example.com").await;
    assert_eq!(mails.len(), 1);
    assert!(
        mails[0].contains("more: see the pages of your apps"),
        "{}",
        mails[0]
    );
}
