//! A revocation that returned is true everywhere: several nodes on one database, in one process.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use claviger::{
    config::Span,
    db::Db,
    jobs::{Run, Runner},
    revocation::{Applied, Reason, Revocation, Revocations, Subject, cleanup},
    types::{Clock, Entropy, GrantId, TokenId},
};
use diesel::{QueryableByName, sql_types::BigInt};
use diesel_async::RunQueryDsl;
use futures_util::future::join_all;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::oauth::flow::{World, cheap_passwords, text};
use crate::support::{
    app::TestApp,
    cluster::{PATIENCE, TestDatabase, fresh_database},
    proxy::Proxy,
    wait::until,
};

/// So long that no test waits for its end: what is in force then, was told.
const LONG: Duration = Duration::from_mins(10);
/// So short that a test may wait for its end.
const SHORT: Duration = Duration::from_millis(400);

/// One node, on a pool of its own.
struct Node {
    db: Db,
    clock: Clock,
    revocations: Revocations,
}

impl Node {
    async fn join(url: &str, lease: Duration) -> Self {
        let db = Db::new(url, 8, PATIENCE);
        let clock = Clock::system();
        let revocations = Revocations::join(
            db.clone(),
            clock.clone(),
            Entropy::system(),
            lease,
            Duration::ZERO,
        )
        .await
        .unwrap();
        Self {
            db,
            clock,
            revocations,
        }
    }

    /// Revokes as an act does: in a transaction, then commit, then settle.
    async fn revoke(&self, subjects: &[Subject]) {
        revoke(&self.db, &self.clock, &self.revocations, subjects).await;
    }

    fn answers(&self) -> bool {
        self.revocations.view().is_ok()
    }

    /// Says 503, or no.
    fn refuses(&self, subject: &Subject) -> bool {
        self.revocations
            .view()
            .map_or(true, |view| view.is_revoked(subject))
    }

    /// Says no.
    fn knows(&self, subject: &Subject) -> bool {
        self.revocations.view().is_ok_and(|view| view.is_revoked(subject))
    }
}

async fn revoke(db: &Db, clock: &Clock, revocations: &Revocations, subjects: &[Subject]) {
    let now = clock.now();
    let entries: Vec<_> = subjects
        .iter()
        .map(|subject| Revocation {
            subject: *subject,
            reason: Reason::Withdrawn,
            until: now + Duration::from_mins(15),
        })
        .collect();
    let mut transaction = db.begin().await.unwrap();
    let recorded = revocations.record(&mut transaction, now, &entries).await.unwrap();
    transaction.commit().await.unwrap();
    revocations.settle(recorded).await;
}

/// Revokes as the command line does, on connections that nothing else uses.
async fn revoke_from_outside(database: &TestDatabase, lease: Duration, subject: Subject) {
    let (db, clock) = (Db::new(&database.server_url, 2, PATIENCE), Clock::system());
    let detached = Revocations::detached(db.clone(), clock.clone(), lease);
    revoke(&db, &clock, &detached, &[subject]).await;
}

fn some_grant() -> Subject {
    Subject::Grant(GrantId::new(&Clock::system(), &Entropy::system()))
}

fn some_token() -> Subject {
    Subject::Token(TokenId::new(&Clock::system(), &Entropy::system()))
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

async fn number(db: &Db, sql: &str) -> i64 {
    diesel::sql_query(sql)
        .get_result::<Number>(&mut *db.connection().await.unwrap())
        .await
        .unwrap()
        .number
}

async fn execute(db: &Db, sql: &str) {
    diesel::sql_query(sql)
        .execute(&mut *db.connection().await.unwrap())
        .await
        .unwrap();
}

/// Ends every connection to the database, as its operator may.
async fn end_connections(database: &TestDatabase) {
    let db = Db::new(&database.owner_url, 1, PATIENCE);
    let ended = "SELECT count(pg_terminate_backend(pid)) AS number FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()";
    number(&db, ended).await;
}

async fn nodes(db: &Db) -> i64 {
    number(db, "SELECT count(*) AS number FROM nodes").await
}

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
