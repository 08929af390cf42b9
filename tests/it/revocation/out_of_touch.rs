//! Nodes that start, die, leave, or lose their way to the database.

use std::time::{Duration, Instant};

use claviger::{
    jobs::{Run, Runner},
    revocation::{Reason, Revocation, Subject, cleanup},
};
use futures_util::future::join_all;

use super::{
    LONG, Node, SHORT, end_connections, execute, nodes, revoke_from_outside, some_grant, some_token,
};
use crate::support::{cluster::fresh_database, proxy::Proxy, wait::until};

#[tokio::test]
async fn a_node_that_starts_meanwhile_misses_nothing() {
    let database = fresh_database().await;
    let revoker = Node::join(&database.server_url, LONG).await;
    for _ in 0..25 {
        let subject = some_grant();
        let subjects = [subject];
        let ((), starting) = tokio::join!(revoker.revoke(&subjects), Node::join(&database.server_url, LONG));
        assert!(starting.knows(&subject));
        starting.revocations.leave().await;
    }
}

#[tokio::test]
async fn a_node_that_starts_later_loads_what_is_alive() {
    let database = fresh_database().await;
    let subjects: Vec<_> = (0..12_000).map(|_| some_grant()).collect();
    Node::join(&database.server_url, LONG)
        .await
        .revoke(&subjects)
        .await;
    let later = Node::join(&database.server_url, LONG).await;
    assert!(subjects.iter().all(|subject| later.knows(subject)));
}

#[tokio::test]
async fn a_node_that_is_cut_off_stops_answering_and_catches_up_before_it_answers_again() {
    cut_off(Proxy::cut).await;
}

#[tokio::test]
async fn a_cable_that_falls_silent_is_no_better_than_a_cut_one() {
    cut_off(Proxy::clamp).await;
}

async fn cut_off(harm: fn(&Proxy)) {
    let database = fresh_database().await;
    let revoker = Node::join(&database.server_url, SHORT).await;
    let witness = Node::join(&database.server_url, SHORT).await;
    let cable = Proxy::to(&database.server_url);
    let lone = Node::join(cable.url(), SHORT).await;
    assert!(lone.answers());

    harm(&cable);
    let first = some_grant();
    let begun = Instant::now();
    revoker.revoke(&[first]).await;
    let took = begun.elapsed();
    assert!(!lone.answers(), "its lease has run out");
    assert!(witness.refuses(&first));
    assert!(took < SHORT + Duration::from_secs(2), "settled after {took:?}");
    // Known to be silent, it is not waited for again.
    assert_eq!(nodes(&revoker.db).await, 2);
    let second = some_token();
    revoker.revoke(&[second]).await;

    cable.mend();
    until("the node answers again", async || lone.answers()).await;
    assert!(lone.refuses(&first));
    assert!(lone.refuses(&second));
    // It counts as a node again.
    let third = some_grant();
    revoker.revoke(&[third]).await;
    assert!(lone.refuses(&third));
    assert_eq!(nodes(&revoker.db).await, 3);
}

#[tokio::test]
async fn when_the_database_goes_after_the_commit_settling_ends_with_the_leases() {
    let database = fresh_database().await;
    let cable = Proxy::to(&database.server_url);
    let revoker = Node::join(cable.url(), SHORT).await;
    let other = Node::join(cable.url(), SHORT).await;
    let subject = some_grant();
    let now = revoker.clock.now();
    let entry = Revocation {
        subject,
        reason: Reason::SignedOut,
        until: now + Duration::from_mins(15),
    };
    let mut transaction = revoker.db.begin().await.unwrap();
    let recorded = revoker
        .revocations
        .record(&mut transaction, now, &[entry])
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    cable.cut();
    revoker.revocations.settle(recorded).await;
    assert!(other.refuses(&subject));
    assert!(revoker.refuses(&subject));
    cable.mend();
    until("both answer again", async || revoker.answers() && other.answers()).await;
    assert!(other.knows(&subject));
    assert!(revoker.knows(&subject));
}

#[tokio::test]
async fn a_lost_notification_is_made_good_by_the_next_renewal() {
    let database = fresh_database().await;
    let node = Node::join(&database.server_url, SHORT).await;
    let subject = some_grant();
    let Subject::Grant(id) = subject else {
        unreachable!()
    };
    execute(
        &node.db,
        &format!(
            "WITH head AS (UPDATE revocation_head SET sequence = sequence + 1 RETURNING sequence)
             INSERT INTO revocations SELECT sequence, 'grant', '{id}', 'replay', now(), now() + '1 hour' FROM head"
        ),
    )
    .await;
    until("the renewal shows it", async || node.knows(&subject)).await;
}

#[tokio::test]
async fn a_connection_that_the_database_ends_is_opened_anew() {
    let database = fresh_database().await;
    let two = join_all((0..2).map(|_| Node::join(&database.server_url, LONG))).await;
    for _ in 0..3 {
        end_connections(&database).await;
        let subject = some_grant();
        revoke_from_outside(&database, LONG, subject).await;
        assert!(two.iter().all(|node| node.knows(&subject)));
    }
}

#[tokio::test]
async fn a_dead_node_delays_one_revocation_and_no_other() {
    let database = fresh_database().await;
    let node = Node::join(&database.server_url, SHORT).await;
    execute(
        &node.db,
        "INSERT INTO nodes VALUES (gen_random_uuid(), 0, 400, clock_timestamp() + '400 ms', now())",
    )
    .await;
    node.revoke(&[some_grant()]).await;
    assert_eq!(nodes(&node.db).await, 1);
}

#[tokio::test]
async fn a_node_that_died_long_ago_is_not_waited_for_and_is_swept_up() {
    let database = fresh_database().await;
    let node = Node::join(&database.server_url, LONG).await;
    execute(
        &node.db,
        "INSERT INTO nodes VALUES (gen_random_uuid(), 0, 600000, clock_timestamp() - interval '2 minutes', now())",
    )
    .await;
    node.revoke(&[some_grant()]).await;
    assert_eq!(nodes(&node.db).await, 2);
    let runner = Runner::new(node.db.clone(), node.clock.clone(), vec![cleanup(LONG, 10)]);
    assert_eq!(runner.run_once("revocation.cleanup").await.unwrap(), Run::Done(1));
    assert_eq!(nodes(&node.db).await, 1);
}

#[tokio::test]
async fn a_node_that_leaves_is_not_waited_for_and_answers_no_more() {
    let database = fresh_database().await;
    let stays = Node::join(&database.server_url, LONG).await;
    let leaves = Node::join(&database.server_url, LONG).await;
    leaves.revocations.clone().leave().await;
    assert!(!leaves.answers());
    assert_eq!(nodes(&stays.db).await, 1);
    stays.revoke(&[some_grant()]).await;
}
