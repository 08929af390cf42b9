//! Scopes that are for operators to grant: nothing that a developer granted gives them, whichever came first.

use claviger::{
    audit::{Actor, By, Filter, trail},
    keys::{Asker, KeyError, Reach},
    scopes::{Audience, Entry},
    types::UserId,
};
use futures_util::future::join;
use serde_json::json;

use super::{World, add_scope, code, grant, set};

async fn withhold(world: &World, name: &str) {
    let entry = Entry {
        scope: name.parse().unwrap(),
        description: format!("May {name}").parse().unwrap(),
        sensitive: false,
        publishable: false,
        audience: Audience::FirstParty,
    };
    claviger::oauth::scopes::add_scope(&world.app.authority, &entry, Actor::Operator, None)
        .await
        .unwrap();
}

/// As the owner of Ada's app, who is no operator.
async fn grant_as_owner(world: &World, owner: UserId, scopes: &str) -> Result<(), KeyError> {
    let asker = Asker {
        by: By {
            actor: Actor::User(owner),
            context: None,
            operator: false,
        },
        reach: Reach::Person(owner),
    };
    let policy = world
        .app
        .keys
        .change_policy(world.ada_app, |policy| policy.scopes = set(scopes), asker);
    policy.await.map(drop)
}

async fn owner(world: &World) -> UserId {
    let mut connection = world.app.db.connection().await.unwrap();
    let members = claviger::accounts::members_of(&mut connection, world.account)
        .await
        .unwrap();
    members[0].user_id
}

#[tokio::test]
async fn a_prefix_gives_no_scope_that_operators_add_later() {
    let world = World::with(2, |_| {}).await;
    let owner = owner(&world).await;
    grant_as_owner(&world, owner, "read:* admin:orders")
        .await
        .unwrap();
    let (_, value) = world
        .make(|new| new.scopes = Some(set("read:* admin:orders")))
        .await;
    let ask = async |node: usize, scope: &str| {
        let question = json!({ "key": value, "scope": scope });
        code(&world.ask_at(&world.app.nodes[node], question).await)
    };
    assert_eq!(ask(0, "read:secrets").await, "VALID", "a prefix is of everything");
    for node in 0..2 {
        assert_eq!(ask(node, "read:invoices").await, "VALID");
    }
    withhold(&world, "read:secrets").await;
    for node in 0..2 {
        assert_eq!(ask(node, "read:secrets").await, "INSUFFICIENT_SCOPE");
        for kept in ["read:invoices", "read:orders", "write:orders", "admin:orders"] {
            assert_eq!(ask(node, kept).await, "VALID", "{kept}");
        }
    }
    let refused = grant_as_owner(&world, owner, "read:*").await;
    assert!(
        matches!(refused, Err(KeyError::Unsound { field: "scopes", .. })),
        "{refused:?}"
    );
    // An operator may.
    grant(&world.app, world.ada_app, "read:*").await;
    let (_, value) = world.make(|new| new.scopes = Some(set("read:*"))).await;
    let question = json!({ "key": value, "scope": "read:secrets" });
    assert_eq!(code(&world.ask(question).await), "VALID");
    // What operators have granted stays when the scope's words are changed.
    withhold(&world, "read:secrets").await;
    let question = json!({ "key": value, "scope": "read:secrets" });
    assert_eq!(code(&world.ask(question).await), "VALID");
}

#[tokio::test]
async fn a_scope_that_becomes_one_for_operators_to_grant_is_taken_from_all_with_what_implies_it() {
    let world = World::start().await;
    let owner = owner(&world).await;
    grant_as_owner(&world, owner, "admin:orders read:invoices")
        .await
        .unwrap();
    let scopes = Some(set("admin:orders read:invoices"));
    let (_, value) = world.make(|new| new.scopes = scopes).await;
    let ask = async |scope: &str| code(&world.ask(json!({ "key": value, "scope": scope })).await);
    assert_eq!(ask("read:orders").await, "VALID");
    withhold(&world, "read:orders").await;
    assert_eq!(ask("read:orders").await, "INSUFFICIENT_SCOPE");
    assert_eq!(
        ask("admin:orders").await,
        "INSUFFICIENT_SCOPE",
        "it would imply it"
    );
    assert_eq!(ask("write:orders").await, "VALID");
    assert_eq!(ask("read:invoices").await, "VALID");
    for gives_it in ["read:orders", "admin:orders", "admin:*"] {
        let refused = grant_as_owner(&world, owner, gives_it).await;
        assert!(
            matches!(refused, Err(KeyError::Unsound { field: "scopes", .. })),
            "{gives_it}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn whoever_grants_a_prefix_meanwhile_is_too_early_or_too_late() {
    let world = World::start().await;
    let owner = owner(&world).await;
    for round in 0..12 {
        grant(&world.app, world.ada_app, "keys:manage").await;
        let name = format!("list:secrets{round}");
        add_scope(&world.app, &format!("list:things{round}"), false).await;
        let (granted, ()) = join(grant_as_owner(&world, owner, "list:*"), withhold(&world, &name)).await;
        let policy = world
            .app
            .keys
            .policy(world.ada_app, Asker::OPERATOR)
            .await
            .unwrap();
        assert!(!policy.covers(&name), "{round}: {granted:?} {:?}", policy.scopes);
        world
            .app
            .keys
            .change_policy(world.ada_app, |policy| policy.scopes = set(""), Asker::OPERATOR)
            .await
            .unwrap();
        // So that the next round can grant the prefix.
        claviger::oauth::scopes::remove_scope(&world.app.authority, &name, Actor::Operator, None)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn whoever_loses_a_scope_finds_it_in_their_activity() {
    let world = World::start().await;
    let owner = owner(&world).await;
    grant_as_owner(&world, owner, "read:invoices").await.unwrap();
    let (key, _) = world.make(|new| new.scopes = Some(set("read:invoices"))).await;
    let (other, _) = world.make(|new| new.scopes = Some(set("read:invoices"))).await;
    claviger::oauth::scopes::remove_scope(&world.app.authority, "read:invoices", Actor::Operator, None)
        .await
        .unwrap();
    let filter = Filter {
        readers: Some((owner, vec![world.account])),
        ..Filter::default()
    };
    let trail = trail(&mut world.app.db.connection().await.unwrap(), &filter, 100)
        .await
        .unwrap();
    let lost = |subject: String| {
        trail.entries.iter().any(|entry| {
            entry.subject_id.as_ref() == Some(&subject)
                && entry.details.get("lost_scope") == Some(&json!("read:invoices"))
        })
    };
    for subject in [
        key.id.to_string(),
        other.id.to_string(),
        world.ada_app.to_string(),
    ] {
        assert!(lost(subject.clone()), "{subject}");
    }
    assert!(!lost(world.platform_app.to_string()));
}
