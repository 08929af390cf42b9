//! What is killed, cut off or walks away in the middle leaves nothing half-done and loses nothing acknowledged.

mod database;
mod server;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use reqwest::StatusCode;

use super::flow::{Answer, Client, World, text};
use crate::support::{logs, wait::until};

/// A client that may ask again for a minute: the clock stands still, so it always may.
async fn patient_client(world: &World) -> Client {
    world
        .register(|registration| registration.retry_window = Some(std::time::Duration::from_secs(60)))
        .await
}

/// Refreshes until told to stop, as an honest client does: asks again with the same token until it has an answer.
async fn refresh_until(
    world: &World,
    client: &Client,
    first: String,
    stop: &AtomicBool,
    done: &AtomicUsize,
) -> String {
    let mut token = first;
    while !stop.load(Ordering::Relaxed) {
        let answer = world.refresh(client, &token).await;
        match answer.status {
            StatusCode::OK => {
                token = text(&answer.json(), "refresh_token");
                done.fetch_add(1, Ordering::Relaxed);
            }
            StatusCode::SERVICE_UNAVAILABLE => {}
            StatusCode::INTERNAL_SERVER_ERROR => assert_cause_is_logged(&answer),
            _ => panic!("an honest client was refused: {} {}", answer.status, answer.text),
        }
    }
    token
}

fn assert_cause_is_logged(answer: &Answer) {
    let id = answer.header("x-request-id");
    let log = logs::text();
    assert!(
        log.lines()
            .any(|line| line.contains(id) && line.contains("endpoint failed")),
        "a 500 without a cause in the log: {id}"
    );
}

/// No connection is left inside a transaction.
async fn nothing_is_open(world: &World) {
    let open = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    until("the end of every transaction", async || {
        world.number(open).await == 0
    })
    .await;
}
