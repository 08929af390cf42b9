//! What happens to counts in the background; see the retention table in `docs/operations.md`.

use std::{sync::Arc, time::Duration};

use time::OffsetDateTime;

use super::{
    Counting, Usage, place,
    report::Resolution,
    store::{
        last_use,
        roll::{self, Old, Step},
    },
};
use crate::{crypto::Purpose, db::Db, jobs::Job, types::Fault};

/// How often counts are rolled up: until then they are read from where they are.
const ROLL_UP_EVERY: Duration = Duration::from_mins(1);
/// A server that has not counted for so long has no batch on its way.
const WRITERS_STAY: Duration = Duration::from_hours(24 * 30);
/// Longer than records of one kind are apart.
const NOTICES_STAY: Duration = Duration::from_hours(1);

impl Usage {
    /// The background jobs of counting.
    #[must_use]
    pub fn jobs(&self) -> Vec<Job> {
        let every = self.0.config.jobs.cleanup_interval.duration();
        let roller = Arc::clone(&self.0);
        let cleaner = Arc::clone(&self.0);
        let sealer = Arc::clone(&self.0);
        vec![
            Job::new("usage.roll-up", ROLL_UP_EVERY, move |db, now| {
                let counting = Arc::clone(&roller);
                async move { counting.roll_up(&db, now).await }
            }),
            Job::new("usage.cleanup", every, move |db, now| {
                let counting = Arc::clone(&cleaner);
                async move { counting.clean_up(&db, now).await }
            }),
            Job::new("usage.reseal", every, move |db, _| {
                let counting = Arc::clone(&sealer);
                async move { counting.reseal(&db).await }
            }),
        ]
    }
}

impl Counting {
    fn batch(&self) -> i64 {
        i64::from(self.config.jobs.batch)
    }

    /// Rolls up what lies before the minute, and the hour, that is being counted.
    async fn roll_up(&self, db: &Db, now: OffsetDateTime) -> Result<u64, Fault> {
        let mut done = 0_i64;
        for (step, unit) in [
            (Step::MinutesToHours, Resolution::Minute),
            (Step::HoursToDays, Resolution::Hour),
        ] {
            loop {
                let mut connection = db.connection().await?;
                let rows = roll::roll(&mut connection, step, unit.start_of(now), self.batch()).await?;
                done = done.saturating_add(rows);
                if rows < self.batch() {
                    break;
                }
            }
        }
        u64::try_from(done).map_err(Fault::internal)
    }

    async fn clean_up(&self, db: &Db, now: OffsetDateTime) -> Result<u64, Fault> {
        let keep = &self.config.usage;
        let mut done = 0_usize;
        for (old, stays) in [
            (Old::Minutes, keep.minutes.duration()),
            (Old::Hours, keep.hours.duration()),
            (Old::Days, keep.days.duration()),
            (Old::Requests, keep.requests.duration()),
            (Old::Writers, WRITERS_STAY),
            (Old::Notices, NOTICES_STAY),
        ] {
            loop {
                let mut connection = db.connection().await?;
                let gone = roll::delete_old(&mut connection, old, now - stays, self.batch()).await?;
                done = done.saturating_add(gone);
                if i64::try_from(gone).unwrap_or(i64::MAX) < self.batch() {
                    break;
                }
            }
        }
        u64::try_from(done).map_err(Fault::internal)
    }

    /// Seals the origins of last uses anew under the key that seals now.
    async fn reseal(&self, db: &Db) -> Result<u64, Fault> {
        // To look for what older keys sealed is to look through all API keys: only while there is such a key.
        if !self.keyring.is_superseding(Purpose::ClientContext) {
            return Ok(0);
        }
        let current = self.keyring.current_id(Purpose::ClientContext)?.to_bytes();
        let (mut after, mut done) = (None, 0_usize);
        loop {
            let mut connection = db.connection().await?;
            let rows =
                last_use::sealed_with_older_keys(&mut connection, current, after, self.batch()).await?;
            let Some((last, _)) = rows.last() else {
                return u64::try_from(done).map_err(Fault::internal);
            };
            after = Some(*last);
            for (key, sealed) in &rows {
                let place = place(*key);
                let Some(plain) = self.keyring.open(Purpose::ClientContext, &place, sealed) else {
                    // One row that makes no sense must not keep all others from being sealed anew.
                    tracing::error!(%key, "the last use of an API key does not open");
                    continue;
                };
                let anew = self.keyring.seal(Purpose::ClientContext, &place, &plain)?;
                done += last_use::replace(&mut connection, *key, sealed, &anew).await?;
            }
        }
    }
}
