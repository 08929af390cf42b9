//! What one node takes back, all know when it returns.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use claviger::{
    config::Span,
    db::Db,
    revocation::{Applied, Reason, Revocation, Revocations, Subject},
    types::{Clock, Entropy, GrantId, TokenId},
};
use futures_util::future::join_all;

use super::{LONG, Node, nodes, number, revoke, some_grant, some_token};
use crate::oauth::flow::{World, cheap_passwords, text};
use crate::support::{
    app::TestApp,
    cluster::{PATIENCE, fresh_database},
    wait::until,
};

#[tokio::test]
async fn one_node_refuses_at_once_and_nothing_else() {
    let database = fresh_database().await;
    let node = Node::join(&database.server_url, LONG).await;
    let (taken_back, kept) = (some_grant(), some_grant());
    node.revoke(&[taken_back]).await;
    assert!(node.knows(&taken_back));
    assert!(!node.refuses(&kept));
}

#[tokio::test]
async fn a_subject_of_one_kind_is_none_of_another() {
    let database = fresh_database().await;
    let node = Node::join(&database.server_url, LONG).await;
    let id = TokenId::new(&Clock::system(), &Entropy::system());
    node.revoke(&[Subject::Token(id)]).await;
    assert!(!node.refuses(&Subject::Grant(GrantId::from_uuid(id.uuid()))));
}

#[tokio::test]
async fn what_one_of_three_nodes_revokes_all_know_when_it_returns() {
    let database = fresh_database().await;
    let three = join_all((0..3).map(|_| Node::join(&database.server_url, LONG))).await;
    for revoker in &three {
        let subjects = [some_grant(), some_token()];
        revoker.revoke(&subjects).await;
        for node in &three {
            assert!(subjects.iter().all(|subject| node.knows(subject)));
        }
    }
}

#[tokio::test]
async fn the_command_line_revokes_on_every_node() {
    let database = fresh_database().await;
    let two = join_all((0..2).map(|_| Node::join(&database.server_url, LONG))).await;
    let db = Db::new(&database.server_url, 1, PATIENCE);
    let detached = Revocations::detached(db.clone(), Clock::system(), LONG);
    let subject = some_grant();
    revoke(&db, &Clock::system(), &detached, &[subject]).await;
    assert!(two.iter().all(|node| node.knows(&subject)));
    assert!(detached.view().is_err());
    assert_eq!(nodes(&db).await, 2);
}

#[tokio::test]
async fn a_rolled_back_revocation_never_was() {
    let database = fresh_database().await;
    let two = join_all((0..2).map(|_| Node::join(&database.server_url, LONG))).await;
    let (never, after) = (some_grant(), some_grant());
    let now = two[0].clock.now();
    let entry = Revocation {
        subject: never,
        reason: Reason::Replay,
        until: now + Duration::from_mins(15),
    };
    let mut transaction = two[0].db.begin().await.unwrap();
    let recorded = two[0]
        .revocations
        .record(&mut transaction, now, &[entry])
        .await
        .unwrap();
    drop(transaction);
    drop(recorded);
    // The next one takes the number that was given back.
    two[1].revoke(&[after]).await;
    assert_eq!(two[0].revocations.applied(), 1);
    for node in &two {
        assert!(node.knows(&after));
        assert!(!node.refuses(&never));
    }
}

#[tokio::test]
async fn revokers_at_the_same_time_leave_no_gap_and_each_is_in_force() {
    let database = fresh_database().await;
    let three = join_all((0..3).map(|_| Node::join(&database.server_url, LONG))).await;
    let all: Vec<Vec<Subject>> = join_all((0..60).map(async |turn| {
        let subjects: Vec<_> = (0..=turn % 4).map(|_| some_grant()).collect();
        three[turn % 3].revoke(&subjects).await;
        for node in &three {
            assert!(subjects.iter().all(|subject| node.knows(subject)));
        }
        subjects
    }))
    .await;
    let count = i64::try_from(all.iter().flatten().count()).unwrap();
    let db = &three[0].db;
    for sql in [
        "SELECT count(*) AS number FROM revocations",
        "SELECT max(sequence) AS number FROM revocations",
        "SELECT sequence AS number FROM revocation_head",
    ] {
        assert_eq!(number(db, sql).await, count, "{sql}");
    }
    assert_eq!(
        number(db, "SELECT min(sequence) AS number FROM revocations").await,
        1
    );
    for node in &three {
        until("the node has applied all", async || {
            node.revocations.applied() == count
        })
        .await;
    }
}

#[tokio::test]
async fn hooks_hear_of_each_entry_on_every_node_before_settling_ends() {
    let database = fresh_database().await;
    let two = join_all((0..2).map(|_| Node::join(&database.server_url, LONG))).await;
    let heard: Vec<Arc<Mutex<Vec<Subject>>>> = two
        .iter()
        .map(|node| {
            let heard = Arc::new(Mutex::new(Vec::new()));
            let into = Arc::clone(&heard);
            node.revocations.on_applied(move |applied| match applied {
                Applied::Entry(subject) => into.lock().unwrap().push(*subject),
                Applied::Gap => panic!("nothing was missed"),
            });
            heard
        })
        .collect();
    let epochs: Vec<_> = two.iter().map(|node| node.revocations.epoch()).collect();
    let subject = some_grant();
    two[0].revoke(&[subject]).await;
    for (place, node) in two.iter().enumerate() {
        assert!(heard[place].lock().unwrap().contains(&subject));
        assert!(node.revocations.epoch() > epochs[place]);
    }
}

#[tokio::test]
async fn what_only_makes_copies_stale_takes_nothing_back() {
    let database = fresh_database().await;
    let two = join_all((0..2).map(|_| Node::join(&database.server_url, LONG))).await;
    let told = Arc::new(Mutex::new(0));
    let count = Arc::clone(&told);
    two[1]
        .revocations
        .on_applied(move |_| *count.lock().unwrap() += 1);
    let (clock, subject) = (Clock::system(), some_grant());
    let now = clock.now() - Duration::from_hours(1);
    let entry = Revocation {
        subject,
        reason: Reason::Changed,
        until: now,
    };
    let mut transaction = two[0].db.begin().await.unwrap();
    let recorded = two[0]
        .revocations
        .record(&mut transaction, now, &[entry])
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    two[0].revocations.settle(recorded).await;
    assert_eq!(*told.lock().unwrap(), 1);
    assert!(two.iter().all(|node| !node.refuses(&subject)));
}

#[tokio::test]
async fn what_one_node_takes_back_is_remembered_for_as_long_as_another_lets_it_live() {
    let mut app = TestApp::with(|config| {
        cheap_passwords(config);
        config.lifetimes.access_token = Span::minutes(60);
    })
    .await;
    let mut long = app.config();
    cheap_passwords(&mut long);
    long.issuer = Some(app.config.issuer().parse().unwrap());
    long.lifetimes.access_token = Span::minutes(60);
    let mut brief = long.clone();
    brief.lifetimes.access_token = Span::minutes(1);
    brief.lifetimes.authorization_code = Span::minutes(1);
    let urls = app.urls();
    app.add_node(brief, urls.clone()).await;
    let mut world = World::of(app).await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    let revoked = world.tokens(&browser, &client).await;
    let live = world.tokens(&browser, &client).await;

    // By a node whose own tokens would be long dead.
    let refresh_token = text(&revoked, "refresh_token");
    let fields = [("token", refresh_token.as_str())];
    world
        .post_as_to(&world.app.nodes[1], &client, "/oauth/revoke", &fields)
        .await;
    world.app.advance(Duration::from_mins(30));
    world.app.run_job("revocation.cleanup").await;
    // One that starts now knows what the log says, and nothing else.
    world.app.add_node(long, urls).await;
    for node in [0, 2] {
        for (tokens, active) in [(&revoked, false), (&live, true)] {
            let token = text(tokens, "access_token");
            let node = &world.app.nodes[node];
            let told = world
                .post_as_to(node, &client, "/oauth/introspect", &[("token", &token)])
                .await;
            assert_eq!(told.good()["active"], active);
        }
    }
    world.app.advance(Duration::from_mins(45));
    world.app.run_job("revocation.cleanup").await;
    assert_eq!(world.number("SELECT count(*) FROM revocations").await, 0);
}
