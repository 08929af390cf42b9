//! Background jobs: one node at a time, failures recorded and tried again, a stop that lets runs end.

use std::{
    future::{pending, ready},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use claviger::{
    db::Db,
    jobs::{Job, Run, Runner},
    types::{Clock, Fault},
};
use diesel::{
    QueryableByName,
    sql_types::{BigInt, Bool, Nullable, Text},
};
use diesel_async::RunQueryDsl;
use futures_util::FutureExt as _;
use tokio::sync::Semaphore;

use crate::support::{
    cluster::{PATIENCE, fresh_database},
    wait::until,
};

const HOUR: Duration = Duration::from_hours(1);

async fn database() -> Db {
    Db::new(&fresh_database().await.server_url, 4, PATIENCE)
}

#[derive(Debug, PartialEq, Eq, QueryableByName)]
struct Row {
    #[diesel(sql_type = Bool)]
    finished: bool,
    #[diesel(sql_type = Nullable<BigInt>)]
    rows_done: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    error: Option<String>,
}

async fn row(db: &Db, name: &str) -> Row {
    diesel::sql_query(
        "SELECT finished_at IS NOT NULL AS finished, rows_done, error FROM jobs WHERE name = $1",
    )
    .bind::<Text, _>(name)
    .get_result(&mut *db.connection().await.unwrap())
    .await
    .unwrap()
}

fn so_far(count: &AtomicU64) -> u64 {
    count.load(Ordering::SeqCst)
}

/// A job that begins, says so, and ends when it is let.
fn gated(every: Duration, begun: &Arc<AtomicU64>, gate: &Arc<Semaphore>) -> Job {
    let (begun, gate) = (Arc::clone(begun), Arc::clone(gate));
    Job::new("test.gated", every, move |_, _| {
        let (begun, gate) = (Arc::clone(&begun), Arc::clone(&gate));
        async move {
            begun.fetch_add(1, Ordering::SeqCst);
            gate.acquire().await.unwrap().forget();
            Ok(7)
        }
    })
}

#[tokio::test]
async fn a_run_is_recorded() {
    let db = database().await;
    let job = Job::new("test.counts", HOUR, |_, _| async { Ok(3) });
    let runner = Runner::new(db.clone(), Clock::system(), vec![job]);
    assert_eq!(runner.run_once("test.counts").await.unwrap(), Run::Done(3));
    assert_eq!(
        row(&db, "test.counts").await,
        Row {
            finished: true,
            rows_done: Some(3),
            error: None
        }
    );
    assert!(runner.run_once("test.no_such_job").await.is_err());
}

/// Says so when it is dropped.
struct Ends(Arc<AtomicU64>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_run_that_is_given_up_ends_before_another_node_takes_it_up() {
    let db = database().await;
    let (begun, ended): (Arc<AtomicU64>, Arc<AtomicU64>) = (Arc::default(), Arc::default());
    let endless = {
        let (begun, ended) = (Arc::clone(&begun), Arc::clone(&ended));
        move |_, _| {
            let (begun, ends) = (Arc::clone(&begun), Ends(Arc::clone(&ended)));
            async move {
                begun.fetch_add(1, Ordering::SeqCst);
                pending::<()>().await;
                drop(ends);
                Ok(7)
            }
        }
    };
    let after = move |_, _| ready(Ok(so_far(&ended)));
    let soon = Duration::from_millis(5);
    let job = Job::new("test.endless", soon, endless);
    let running = Runner::new(db.clone(), Clock::system(), vec![job]).start();
    until("it begins", async || so_far(&begun) == 1).await;
    // As a server does whose time to stop is over.
    assert!(running.stop().now_or_never().is_none());
    let job = Job::new("test.endless", HOUR, after);
    let other = Runner::new(db, Clock::system(), vec![job]);
    let mut run = Run::Elsewhere;
    until("the lock is free", async || {
        run = other.run_once("test.endless").await.unwrap();
        run != Run::Elsewhere
    })
    .await;
    assert_eq!(run, Run::Done(1), "the one that was given up had ended");
}

#[tokio::test]
async fn two_nodes_never_run_a_job_at_the_same_time() {
    let db = database().await;
    let (begun, gate) = (Arc::default(), Arc::new(Semaphore::new(0)));
    let [one, two] =
        [(); 2].map(|()| Runner::new(db.clone(), Clock::system(), vec![gated(HOUR, &begun, &gate)]));
    let (first, second) = tokio::join!(one.run_once("test.gated"), async {
        until("the first begins", async || so_far(&begun) == 1).await;
        let second = two.run_once("test.gated").await.unwrap();
        assert!(!row(&db, "test.gated").await.finished);
        gate.add_permits(1);
        second
    });
    assert_eq!(first.unwrap(), Run::Done(7));
    assert_eq!(second, Run::Elsewhere);
    gate.add_permits(1);
    until("the lock is free again", async || {
        two.run_once("test.gated").await.unwrap() == Run::Done(7)
    })
    .await;
}

#[tokio::test]
async fn a_failure_is_recorded_and_the_next_turn_tries_again() {
    let db = database().await;
    let turns = Arc::new(AtomicU64::new(0));
    let job = Job::new("test.moody", Duration::from_millis(5), move |_, _| {
        let turn = turns.fetch_add(1, Ordering::SeqCst);
        async move {
            match turn {
                0 => Err(Fault::internal("not today")),
                1 => panic!("not tomorrow"),
                _ => Ok(turn),
            }
        }
    });
    let runner = Runner::new(db.clone(), Clock::system(), vec![job]);
    assert!(runner.run_once("test.moody").await.is_err());
    let failed = row(&db, "test.moody").await;
    assert_eq!(failed.error.as_deref(), Some("internal: not today"));
    assert!(failed.finished);
    // Then by itself: over the panic to a turn that works.
    let running = runner.start();
    until("a turn works", async || {
        row(&db, "test.moody").await.rows_done.is_some()
    })
    .await;
    running.stop().await;
    assert_eq!(row(&db, "test.moody").await.error, None);
}

#[tokio::test]
async fn many_nodes_do_not_run_a_job_many_times_over() {
    let db = database().await;
    let (clock, hand) = Clock::manual(Clock::system().now());
    let (begun, gate) = (Arc::default(), Arc::new(Semaphore::new(1_000)));
    let every = Duration::from_millis(10);
    let running: Vec<_> = [(); 3]
        .map(|()| Runner::new(db.clone(), clock.clone(), vec![gated(every, &begun, &gate)]).start())
        .into();
    until("one ran", async || so_far(&begun) == 1).await;
    hand.advance(every);
    until("one ran again, once its time had come", async || {
        so_far(&begun) == 2
    })
    .await;
    for running in running {
        running.stop().await;
    }
    assert_eq!(so_far(&begun), 2);
}

#[tokio::test]
async fn a_stop_lets_a_run_that_has_begun_come_to_its_end() {
    let db = database().await;
    let (begun, gate) = (Arc::default(), Arc::new(Semaphore::new(0)));
    let runner = Runner::new(
        db.clone(),
        Clock::system(),
        vec![gated(Duration::from_millis(5), &begun, &gate)],
    );
    let running = runner.start();
    until("it begins", async || so_far(&begun) == 1).await;
    tokio::join!(running.stop(), async {
        tokio::task::yield_now().await;
        gate.add_permits(1);
    });
    assert_eq!(row(&db, "test.gated").await.rows_done, Some(7));
    assert_eq!(so_far(&begun), 1);
}
