//! From the making of a key to its tombstone.

use std::time::Duration;

use claviger::{
    keys::{Asker, KeyError, KeyKind, KeyState, NewKey, Overlap, Reach},
    types::ApiKeyId,
};
use futures_util::future::join_all;

use super::{World, execute, new_key, set};

async fn refused(world: &World, new: NewKey) -> String {
    let keys = &world.app.keys;
    let id = ApiKeyId::new(&keys.clock, &keys.entropy);
    match keys.create(id, &new, None, Asker::OPERATOR).await {
        Ok(_) => panic!("it was made"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn each_kind_has_what_it_may() {
    let world = World::start().await;
    let (secret, _) = world.make(|_| {}).await;
    assert_eq!(
        secret.settings.scopes,
        set("read:orders write:orders keys:manage")
    );
    let (publishable, value) = world
        .make(|new| {
            new.kind = KeyKind::Publishable;
            new.scopes = Some(set("read:orders"));
        })
        .await;
    assert!(value.starts_with("pk_live_") && publishable.hint == value[..12]);
    let kind = |kind, scopes: Option<&str>| NewKey {
        kind,
        scopes: scopes.map(set),
        ..new_key(world.ada_app)
    };
    let said = refused(&world, kind(KeyKind::Publishable, Some("write:orders"))).await;
    assert!(said.contains("write:orders is not marked publishable"), "{said}");
    let said = refused(&world, kind(KeyKind::Restricted, None)).await;
    assert!(said.contains("names its scopes"), "{said}");
    let said = refused(&world, kind(KeyKind::Secret, Some("read:invoices"))).await;
    assert!(said.contains("read:invoices is not granted to the app"), "{said}");
    let said = refused(
        &world,
        NewKey {
            expires_at: Some(world.app.keys.clock.now()),
            ..new_key(world.ada_app)
        },
    )
    .await;
    assert!(said.contains("in the past"), "{said}");
    let said = refused(
        &world,
        NewKey {
            family: "nobody".to_owned(),
            ..new_key(world.ada_app)
        },
    )
    .await;
    assert!(said.contains("there are default, hypersave, hypervize"), "{said}");
}

#[tokio::test]
async fn an_app_has_so_many_keys_and_no_more_whoever_comes_at_once() {
    let world = World::start().await;
    let keys = &world.app.keys;
    let made = join_all((0..8).map(|_| async {
        let id = ApiKeyId::new(&keys.clock, &keys.entropy);
        keys.create(id, &new_key(world.ada_app), None, Asker::OPERATOR)
            .await
    }))
    .await;
    let good: Vec<_> = made.iter().filter_map(|made| made.as_ref().ok()).collect();
    assert_eq!(good.len(), 5);
    assert!(
        made.iter()
            .filter_map(|made| made.as_ref().err())
            .all(|error| matches!(error, KeyError::TooMany(5)))
    );
    // One that is on its way out takes no place, and neither does one that is revoked or over.
    let first = good[0].key.id;
    let successor = ApiKeyId::new(&keys.clock, &keys.entropy);
    keys.rotate(first, successor, None, None, Asker::OPERATOR)
        .await
        .unwrap();
    let id = ApiKeyId::new(&keys.clock, &keys.entropy);
    let full = keys
        .create(id, &new_key(world.ada_app), None, Asker::OPERATOR)
        .await;
    assert!(matches!(full, Err(KeyError::TooMany(5))));
    keys.revoke(successor, Asker::OPERATOR).await.unwrap();
    world.make(|_| {}).await;
    assert_eq!(world.records("key.created").await, 7);
}

#[tokio::test]
async fn a_rotated_key_lives_on_for_the_overlap() {
    let world = World::start().await;
    let keys = &world.app.keys;
    let end = keys.clock.now() + Duration::from_hours(24 * 90);
    let (old, old_value) = world
        .make(|new| {
            new.scopes = Some(set("read:orders"));
            new.expires_at = Some(end);
            new.networks = vec!["0.0.0.0/0".parse().unwrap()];
        })
        .await;
    world.app.advance(Duration::from_hours(24));
    let id = ApiKeyId::new(&keys.clock, &keys.entropy);
    let made = keys
        .rotate(old.id, id, None, None, Asker::OPERATOR)
        .await
        .unwrap();
    let new_value = made.value.unwrap().expose().to_owned();
    assert_eq!(made.key.settings.scopes, old.settings.scopes);
    assert_eq!(made.key.settings.networks, old.settings.networks);
    assert_eq!(
        made.key.settings.expires_at,
        Some(end + Duration::from_hours(24)),
        "it lives as long as the old one was to live"
    );
    let ask = |value: String| {
        let world = &world;
        async move {
            super::code(
                &world
                    .ask(serde_json::json!({ "key": value, "ip": "192.0.2.1" }))
                    .await,
            )
        }
    };
    assert_eq!(ask(old_value.clone()).await, "VALID");
    assert_eq!(ask(new_value.clone()).await, "VALID");
    let again = keys
        .rotate(
            old.id,
            ApiKeyId::new(&keys.clock, &keys.entropy),
            None,
            None,
            Asker::OPERATOR,
        )
        .await;
    assert!(matches!(again, Err(KeyError::Rotated(successor)) if successor == id));
    world
        .app
        .advance(Duration::from_hours(24) - Duration::from_secs(1));
    assert_eq!(ask(old_value.clone()).await, "VALID");
    world.app.advance(Duration::from_secs(1));
    assert_eq!(ask(old_value).await, "EXPIRED");
    assert_eq!(ask(new_value).await, "VALID");
}

#[tokio::test]
async fn of_two_who_rotate_at_once_one_does() {
    let world = World::start().await;
    let keys = &world.app.keys;
    let (old, _) = world.make(|_| {}).await;
    let rotated = join_all((0..6).map(|_| {
        let id = ApiKeyId::new(&keys.clock, &keys.entropy);
        keys.rotate(old.id, id, None, None, Asker::OPERATOR)
    }))
    .await;
    assert_eq!(rotated.iter().filter(|one| one.is_ok()).count(), 1);
}

#[tokio::test]
async fn overlaps_can_be_nothing_or_last_until_it_is_retired() {
    let world = World::start().await;
    let keys = &world.app.keys;
    let (none, value) = world.make(|_| {}).await;
    let id = || ApiKeyId::new(&keys.clock, &keys.entropy);
    assert_eq!(world.code_of(&value).await, "VALID");
    keys.rotate(
        none.id,
        id(),
        Some(Overlap::For(Duration::ZERO)),
        None,
        Asker::OPERATOR,
    )
    .await
    .unwrap();
    assert_eq!(world.code_of(&value).await, "EXPIRED");
    let (long, value) = world.make(|_| {}).await;
    let longer = keys
        .rotate(
            long.id,
            id(),
            Some(Overlap::For(Duration::from_hours(73))),
            None,
            Asker::OPERATOR,
        )
        .await;
    assert!(matches!(
        longer,
        Err(KeyError::Unsound {
            field: "overlap_seconds",
            ..
        })
    ));
    let early = keys.retire(long.id, false, Asker::OPERATOR).await;
    assert!(matches!(early, Err(KeyError::NotRotated)));
    keys.rotate(long.id, id(), Some(Overlap::UntilRetired), None, Asker::OPERATOR)
        .await
        .unwrap();
    world.app.advance(Duration::from_hours(24 * 365));
    assert_eq!(world.code_of(&value).await, "VALID");
    // It has just been used, which is not written yet.
    let in_use = keys.retire(long.id, false, Asker::OPERATOR).await;
    assert!(matches!(in_use, Err(KeyError::InUse)));
    assert_eq!(world.code_of(&value).await, "VALID");
    keys.retire(long.id, true, Asker::OPERATOR).await.unwrap();
    assert_eq!(world.code_of(&value).await, "NOT_FOUND");
}

#[tokio::test]
async fn a_regenerated_key_has_another_value_and_the_same_id() {
    let world = World::start().await;
    let keys = &world.app.keys;
    let (key, old) = world.make(|_| {}).await;
    assert_eq!(world.code_of(&old).await, "VALID");
    let made = keys.regenerate(key.id, None, Asker::OPERATOR).await.unwrap();
    let new = made.value.unwrap().expose().to_owned();
    assert_eq!(made.key.id, key.id);
    assert_eq!(world.code_of(&old).await, "NOT_FOUND");
    let answer = world.ask(serde_json::json!({ "key": new })).await;
    assert_eq!(answer["key_id"], key.id.to_string());
}

#[tokio::test]
async fn a_revoked_key_is_over_for_good_and_its_tombstone_stays() {
    let world = World::start().await;
    let keys = &world.app.keys;
    let (key, value) = world.make(|_| {}).await;
    assert_eq!(world.code_of(&value).await, "VALID");
    let tombstone = keys.revoke(key.id, Asker::OPERATOR).await.unwrap();
    assert!(matches!(tombstone.state(keys.clock.now()), KeyState::Revoked(_)));
    assert_eq!(world.code_of(&value).await, "NOT_FOUND");
    // Once more says the same, and leaves no second record.
    keys.revoke(key.id, Asker::OPERATOR).await.unwrap();
    assert_eq!(world.records("key.revoked").await, 1);
    for act in [
        keys.regenerate(key.id, None, Asker::OPERATOR).await.err(),
        keys.rotate(
            key.id,
            ApiKeyId::new(&keys.clock, &keys.entropy),
            None,
            None,
            Asker::OPERATOR,
        )
        .await
        .err(),
        keys.change(
            key.id,
            None,
            |settings| settings.networks.clear(),
            Asker::OPERATOR,
        )
        .await
        .err(),
    ] {
        assert!(matches!(act, Some(KeyError::Over("revoked"))), "{act:?}");
    }
    let kept = keys.key(key.id, Asker::OPERATOR).await.unwrap();
    assert_eq!(kept.hint, value[..12]);
}

#[tokio::test]
async fn an_app_takes_its_keys_along() {
    let world = World::start().await;
    let (_, value) = world.make(|_| {}).await;
    assert_eq!(world.code_of(&value).await, "VALID");
    claviger::oauth::clients::delete_app(&world.app.authority, world.ada_app, claviger::audit::By::OPERATOR)
        .await
        .unwrap();
    assert_eq!(world.code_of(&value).await, "NOT_FOUND");
    assert_eq!(world.records("key.revoked").await, 1);
}

#[tokio::test]
async fn strangers_find_nothing_and_viewers_change_nothing() {
    let world = World::start().await;
    let keys = &world.app.keys;
    let (key, value) = world.make(|_| {}).await;
    let eve = world.app.person("eve@example.com").await;
    let stranger = Asker {
        by: claviger::audit::By::OPERATOR,
        reach: Reach::Person(eve.user.id),
    };
    assert!(matches!(
        keys.key(key.id, stranger).await,
        Err(KeyError::NotFound)
    ));
    assert!(matches!(
        keys.revoke(key.id, stranger).await,
        Err(KeyError::NotFound)
    ));
    assert!(matches!(
        keys.regenerate(key.id, None, stranger).await,
        Err(KeyError::NotFound)
    ));
    let id = ApiKeyId::new(&keys.clock, &keys.entropy);
    assert!(matches!(
        keys.create(id, &new_key(world.ada_app), None, stranger).await,
        Err(KeyError::NoApp)
    ));
    let member = format!(
        "INSERT INTO members (account_id, user_id, role, created_at) VALUES ('{}', '{}', 'viewer', now())",
        world.account.uuid(),
        eve.user.id.uuid()
    );
    execute(&world, &member).await;
    assert!(keys.key(key.id, stranger).await.is_ok());
    assert!(matches!(
        keys.revoke(key.id, stranger).await,
        Err(KeyError::Forbidden)
    ));
    let id = ApiKeyId::new(&keys.clock, &keys.entropy);
    assert!(matches!(
        keys.create(id, &new_key(world.ada_app), None, stranger).await,
        Err(KeyError::Forbidden)
    ));
    let other_app = Asker {
        by: claviger::audit::By::OPERATOR,
        reach: Reach::App(eve.opened.app_id),
    };
    assert!(matches!(
        keys.revoke(key.id, other_app).await,
        Err(KeyError::NotFound)
    ));
    assert_eq!(world.code_of(&value).await, "VALID");
}

#[tokio::test]
async fn everybody_who_signs_up_has_one_key_if_that_is_configured() {
    let world = World::with(1, |config| {
        config.keys.default_key_scope = Some("read:orders".to_owned());
    })
    .await;
    let keys = &world.app.keys;
    let mia = world.app.person("mia@example.com").await;
    let by = claviger::audit::By::OPERATOR;
    let slot = keys.default_key(mia.user.id).await.unwrap().unwrap();
    assert_eq!(slot.key, None);
    let revealed = join_all((0..4).map(|_| keys.reveal_default_key(mia.user.id, by))).await;
    let mut good: Vec<_> = revealed.into_iter().filter_map(Result::ok).collect();
    assert_eq!(good.len(), 1, "it is revealed once");
    let made = good.remove(0);
    assert_eq!(made.key.settings.scopes, set("read:orders"));
    assert_eq!(made.key.account_id, mia.opened.account_id);
    let value = made.value.unwrap().expose().to_owned();
    let answer = world
        .ask(serde_json::json!({ "key": value, "scope": "read:orders" }))
        .await;
    assert_eq!(super::code(&answer), "VALID");
    let slot = keys.default_key(mia.user.id).await.unwrap().unwrap();
    assert_eq!(slot.key, Some(made.key.id));
    // It stays good for its scope, whatever else is said of its app.
    let reach = Reach::Person(mia.user.id);
    let networks = vec!["203.0.113.0/24".parse().unwrap()];
    keys.change_policy(
        mia.opened.app_id,
        |policy| policy.networks = networks,
        Asker { by, reach },
    )
    .await
    .unwrap();
    let answer = world
        .ask(serde_json::json!({ "key": value, "scope": "read:orders", "ip": "203.0.113.7" }))
        .await;
    assert_eq!(super::code(&answer), "VALID");
    // An app that may have no such key uses nothing up.
    let tom = world.app.person("tom@example.com").await;
    let test_alone = |policy: &mut claviger::keys::AppPolicy| {
        policy.environments = vec![claviger::types::Environment::Test];
    };
    keys.change_policy(tom.opened.app_id, test_alone, Asker::OPERATOR)
        .await
        .unwrap();
    let of_test = keys.reveal_default_key(tom.user.id, by).await.unwrap();
    assert_eq!(of_test.key.environment, claviger::types::Environment::Test);
    // Whoever comes by another path has a slot too.
    execute(
        &world,
        "INSERT INTO users SELECT '00000000-0000-7000-8000-000000000001', 'x@example.com', 'x@example.com', NULL, 'X',
             password_hash, now(), false, NULL, now() FROM users LIMIT 1",
    )
    .await;
    let by_hand = claviger::types::UserId::from_uuid("00000000-0000-7000-8000-000000000001".parse().unwrap());
    assert!(keys.default_key(by_hand).await.unwrap().is_some());
}
