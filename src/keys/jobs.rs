//! What keys need in the background.

use super::{IDEMPOTENT_FOR, Keys, limits, store};
use crate::{jobs::Job, types::Fault};

/// The jobs of this capability; see the retention table in `docs/operations.md`.
#[must_use]
pub fn jobs(keys: &Keys) -> Vec<Job> {
    let cleanup = keys.config.jobs.cleanup_interval.duration();
    let batch = i64::from(keys.config.jobs.batch);
    let allowances = limits::cleanup(cleanup, keys.config.jobs.batch);
    vec![
        allowances,
        Job::new("keys.idempotent-requests", cleanup, move |db, now| async move {
            let mut done = 0;
            loop {
                let before = now - IDEMPOTENT_FOR;
                let gone = store::forget_requests(&mut *db.connection().await?, before, batch).await?;
                done += gone;
                if i64::try_from(gone).unwrap_or(batch) < batch {
                    return u64::try_from(done).map_err(Fault::internal);
                }
            }
        }),
    ]
}
