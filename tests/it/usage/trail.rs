//! The last use of a key, its last requests, and what the audit trail keeps of its use.

use claviger::{
    audit::{self, Entry, Filter},
    crypto::{Origin, Place, Purpose},
    keys::usage::last_requests,
};

use super::*;

async fn records(world: &World, key: Key) -> Vec<Entry> {
    let filter = Filter {
        subject: Some(key.id.to_string()),
        ..Filter::default()
    };
    let mut connection = world.app.db.connection().await.unwrap();
    let mut page = audit::trail(&mut connection, &filter, 100).await.unwrap();
    page.entries.reverse();
    page.entries
}

async fn last_use(world: &World, key: Key) -> (Option<OffsetDateTime>, Option<Origin>) {
    let row = world
        .client
        .query_one(
            &format!(
                "SELECT (extract(epoch FROM last_used_at) * 1000)::bigint, last_used_sealed
                 FROM api_keys WHERE id = '{}'",
                key.id.uuid()
            ),
            &[],
        )
        .await
        .unwrap();
    let at: Option<i64> = row.get(0);
    let sealed: Option<Vec<u8>> = row.get(1);
    let place = Place::column("api_keys", "last_used_sealed", key.id);
    (
        at.map(|at| OffsetDateTime::from_unix_timestamp(at / 1_000).unwrap()),
        sealed.and_then(|sealed| world.app.keyring.open_origin(&place, &sealed)),
    )
}

#[tokio::test]
async fn the_last_use_is_kept_sealed_and_never_goes_back() {
    let world = World::of(TestApp::nodes_with(2, quietly).await).await;
    let key = world.key(1, "Warehouse").await;
    let [one, other] = &world.app.nodes[..] else {
        panic!()
    };
    good(one, key, START + MINUTE, 1);
    good(other, key, START, 1);
    let mut connection = world.app.db.connection().await.unwrap();
    let usage = &one.app.usage;
    assert!(
        usage.was_used(&mut connection, key.id, START).await.unwrap(),
        "in memory"
    );
    one.app.usage.flush().await.unwrap();
    other.app.usage.flush().await.unwrap();
    let (at, origin) = last_use(&world, key).await;
    assert_eq!(at, Some(START + MINUTE), "the older one came later");
    assert_eq!(origin.unwrap().user_agent, "warehouse/1.0");
    assert!(usage.was_used(&mut connection, key.id, START).await.unwrap());
    let later = START + 2 * MINUTE;
    assert!(!usage.was_used(&mut connection, key.id, later).await.unwrap());
    // A refusal is no use.
    one.app.usage.record(key.used(later, Outcome::IpNotAllowed));
    one.app.usage.flush().await.unwrap();
    assert_eq!(last_use(&world, key).await.0, Some(START + MINUTE));
}

#[tokio::test]
async fn the_trail_has_the_first_use_moves_and_refusals_and_no_more_than_one_a_minute() {
    let world = World::of(TestApp::nodes_with(2, quietly).await).await;
    let key = world.key(1, "Warehouse").await;
    let from = |address: u8, at: OffsetDateTime| Used {
        address: Some(IpAddr::from([192, 0, 2, address])),
        ..key.used(at, Outcome::Valid)
    };
    // Somebody who comes from here and there by turns, at two nodes.
    for second in 0..50_u64 {
        for node in &world.app.nodes {
            let at = START + Duration::from_secs(second);
            node.app.usage.record(from(u8::try_from(second % 2).unwrap(), at));
            node.app.usage.record(key.used(at, Outcome::Revoked));
            if second % 7 == 0 {
                node.app.usage.flush().await.unwrap();
            }
        }
    }
    for node in &world.app.nodes {
        node.app.usage.flush().await.unwrap();
    }
    let names = |records: &[Entry]| {
        let mut names: Vec<String> = records.iter().map(|record| record.action.clone()).collect();
        names.sort();
        names
    };
    let found = records(&world, key).await;
    assert_eq!(names(&found), ["key.first_used", "key.moved", "key.refused"]);
    let refused = found
        .iter()
        .find(|record| record.action == "key.refused")
        .unwrap();
    assert!(refused.refused);
    assert_eq!(refused.details["reason"], "revoked");
    assert_eq!(refused.details["name"], "Warehouse");
    assert_eq!(refused.actor_id.as_deref(), Some(key.id.to_string().as_str()));
    // A minute later, another one of each.
    let node = &world.app.nodes[0];
    node.app.usage.record(from(9, START + 2 * MINUTE));
    node.app
        .usage
        .record(key.used(START + 2 * MINUTE, Outcome::Expired));
    node.app.usage.flush().await.unwrap();
    node.app.usage.record(from(9, START + 5 * MINUTE));
    node.app.usage.flush().await.unwrap();
    let found = records(&world, key).await;
    assert_eq!(
        names(&found),
        [
            "key.first_used",
            "key.moved",
            "key.moved",
            "key.refused",
            "key.refused"
        ]
    );
    let moved = found.iter().rfind(|record| record.action == "key.moved").unwrap();
    assert_eq!(moved.address.as_deref(), Some("192.0.2.9"));
    let account = world
        .number("SELECT count(*) FROM audit_records WHERE action LIKE 'key.%' AND account_id IS NULL")
        .await;
    assert_eq!(account, 0, "the account's members can read them");
}

#[tokio::test]
async fn the_last_requests_are_sampled_trimmed_and_read_page_by_page() {
    let world = World::of(
        TestApp::with(|config| {
            quietly(config);
            config.usage.requests_per_key = 25;
        })
        .await,
    )
    .await;
    let key = world.key(1, "Warehouse").await;
    for second in 0..5_u64 {
        let at = START + Duration::from_secs(second);
        good(&world.app.nodes[0], key, at, 500);
        for _ in 0..4 {
            world.app.usage.record(key.used(at, Outcome::RateLimited));
        }
        world.app.usage.flush().await.unwrap();
    }
    assert_eq!(world.number("SELECT count(*) FROM key_requests").await, 25);
    assert_eq!(
        world
            .number("SELECT count(*) FROM key_requests WHERE outcome = 'rate_limited'")
            .await,
        8,
        "of each batch four refusals and six others: two whole batches, and the newer half of one"
    );
    let mut connection = world.app.db.connection().await.unwrap();
    let page = last_requests(&mut connection, key.id, None, 20).await.unwrap();
    assert_eq!(page.requests.len(), 20);
    assert_eq!(page.requests[0].route, "GET /v1/orders", "without its query");
    let rest = last_requests(&mut connection, key.id, page.next, 20)
        .await
        .unwrap();
    assert_eq!((rest.requests.len(), rest.next), (5, None));
    world.app.clock.set(START + 8 * DAY);
    world.app.run_job("usage.cleanup").await;
    assert_eq!(world.number("SELECT count(*) FROM key_requests").await, 0);
}

#[tokio::test]
async fn a_last_use_is_sealed_anew_when_its_key_was_replaced() {
    let world = World::start().await;
    let key = world.key(1, "Warehouse").await;
    good(&world.app.nodes[0], key, START, 1);
    world.app.usage.flush().await.unwrap();
    let by = || {
        world.number("SELECT ('x' || encode(substring(last_used_sealed FROM 1 FOR 4), 'hex'))::bit(32)::bigint FROM api_keys")
    };
    let before = by().await;
    {
        let mut transaction = world.app.db.begin().await.unwrap();
        world
            .app
            .keyring
            .rotate(&mut transaction, Purpose::ClientContext)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    }
    world.app.advance(HOUR);
    world.app.read_keys().await.unwrap();
    assert_eq!(world.app.run_job("usage.reseal").await, 1);
    assert_ne!(by().await, before);
    assert_eq!(last_use(&world, key).await.1.unwrap().user_agent, "warehouse/1.0");
    assert_eq!(world.app.run_job("usage.reseal").await, 0);
}
