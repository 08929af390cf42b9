//! In any order of events.

use std::time::Duration;

use claviger::revocation::Subject;
use futures_util::future::join_all;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::{Node, end_connections, revoke_from_outside, some_grant};
use crate::support::{
    cluster::{TestDatabase, fresh_database},
    proxy::Proxy,
    wait::until,
};

#[derive(Clone, Copy, Debug)]
enum Event {
    Revoke,
    Cut(usize),
    Clamp(usize),
    Mend(usize),
    Restart(usize),
    EndConnections,
    Pause(u8),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let node = 0..3_usize;
    proptest::collection::vec(
        prop_oneof![
            4 => Just(Event::Revoke),
            1 => node.clone().prop_map(Event::Cut),
            1 => node.clone().prop_map(Event::Clamp),
            3 => node.clone().prop_map(Event::Mend),
            1 => node.prop_map(Event::Restart),
            1 => Just(Event::EndConnections),
            2 => (0..80_u8).prop_map(Event::Pause),
        ],
        1..24,
    )
}

/// Whatever happens to three nodes and their cables: what was settled, none of them accepts.
#[test]
fn in_no_order_of_events_does_a_node_accept_what_was_revoked() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    TestRunner::new(Config {
        cases: 12,
        max_shrink_iters: 30,
        failure_persistence: None,
        ..Config::default()
    })
    .run(&events(), |events| {
        runtime.block_on(async {
            let database = fresh_database().await;
            go_through(&database, &events).await;
        });
        Ok(())
    })
    .unwrap();
}

async fn go_through(database: &TestDatabase, events: &[Event]) {
    let lease = Duration::from_millis(200);
    let cables: Vec<_> = (0..3).map(|_| Proxy::to(&database.server_url)).collect();
    let mut three = join_all(cables.iter().map(|cable| Node::join(cable.url(), lease))).await;
    let mut settled: Vec<Subject> = Vec::new();
    for event in events {
        match *event {
            Event::Revoke => {
                let subject = some_grant();
                revoke_from_outside(database, lease, subject).await;
                settled.push(subject);
            }
            Event::Cut(node) => cables[node].cut(),
            Event::Clamp(node) => cables[node].clamp(),
            Event::Mend(node) => cables[node].mend(),
            Event::Restart(node) => {
                cables[node].mend();
                three[node] = Node::join(cables[node].url(), lease).await;
            }
            Event::EndConnections => end_connections(database).await,
            Event::Pause(milliseconds) => {
                tokio::time::sleep(Duration::from_millis(milliseconds.into())).await;
            }
        }
        for (place, node) in three.iter().enumerate() {
            assert!(
                settled.iter().all(|subject| node.refuses(subject)),
                "node {place} accepts what was revoked, after {event:?} in {events:?}"
            );
        }
    }
    for (node, cable) in three.iter().zip(&cables) {
        cable.mend();
        until("the node answers again", async || node.answers()).await;
        assert!(settled.iter().all(|subject| node.refuses(subject)));
    }
}
