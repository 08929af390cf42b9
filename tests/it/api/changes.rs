//! Changes that meet: of two made from one version one is made; and what comes again after its sender was removed.

use claviger::accounts::Role;
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Session, add_member};
use crate::keys::{Answer, World, execute, set};

fn tag(answer: &Answer) -> String {
    answer.headers["etag"].to_str().unwrap().to_owned()
}

/// How many of these changes, made at once from one version, were made; the others were told that they came too late.
async fn race(world: &World, session: &Session, path: &str, bodies: Vec<Value>) -> usize {
    let seen = session.call(world, Method::GET, path, None).await;
    let tag = tag(&seen);
    let changes = bodies.into_iter().map(|body| {
        let tag = tag.clone();
        async move {
            let headers = [("if-match", tag.as_str())];
            session
                .call_with(world, Method::PATCH, path, &headers, Some(body))
                .await
        }
    });
    let answers = join_all(changes).await;
    let mut made = 0;
    for answer in answers {
        if answer.status == StatusCode::OK {
            made += 1;
            assert_ne!(self::tag(&answer), tag);
        } else {
            answer.refuses(412, "PRECONDITION_FAILED");
        }
    }
    made
}

#[tokio::test]
async fn of_changes_to_an_app_from_one_version_one_is_made() {
    let world = World::start().await;
    world.make(|_| {}).await;
    let session = Session::of_ada(&world).await;
    let path = format!("/v1/apps/{}", world.ada_app);
    for round in 0..5 {
        // Some change the name, some what keys may do, some both: parts of one thing.
        let bodies = (0..6).map(|number| match number % 3 {
            0 => json!({ "name": format!("App {round}.{number}") }),
            1 => json!({ "allowed_ips": [format!("127.{round}.{number}.0/24"), "127.0.0.0/8"] }),
            _ => json!({ "name": format!("App {round}.{number}"), "environments": ["live"], "allowed_ips": ["127.0.0.1/32", format!("10.{round}.{number}.0/24")] }),
        });
        assert_eq!(
            race(&world, &session, &path, bodies.collect()).await,
            1,
            "{round}"
        );
    }
}

#[tokio::test]
async fn of_changes_to_a_key_from_one_version_one_is_made() {
    let world = World::start().await;
    let (key, _) = world.make(|_| {}).await;
    let session = Session::of_ada(&world).await;
    let path = format!("/v1/keys/{}", key.id);
    for round in 0..5 {
        let bodies = (0..6).map(|number| match number % 2 {
            0 => json!({ "name": format!("Key {round}.{number}") }),
            _ => json!({ "rate_limit_per_hour": 100 + 10 * round + number }),
        });
        assert_eq!(
            race(&world, &session, &path, bodies.collect()).await,
            1,
            "{round}"
        );
    }
}

#[tokio::test]
async fn a_change_of_an_app_that_cannot_stand_changes_nothing_of_it() {
    let world = World::start().await;
    world.make(|_| {}).await;
    let session = Session::of_ada(&world).await;
    let path = format!("/v1/apps/{}", world.ada_app);
    let before = session.call(&world, Method::GET, &path, None).await.is(200);
    let both = json!({ "name": "Renamed", "scopes": ["keys:verify"] });
    let refused = session.call(&world, Method::PATCH, &path, Some(both)).await;
    refused.refuses(400, "INVALID_REQUEST");
    assert_eq!(refused.body["field"], "scopes");
    let after = session.call(&world, Method::GET, &path, None).await.is(200);
    assert_eq!(after, before, "the name, too, is what it was");
    assert_eq!(world.records("app.renamed").await, 0);
    let both = json!({ "name": "Renamed", "scopes": ["read:orders"] });
    let changed = session
        .call(&world, Method::PATCH, &path, Some(both.clone()))
        .await
        .is(200);
    assert_eq!(changed["name"], "Renamed");
    assert_eq!(changed["scopes"], json!(["read:orders"]));
    // If the record of one half cannot be written, the other half does not happen either.
    execute(
        &world,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.action = 'app.policy_changed' THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON audit_records FOR EACH ROW EXECUTE FUNCTION refuse();",
    )
    .await;
    let again = json!({ "name": "Renamed again", "scopes": ["write:orders"] });
    let failed = session.call(&world, Method::PATCH, &path, Some(again)).await;
    assert!(failed.status.is_server_error(), "{:?}", failed.body);
    let after = session.call(&world, Method::GET, &path, None).await.is(200);
    assert_eq!(after, changed);
}

/// Their request is remembered, and the value could be made again: so their role is asked before that.
#[tokio::test]
async fn who_was_removed_gets_no_value_again() {
    let world = World::start().await;
    let bob = world.app.person("bob@example.com").await;
    // Sessions may call while their account has a live key.
    world
        .make(|new| {
            new.app = bob.opened.app_id;
            new.scopes = Some(set(""));
        })
        .await;
    let (rotated, _) = world.make(|_| {}).await;
    let (regenerated, _) = world.make(|_| {}).await;
    add_member(&world, bob.user.id, Role::Developer).await;
    let session = Session::of(&world, "bob@example.com").await;
    let wanted = json!({ "app_id": world.ada_app.to_string(), "name": "Bob's", "environment": "live" });
    let requests = [
        ("/v1/keys".to_owned(), Some(wanted), "one"),
        (format!("/v1/keys/{}/rotate", rotated.id), None, "two"),
        (format!("/v1/keys/{}/regenerate", regenerated.id), None, "three"),
    ];
    let send = |(path, body, once): &(String, Option<Value>, &'static str)| {
        let (path, body, headers) = (path.clone(), body.clone(), [("idempotency-key", *once)]);
        let (session, world) = (&session, &world);
        async move {
            session
                .call_with(world, Method::POST, &path, &headers, body)
                .await
        }
    };
    for request in &requests {
        let first = send(request).await.is(201);
        let again = send(request).await.is(200);
        assert!(
            again["key"].is_string() && again["key"] == first["key"],
            "{}",
            request.0
        );
    }
    let set_role = async |role: Option<&str>| {
        let (account, user) = (world.account.uuid(), bob.user.id.uuid());
        let statement = match role {
            Some(role) => format!(
                "UPDATE members SET role = '{role}' WHERE account_id = '{account}' AND user_id = '{user}'"
            ),
            None => format!("DELETE FROM members WHERE account_id = '{account}' AND user_id = '{user}'"),
        };
        execute(&world, &statement).await;
    };
    set_role(Some("viewer")).await;
    for request in &requests {
        let refused = send(request).await;
        refused.refuses(403, "FORBIDDEN");
        assert!(refused.body.get("key").is_none());
    }
    set_role(None).await;
    for request in &requests {
        let refused = send(request).await;
        refused.refuses(404, "NOT_FOUND");
        assert!(refused.body.get("key").is_none());
    }
}

/// The app, and what its keys may do, are made by one act.
#[tokio::test]
async fn an_app_that_the_command_line_cannot_give_its_scopes_is_not_made() {
    use crate::support::program::Program;

    let world = World::start().await;
    let program = Program::beside(&world.app);
    let arguments = [
        "app",
        "create",
        "--name",
        "Never",
        "--owner",
        "ada@example.com",
        "--scope",
        "read:nothing",
    ];
    let ran = program.run(&arguments).await;
    assert!(ran.refusal().contains("read:nothing"), "{}", ran.err);
    assert_eq!(world.records("app.deleted").await, 0, "it was never there");
    let apps = claviger::accounts::apps_of(&mut world.app.db.connection().await.unwrap(), world.account)
        .await
        .unwrap();
    assert!(apps.iter().all(|app| app.name != "Never"));
    let arguments = [
        "app",
        "create",
        "--name",
        "Made",
        "--owner",
        "ada@example.com",
        "--scope",
        "read:orders",
        "--json",
    ];
    let made = program.run(&arguments).await.json();
    let id = made["app_id"].as_str().unwrap().parse().unwrap();
    let policy = world
        .app
        .keys
        .policy(id, claviger::keys::Asker::OPERATOR)
        .await
        .unwrap();
    assert_eq!(policy.scopes, set("read:orders"));
}
