//! What the authorization server does in the background.

use std::time::Duration;

use super::{Authority, authorize, clients::store::delete_revoked_secrets, derived_keys, grants};
use crate::{audit::Actor, crypto::Purpose, jobs::Job, types::Fault};

/// How long an ended grant stays, so that a replay of its tokens is still told from a forgery in the trail.
const GRANT_AFTERLIFE: Duration = Duration::from_hours(24);
/// How long a client secret that was taken back is known to be ours, if somebody finds it.
const SECRET_AFTERLIFE: Duration = Duration::from_hours(90 * 24);
/// Which grants have ended is known only by looking at all of them.
const LOOK_THROUGH_GRANTS_EVERY: Duration = Duration::from_hours(24);

/// The jobs of this capability; see the retention table in `docs/operations.md`.
#[must_use]
pub fn jobs(authority: &Authority) -> Vec<Job> {
    let cleanup = authority.config.jobs.cleanup_interval.duration();
    let batch = i64::from(authority.config.jobs.batch);
    let (keys, seals, derived) = (authority.clone(), authority.clone(), authority.clone());
    vec![
        Job::new(
            "oauth.authorization-requests",
            cleanup,
            move |db, now| async move {
                let mut done = 0;
                loop {
                    let gone = authorize::delete_expired(&mut *db.connection().await?, now, batch).await?;
                    done += gone;
                    if i64::try_from(gone).unwrap_or(batch) < batch {
                        return count(done);
                    }
                }
            },
        ),
        Job::new(
            "oauth.grants",
            LOOK_THROUGH_GRANTS_EVERY,
            move |db, now| async move {
                let (mut done, mut after) = (0, None);
                loop {
                    let before = now - GRANT_AFTERLIFE;
                    let (gone, last) =
                        grants::delete_ended(&mut *db.connection().await?, before, after, batch).await?;
                    done += gone;
                    if last.is_none() {
                        return count(done);
                    }
                    after = last;
                }
            },
        ),
        Job::new("oauth.client-secrets", cleanup, move |db, now| async move {
            let mut done = 0;
            loop {
                let before = now - SECRET_AFTERLIFE;
                let gone = delete_revoked_secrets(&mut *db.connection().await?, before, batch).await?;
                done += gone;
                if i64::try_from(gone).unwrap_or(batch) < batch {
                    return count(done);
                }
            }
        }),
        Job::new("oauth.signing-keys", Duration::from_hours(1), move |_, _| {
            let keys = keys.clone();
            async move { count(keys.signing.rotate_due(Actor::System).await?) }
        }),
        Job::new("oauth.derived-keys", cleanup, move |_, _| {
            let derived = derived.clone();
            async move { count(derived_keys::retire_due(&derived).await?) }
        }),
        Job::new("oauth.reseal", cleanup, move |db, _| {
            let seals = seals.clone();
            async move {
                let mut done = seals.signing.reseal().await?;
                // To look for what older keys sealed is to look through all grants: only while there is such a key.
                if !seals.keyring.is_superseding(Purpose::ClientContext) {
                    return count(done);
                }
                let mut after = None;
                loop {
                    let mut connection = db.connection().await?;
                    let (anew, last) =
                        grants::reseal_contexts(&mut connection, &seals.keyring, after, batch).await?;
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
