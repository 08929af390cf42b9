use std::time::Duration;

use super::{memory::GRACE, store};
use crate::jobs::Job;

/// Removes the entries that are over, `batch` in a statement, and the rows of nodes that died.
#[must_use]
pub fn cleanup(every: Duration, batch: u32) -> Job {
    Job::new("revocation.cleanup", every, move |db, now| async move {
        let mut connection = db.connection().await?;
        let mut removed = store::remove_abandoned(&mut connection).await?;
        loop {
            let batch_removed = store::remove_expired(&mut connection, now - GRACE, batch).await?;
            removed = removed.saturating_add(batch_removed);
            if batch_removed < u64::from(batch.max(1)) {
                return Ok(removed);
            }
        }
    })
}
