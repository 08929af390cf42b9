//! Jobs: rows that nothing needs any more, and contexts sealed under keys that were replaced.

use super::{
    Identity,
    notifications::TRIED_FOR,
    sessions::context_place,
    store::{self, Old},
};
use crate::{crypto::Purpose, db::Db, jobs::Job, types::Fault};

impl Identity {
    /// The background jobs of this folder.
    #[must_use]
    pub fn jobs(&self) -> Vec<Job> {
        let every = self.config.jobs.cleanup_interval.duration();
        let (cleaner, sealer) = (self.clone(), self.clone());
        vec![
            Job::new("identity.cleanup", every, move |db, now| {
                let identity = cleaner.clone();
                async move { identity.clean_up(&db, now).await }
            }),
            Job::new("identity.reseal", every, move |db, _| {
                let identity = sealer.clone();
                async move { identity.reseal(&db).await }
            }),
            self.sending(),
        ]
    }

    async fn clean_up(&self, db: &Db, now: time::OffsetDateTime) -> Result<u64, Fault> {
        let batch = self.config.jobs.batch.max(1);
        let mut connection = db.connection().await?;
        let mut removed = 0_u64;
        for (old, before) in [
            (Old::Sessions, now),
            (Old::Links, now),
            (Old::EmailChanges, now),
            (Old::Failures, now - self.failures_are_kept_for()),
            (Old::Notifications, now - TRIED_FOR),
        ] {
            loop {
                let rows = store::delete_old(&mut connection, old, before, batch).await?;
                removed = removed.saturating_add(rows);
                if rows < u64::from(batch) {
                    break;
                }
            }
        }
        Ok(removed)
    }

    /// Seals the contexts of sessions anew under the key that seals now.
    async fn reseal(&self, db: &Db) -> Result<u64, Fault> {
        if !self.keyring.is_superseding(Purpose::ClientContext) {
            return Ok(0);
        }
        let batch = self.config.jobs.batch.max(1);
        let current = self.keyring.current_id(Purpose::ClientContext)?.to_bytes();
        let mut connection = db.connection().await?;
        let (mut after, mut done) = (None, 0_u64);
        loop {
            let rows =
                store::sealed_with_older_keys(&mut connection, current, after, i64::from(batch)).await?;
            let Some((last, _)) = rows.last() else {
                return Ok(done);
            };
            after = Some(*last);
            for (id, sealed) in &rows {
                let place = context_place(*id);
                let Some(plain) = self.keyring.open(Purpose::ClientContext, &place, sealed) else {
                    // One row that makes no sense must not keep all others from being sealed anew.
                    tracing::error!(session = %id, "the context of a session does not open");
                    continue;
                };
                let anew = self.keyring.seal(Purpose::ClientContext, &place, &plain)?;
                done += u64::from(store::replace_context(&mut connection, *id, sealed, &anew).await?);
            }
        }
    }
}
