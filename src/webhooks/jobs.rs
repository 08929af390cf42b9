//! What webhooks need in the background.

use super::{Webhooks, store};
use crate::{crypto::Purpose, jobs::Job, types::Fault};

/// The jobs of this capability; see the retention table in `docs/operations.md`.
#[must_use]
pub fn jobs(webhooks: &Webhooks) -> Vec<Job> {
    let cleanup = webhooks.config.jobs.cleanup_interval.duration();
    let batch = i64::from(webhooks.config.jobs.batch);
    let keep = webhooks.config.webhooks.keep.duration();
    let keyring = webhooks.keyring.clone();
    vec![
        Job::new("webhooks.cleanup", cleanup, move |db, now| async move {
            let mut done = 0;
            loop {
                let mut connection = db.connection().await?;
                let messages = store::delete_old(&mut connection, now - keep, batch).await?;
                let secrets = store::delete_ended_secrets(&mut connection, now - keep, batch).await?;
                done += messages + secrets;
                if i64::try_from(messages.max(secrets)).unwrap_or(batch) < batch {
                    return count(done);
                }
            }
        }),
        Job::new("webhooks.reseal", cleanup, move |db, _| {
            let keyring = keyring.clone();
            async move {
                let (mut done, mut after) = (0, None);
                if !keyring.is_superseding(Purpose::WebhookSecret) {
                    return count(done);
                }
                loop {
                    let mut connection = db.connection().await?;
                    let (anew, last) = store::reseal_secrets(&mut connection, &keyring, after, batch).await?;
                    done += anew;
                    if last.is_none() {
                        return count(done);
                    }
                    after = last;
                }
            }
        }),
    ]
}

fn count(rows: usize) -> Result<u64, Fault> {
    u64::try_from(rows).map_err(Fault::internal)
}
