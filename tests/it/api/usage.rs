//! `/v1/usage` and `/v1/keys/{id}/usage`.

use std::time::Duration;

use claviger::accounts::Role;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Session, add_member};
use crate::keys::{Answer, World, another_app, grant, set};

/// A world in which some keys were used: 3 times well and once wrongly by Ada's first key, once by one of another app.
struct Used {
    world: World,
    key: String,
    value: String,
    other_app: String,
    other_key: String,
}

impl Used {
    async fn start() -> Self {
        let world = World::start().await;
        let (key, value) = world.make(|_| {}).await;
        let other = another_app(&world, "Other").await;
        grant(&world.app, other, "keys:manage").await;
        let (theirs, other_value) = world.make(|new| new.app = other).await;
        for _ in 0..3 {
            let answer = world.ask(json!({ "key": value, "scope": "read:orders" })).await;
            assert_eq!(answer["valid"], true);
        }
        world
            .ask(json!({ "key": value, "scope": "read:invoices", "resource": "invoices/1" }))
            .await;
        world.ask(json!({ "key": other_value })).await;
        world.app.usage.flush().await.unwrap();
        Self {
            key: key.id.to_string(),
            value,
            other_app: other.to_string(),
            other_key: theirs.id.to_string(),
            world,
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.world.call(Method::GET, path, Some(&self.value), None).await
    }
}

fn shares(answer: &Value, by: &str) -> Vec<(String, u64, u64)> {
    let rows = answer[by].as_array().unwrap();
    let number = |row: &Value, name: &str| row[name].as_u64().unwrap();
    rows.iter()
        .map(|row| {
            let of = row["of"].as_str().unwrap().to_owned();
            (of, number(row, "requests"), number(row, "accepted"))
        })
        .collect()
}

#[tokio::test]
async fn a_key_sees_what_its_app_was_used_for() {
    let used = Used::start().await;
    let answer = used.get("/v1/usage").await.is(200);
    assert_eq!(answer["resolution"], "hour");
    assert_eq!(answer["requests"], 4);
    assert_eq!(answer["outcomes"], json!({ "valid": 3, "insufficient_scope": 1 }));
    assert_eq!(shares(&answer, "keys"), [(used.key.clone(), 4, 3)]);
    assert_eq!(shares(&answer, "apps"), [(used.world.ada_app.to_string(), 4, 3)]);
    let scopes = [
        ("read:orders".to_owned(), 3, 3),
        ("read:invoices".to_owned(), 1, 0),
    ];
    assert_eq!(shares(&answer, "scopes"), scopes);
    let points = answer["points"].as_array().unwrap();
    assert_eq!(points.len(), 25, "the hours that the last day touches");
    assert_eq!(points.last().unwrap()["requests"], 4);
    assert_eq!(points[0]["requests"], 0);
    // By scope, by outcome, by minute and day.
    let scope = used
        .get("/v1/usage?scope=read:orders&resolution=minute")
        .await
        .is(200);
    assert_eq!(
        (&scope["requests"], &scope["outcomes"]),
        (&json!(3), &json!({ "valid": 3 }))
    );
    let refused = used
        .get("/v1/usage?outcome=insufficient_scope&resolution=day")
        .await
        .is(200);
    assert_eq!(refused["requests"], 1);
    assert_eq!(shares(&refused, "scopes"), [("read:invoices".to_owned(), 1, 0)]);
    // The calls to the interface are uses too; they were not written when the others were read.
    used.world.app.usage.flush().await.unwrap();
    let more = used.get("/v1/usage?scope=keys:manage").await.is(200);
    assert_eq!(more["requests"], 3);
    let before = "/v1/usage?from=2026-05-01T00:00:00Z&to=2026-05-02T00:00:00%2B02:00&resolution=day";
    let before = used.get(before).await.is(200);
    assert_eq!(before["requests"], 0);
    assert_eq!(before["from"], "2026-05-01T00:00:00Z");
    assert_eq!(before["to"], "2026-05-02T00:00:00Z");
}

#[tokio::test]
async fn one_keys_usage_comes_with_its_last_requests() {
    let used = Used::start().await;
    let path = format!("/v1/keys/{}/usage", used.key);
    let first = used.get(&format!("{path}?limit=3")).await.is(200);
    assert_eq!(first["requests"], 4);
    let last = &first["last_requests"];
    assert_eq!(last["data"].as_array().unwrap().len(), 3);
    assert!(last["data"][0]["latency_ms"].is_number());
    let cursor = last["next_cursor"].as_str().unwrap();
    let rest = used.get(&format!("{path}?limit=3&cursor={cursor}")).await.is(200);
    let rest = &rest["last_requests"];
    assert_eq!(rest["data"].as_array().unwrap().len(), 1);
    assert_eq!(rest["next_cursor"], Value::Null);
    let all: Vec<&Value> = [&last["data"], &rest["data"]]
        .into_iter()
        .flat_map(|part| part.as_array().unwrap())
        .collect();
    let refused = all
        .iter()
        .find(|request| request["outcome"] == "insufficient_scope")
        .unwrap();
    assert_eq!(
        (&refused["route"], &refused["status"]),
        (&json!("invoices/1"), &json!(403))
    );
    used.get(&format!("/v1/keys/{}/usage", used.other_key))
        .await
        .refuses(404, "NOT_FOUND");
    used.get(&format!("{path}?cursor=x"))
        .await
        .refuses(400, "INVALID_REQUEST");
}

#[tokio::test]
async fn the_same_is_to_be_had_as_a_file() {
    let used = Used::start().await;
    let app = used.world.ada_app;
    let key = &used.key;
    for (path, accept) in [
        ("/v1/usage?format=csv&scope=read:orders".to_owned(), "*/*"),
        ("/v1/usage?scope=read:orders".to_owned(), "text/csv"),
        (
            format!("/v1/keys/{key}/usage?scope=read:orders"),
            "text/csv, application/json;q=0.1",
        ),
    ] {
        let answer = used
            .world
            .http
            .get(used.world.app.url(&path))
            .bearer_auth(&used.value);
        let answer = answer.header("accept", accept).send().await.unwrap();
        assert_eq!(
            answer.headers()["content-type"],
            "text/csv; charset=utf-8",
            "{path}"
        );
        let text = answer.text().await.unwrap();
        let mut lines = text.split("\r\n");
        assert_eq!(
            lines.next(),
            Some("time,app_id,key_id,key,scope,outcome,requests,cost")
        );
        let line = lines.next().unwrap();
        assert!(
            line.starts_with(&format!("2026-06-01T12:00:00Z,{app},{key},Key ")),
            "{line}"
        );
        assert!(line.ends_with(",read:orders,valid,3,3"), "{line}");
        assert_eq!(lines.next(), Some(""));
    }
    let json = used
        .world
        .http
        .get(used.world.app.url("/v1/usage?format=json"))
        .bearer_auth(&used.value);
    let json = json.header("accept", "text/csv").send().await.unwrap();
    assert_eq!(json.headers()["content-type"], "application/json");
}

#[tokio::test]
async fn people_see_what_is_in_their_accounts_and_nobody_elses() {
    let used = Used::start().await;
    let world = &used.world;
    let ada = Session::of_ada(world).await;
    let of = async |session: &Session, path: &str| session.call(world, Method::GET, path, None).await;
    let all = of(&ada, "/v1/usage").await.is(200);
    assert_eq!(all["requests"], 5, "both apps");
    assert_eq!(shares(&all, "apps").len(), 2);
    assert_eq!(
        shares(&all, "keys"),
        [(used.key.clone(), 4, 3), (used.other_key.clone(), 1, 1)]
    );
    let one = of(&ada, &format!("/v1/usage?app_id={}", used.other_app))
        .await
        .is(200);
    assert_eq!(one["requests"], 1);
    let one = of(&ada, &format!("/v1/usage?key_id={}", used.key)).await.is(200);
    assert_eq!(one["requests"], 4);
    // What does not belong together is not found together.
    let both = format!("/v1/usage?key_id={}&app_id={}", used.key, used.other_app);
    of(&ada, &both).await.refuses(404, "NOT_FOUND");
    // Of an app that is gone, the account still has what it was used for.
    let gone = ada
        .call(
            world,
            Method::DELETE,
            &format!("/v1/apps/{}", used.other_app),
            None,
        )
        .await;
    assert_eq!(gone.status, 204);
    assert_eq!(of(&ada, "/v1/usage").await.is(200)["requests"], 5);
    let bob = world.app.person("bob@example.com").await;
    world
        .make(|new| {
            new.app = bob.opened.app_id;
            new.scopes = Some(set(""));
        })
        .await;
    let bobs = Session::of(world, "bob@example.com").await;
    assert_eq!(of(&bobs, "/v1/usage").await.is(200)["requests"], 0);
    let account = format!("/v1/usage?account_id={}", world.account);
    for path in [
        account.clone(),
        format!("/v1/usage?app_id={}", world.ada_app),
        format!("/v1/usage?key_id={}", used.key),
        format!("/v1/keys/{}/usage", used.key),
        "/v1/usage?account_id=acc_nonsense".to_owned(),
    ] {
        of(&bobs, &path).await.refuses(404, "NOT_FOUND");
    }
    // A viewer looks.
    add_member(world, bob.user.id, Role::Viewer).await;
    assert_eq!(of(&bobs, &account).await.is(200)["requests"], 5);
    // A key sees its own app alone.
    used.get(&format!("/v1/usage?app_id={}", used.other_app))
        .await
        .refuses(404, "NOT_FOUND");
    used.get(&format!("/v1/usage?key_id={}", used.other_key))
        .await
        .refuses(404, "NOT_FOUND");
    assert_eq!(
        used.get(&account).await.is(200)["requests"],
        4,
        "within its own account, too"
    );
}

#[tokio::test]
async fn what_cannot_be_counted_so_is_refused() {
    let used = Used::start().await;
    for (query, field) in [
        ("resolution=week", "resolution"),
        ("from=yesterday", "from"),
        ("from=0000-01-01T00:00:00Z", "from"),
        ("to=9999-12-31T23:59:59Z", "to"),
        ("from=2026-06-02T00:00:00Z&to=2026-06-01T00:00:00Z", "from"),
        ("from=2026-06-01T00:00:00Z&to=2026-06-01T00:00:00Z", "from"),
        ("from=2026-01-01T00:00:00Z&resolution=minute", "from"),
        ("outcome=fine", "outcome"),
        ("format=xml", "format"),
        ("scope=a&scope=b", "scope"),
    ] {
        let refused = used.get(&format!("/v1/usage?{query}")).await;
        refused.refuses(400, "INVALID_REQUEST");
        assert_eq!(refused.body["field"], field, "{query}");
    }
    used.world.app.advance(Duration::from_hours(1));
    let longest = "from=2026-05-25T13:20:00Z&to=2026-06-01T12:00:00Z&resolution=minute";
    let longest = used.get(&format!("/v1/usage?{longest}")).await.is(200);
    assert_eq!(longest["points"].as_array().unwrap().len(), 10_000);
}

#[tokio::test]
async fn metrics_tell_how_keys_were_judged_and_what_waits() {
    let world = World::with(1, |config| {
        config.server.metrics_listen = Some(([127, 0, 0, 1], 0).into());
        config.usage.flush = claviger::config::Span::hours(24);
    })
    .await;
    let (_, value) = world
        .make(|new| new.limits.per_second = std::num::NonZeroU32::new(1_000))
        .await;
    assert_eq!(world.code_of(&value).await, "VALID");
    assert_eq!(world.code_of("sk_live_nothing").await, "NOT_FOUND");
    let address = world.app.nodes[0].metrics_address.unwrap();
    let lines = async || {
        let answer = world.http.get(format!("http://{address}/metrics")).send();
        let text = answer.await.unwrap().text().await.unwrap();
        text.lines()
            .map(|line| line.trim_end_matches(".0").to_owned())
            .collect::<Vec<_>>()
    };
    let before = lines().await;
    for line in [
        // The service that asked twice was judged, too.
        r#"claviger_key_verifications_total{code="VALID"} 3"#,
        r#"claviger_key_verifications_total{code="NOT_FOUND"} 1"#,
        r#"claviger_key_verifications_total{code="RATE_LIMITED"} 0"#,
        "claviger_keys_cached 2",
        "claviger_key_limit_blocks 1",
        "claviger_usage_counts_waiting 2",
        "claviger_usage_batches_written_total 0",
    ] {
        assert!(
            before.iter().any(|own| own == line),
            "{line}\n{}",
            before.join("\n")
        );
    }
    world.app.usage.flush().await.unwrap();
    let after = lines().await;
    for line in [
        "claviger_usage_counts_waiting 0",
        "claviger_usage_batches_written_total 1",
    ] {
        assert!(
            after.iter().any(|own| own == line),
            "{line}\n{}",
            after.join("\n")
        );
    }
}
