//! What keys need in the background.

use std::time::Duration;

use super::{IDEMPOTENT_FOR, Keys, limits, store};
use crate::{jobs::Job, types::Fault};

/// How late a reminder of a key's end, or word that it has come, may be.
const REMIND_EVERY: Duration = Duration::from_mins(1);
/// The longest period of a limit is over after so long.
const REACHED_FOR: Duration = Duration::from_hours(24 * 32);

/// The jobs of this capability; see the retention table in `docs/operations.md`.
#[must_use]
pub fn jobs(keys: &Keys) -> Vec<Job> {
    let cleanup = keys.config.jobs.cleanup_interval.duration();
    let batch = i64::from(keys.config.jobs.batch);
    let allowances = limits::cleanup(cleanup, keys.config.jobs.batch);
    let reminding = keys.clone();
    vec![
        allowances,
        Job::new("keys.remind", REMIND_EVERY, move |_, now| {
            let keys = reminding.clone();
            async move {
                let mut done = 0;
                loop {
                    let told = keys.remind(now, batch).await?;
                    done += told;
                    if i64::try_from(told).unwrap_or(batch) < batch {
                        return u64::try_from(done).map_err(Fault::internal);
                    }
                }
            }
        }),
        Job::new("keys.limits-reached", cleanup, move |db, now| async move {
            let mut done = 0;
            loop {
                let mut connection = db.connection().await?;
                let gone = store::forget_reached(&mut connection, now - REACHED_FOR, batch).await?;
                done += gone;
                if i64::try_from(gone).unwrap_or(batch) < batch {
                    return u64::try_from(done).map_err(Fault::internal);
                }
            }
        }),
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
