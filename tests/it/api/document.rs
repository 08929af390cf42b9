//! The document: what it says holds for what is answered, by tests that it is made into (schemathesis).

use claviger::keys::Asker;
use reqwest::Method;
use serde_json::json;

use crate::{
    clients,
    keys::{World, grant, set},
};

#[tokio::test]
async fn every_operation_has_a_name_of_its_own_and_says_how_it_refuses() {
    let world = World::start().await;
    let document = world.call(Method::GET, "/openapi.json", None, None).await.is(200);
    let mut names = std::collections::BTreeSet::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} twice");
            let answers = &operation["responses"];
            if operation["security"].is_null() {
                assert_eq!(name, "post-leaks-github");
                continue;
            }
            for status in ["401", "403", "429", "503"] {
                let example = &answers[status]["content"]["application/json"]["example"];
                assert_eq!(example["success"], false, "{name}: {status}");
            }
            assert_eq!(answers["413"].is_object(), answers["415"].is_object(), "{name}");
        }
    }
}

/// Its requests are drawn from a seed that does not change, so a run that fails fails again.
#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_no_fault_and_no_breach() {
    let world = World::with(1, |config| {
        // Keys are made by the dozen.
        config.keys.per_app = 10_000;
        config.limits.apps_per_account = 10_000;
    })
    .await;
    let scopes = "read:orders write:orders keys:manage keys:verify";
    grant(&world.app, world.ada_app, scopes).await;
    let (own, value) = world
        .make(|new| new.scopes = Some(set("keys:manage keys:verify")))
        .await;
    let (other, _) = world.make(|_| {}).await;
    let settings = json!({
        "document": world.app.url("/openapi.json"),
        "key": value,
        "app": world.ada_app.to_string(),
        "key_id": other.id.to_string(),
    });
    tokio::task::spawn_blocking(move || clients::run_python("interface.py", &settings))
        .await
        .unwrap();
    // Whatever it made up, the key that it had is what it was.
    let key = world.app.keys.key(own.id, Asker::OPERATOR).await.unwrap();
    assert!(key.is_usable(world.app.keys.clock.now()));
    let made = world.records("key.created").await;
    assert!(made > 3, "it did make some: {made}");
}
