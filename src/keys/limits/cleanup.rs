use std::time::Duration;

use super::store;
use crate::jobs::Job;

/// Removes the counts of hours and months that are over, and of seconds that nobody uses, `batch` in a statement. Those
/// of keys, accounts and nodes that are gone go with their window.
#[must_use]
pub fn cleanup(every: Duration, batch: u32) -> Job {
    Job::new("keys.remove_old_allowances", every, move |db, now| async move {
        let mut connection = db.connection().await?;
        let mut removed = 0_u64;
        loop {
            let batch_removed = store::remove_over(&mut connection, now, batch).await?;
            removed = removed.saturating_add(batch_removed);
            if batch_removed < u64::from(batch.max(1)) {
                return Ok(removed);
            }
        }
    })
}
