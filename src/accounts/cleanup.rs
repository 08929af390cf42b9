//! A job: invitations that nobody accepted in time.

use std::time::Duration;

use super::store;
use crate::jobs::Job;

/// Removes invitations that are good no more, `batch` in a statement.
#[must_use]
pub fn cleanup(every: Duration, batch: u32) -> Job {
    let batch = batch.max(1);
    Job::new("accounts.invitations", every, move |db, now| async move {
        let mut connection = db.connection().await?;
        let mut removed = 0_u64;
        loop {
            let rows = store::delete_expired_invitations(&mut connection, now, batch).await?;
            removed = removed.saturating_add(rows);
            if rows < u64::from(batch) {
                return Ok(removed);
            }
        }
    })
}
