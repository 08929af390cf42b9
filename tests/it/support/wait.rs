//! Waiting for what happens by itself.

use std::time::{Duration, Instant};

/// Returns as soon as `condition` holds, and fails the test if it does not within half a minute.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < Duration::from_secs(30), "never came: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
