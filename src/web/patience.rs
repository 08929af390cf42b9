//! How long a body may take to come.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use tokio::time::timeout;

/// A client that sends a byte now and then holds a connection for no longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of reading a body; none if it took too long. One that came with its head is there at the second look, and no
/// clock is set for it.
pub async fn in_time<F: Future>(reading: F) -> Option<F::Output> {
    let mut reading = pin!(reading);
    let mut looked = false;
    let early = poll_fn(|context| match reading.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if looked => Poll::Ready(None),
        Poll::Pending => {
            looked = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    });
    match early.await {
        Some(done) => Some(done),
        None => timeout(PATIENCE, reading).await.ok(),
    }
}
