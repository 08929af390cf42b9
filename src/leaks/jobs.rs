//! What leaks need in the background.

use std::time::Duration;

use super::{Leaks, store};
use crate::{jobs::Job, types::Fault};

/// A report that was signed once stays signed, so it is known for long: by 32 bytes.
const NOTICES_STAY: Duration = Duration::from_hours(24 * 3_653);

/// The jobs of this capability; see the retention table in `docs/operations.md`.
#[must_use]
pub fn jobs(leaks: &Leaks) -> Vec<Job> {
    let config = &leaks.authority.config;
    let batch = i64::from(config.jobs.batch);
    let keep = config.leaks.keep.duration();
    let cleanup = config.jobs.cleanup_interval.duration();
    vec![Job::new("leaks.cleanup", cleanup, move |db, now| async move {
        let mut done = 0;
        loop {
            let mut connection = db.connection().await?;
            let reports = store::delete_reports(&mut connection, now - keep, batch).await?;
            let notices = store::delete_notices(&mut connection, now - keep.max(NOTICES_STAY), batch).await?;
            done += reports + notices;
            if i64::try_from(reports.max(notices)).unwrap_or(batch) < batch {
                return u64::try_from(done).map_err(Fault::internal);
            }
        }
    })]
}
