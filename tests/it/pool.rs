//! The pool: whoever asks is given a connection that their own runtime drives, if one may be had.

use std::time::Duration;

use claviger::db::{Db, PoolUsage};
use diesel_async::SimpleAsyncConnection as _;
use tokio::runtime::{Builder, Runtime};

use crate::support::{
    cluster::{PATIENCE, fresh_database},
    wait::until,
};

fn worker() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs `work` on a thread with a runtime of its own, as each worker of the server is one; both end with it.
async fn on_a_worker<T: Send + 'static>(work: impl AsyncFnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(move || worker().block_on(work()))
        .await
        .unwrap()
}

fn usage(open: usize, idle: usize, most: usize) -> PoolUsage {
    PoolUsage {
        open,
        idle,
        waiting: 0,
        most,
    }
}

#[tokio::test]
async fn each_runtime_opens_its_own_while_there_is_room() {
    let db = Db::new(&fresh_database().await.server_url, 2, PATIENCE);
    db.ping().await.unwrap();
    db.ping().await.unwrap();
    assert_eq!(db.usage(), usage(1, 1, 2));
    let own = db.clone();
    on_a_worker(async move || {
        own.ping().await.unwrap();
        assert_eq!(own.usage(), usage(2, 2, 2));
    })
    .await;
}

#[tokio::test]
async fn a_full_pool_lends_what_another_runtime_drives() {
    let db = Db::new(&fresh_database().await.server_url, 1, PATIENCE);
    db.ping().await.unwrap();
    let own = db.clone();
    on_a_worker(async move || own.ping().await.unwrap()).await;
    assert_eq!(db.usage(), usage(1, 1, 1));
    db.ping().await.unwrap();
}

#[tokio::test]
async fn the_connections_of_a_runtime_that_has_ended_are_opened_anew() {
    let db = Db::new(&fresh_database().await.server_url, 1, PATIENCE);
    let own = db.clone();
    on_a_worker(async move || own.ping().await.unwrap()).await;
    assert_eq!(db.usage(), usage(1, 1, 1));
    db.ping().await.unwrap();
    assert_eq!(db.usage(), usage(1, 1, 1));
}

#[tokio::test]
async fn a_connection_that_the_database_closed_is_not_lent_again() {
    let database = fresh_database().await;
    let db = Db::new(&database.server_url, 1, PATIENCE);
    let mut connection = db.connection().await.unwrap();
    let ended = connection
        .batch_execute("SELECT pg_terminate_backend(pg_backend_pid())")
        .await;
    assert!(ended.is_err());
    drop(connection);
    // The end of the connection is noticed a moment after the error.
    until("a connection that works", async || db.ping().await.is_ok()).await;
    assert_eq!(db.usage(), usage(1, 1, 1));
}

#[tokio::test]
async fn a_place_comes_back_from_whoever_gives_up_while_connecting() {
    let db = Db::new(&fresh_database().await.server_url, 1, PATIENCE);
    for _ in 0..3 {
        let given_up = tokio::time::timeout(Duration::ZERO, db.connection()).await;
        drop(given_up);
    }
    let lent = db.connection().await.unwrap();
    let (db, waits) = (db.clone(), db.clone());
    let waiting = tokio::spawn(async move { waits.connection().await.is_ok() });
    while db.usage().waiting == 0 {
        tokio::task::yield_now().await;
    }
    drop(lent);
    assert!(waiting.await.unwrap());
    assert_eq!(db.usage(), usage(1, 1, 1));
}
