//! What the log keeps, and when it goes.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use claviger::{
    db::Db,
    jobs::{Run, Runner},
    revocation::{Applied, Revocations, cleanup},
    types::{Clock, Entropy},
};

use super::{LONG, Node, SHORT, execute, number, revoke, some_grant};
use crate::support::{
    cluster::{PATIENCE, fresh_database},
    proxy::Proxy,
    wait::until,
};

#[tokio::test]
async fn an_entry_of_a_newer_version_is_passed_over() {
    let database = fresh_database().await;
    let node = Node::join(&database.server_url, LONG).await;
    let other = Node::join(&database.server_url, LONG).await;
    execute(
        &node.db,
        "WITH head AS (UPDATE revocation_head SET sequence = sequence + 1 RETURNING sequence)
         INSERT INTO revocations SELECT sequence, 'comet', 'com_1', 'passing', now(), now() + '1 hour' FROM head",
    )
    .await;
    let subject = some_grant();
    node.revoke(&[subject]).await;
    assert!(other.knows(&subject));
}

#[tokio::test]
async fn entries_go_when_nothing_they_take_back_can_be_alive() {
    let database = fresh_database().await;
    let db = Db::new(&database.server_url, 4, PATIENCE);
    let (clock, hand) = Clock::manual(Clock::system().now());
    let lease = Duration::from_millis(40);
    let revocations = Revocations::join(
        db.clone(),
        clock.clone(),
        Entropy::system(),
        lease,
        Duration::ZERO,
    )
    .await
    .unwrap();
    let subjects: Vec<_> = (0..25).map(|_| some_grant()).collect();
    revoke(&db, &clock, &revocations, &subjects).await;
    let runner = Runner::new(db.clone(), clock.clone(), vec![cleanup(LONG, 10)]);

    hand.advance(Duration::from_mins(15));
    assert_eq!(runner.run_once("revocation.cleanup").await.unwrap(), Run::Done(0));
    hand.advance(Duration::from_secs(302));
    assert_eq!(
        runner.run_once("revocation.cleanup").await.unwrap(),
        Run::Done(25)
    );
    until("they leave the memory too", async || {
        revocations
            .view()
            .is_ok_and(|view| subjects.iter().all(|subject| !view.is_revoked(subject)))
    })
    .await;
    // The numbers go on where they were.
    let next = some_grant();
    revoke(&db, &clock, &revocations, &[next]).await;
    assert_eq!(
        number(&db, "SELECT sequence AS number FROM revocation_head").await,
        26
    );
}

#[tokio::test]
async fn a_node_that_missed_removed_entries_says_so() {
    let database = fresh_database().await;
    let cable = Proxy::to(&database.server_url);
    let lone = Node::join(cable.url(), SHORT).await;
    let gaps = Arc::new(Mutex::new(0));
    let count = Arc::clone(&gaps);
    lone.revocations.on_applied(move |applied| {
        if applied == Applied::Gap {
            *count.lock().unwrap() += 1;
        }
    });
    let db = Db::new(&database.server_url, 2, PATIENCE);
    let detached = Revocations::detached(db.clone(), Clock::system(), SHORT);
    for lost in [2, 3] {
        cable.cut();
        until("the node stops answering", async || !lone.answers()).await;
        for _ in 0..3 {
            revoke(&db, &Clock::system(), &detached, &[some_grant()]).await;
        }
        // The one in the middle, then the last.
        execute(
            &db,
            &format!(
                "DELETE FROM revocations WHERE sequence = (SELECT sequence - 3 + {lost} FROM revocation_head)"
            ),
        )
        .await;
        cable.mend();
        until("the node answers again", async || lone.answers()).await;
        assert_eq!(*gaps.lock().unwrap(), lost - 1);
    }
}
