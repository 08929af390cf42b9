//! Retiring: a derived key that nothing needs any more by itself, one that has leaked by an operator's word.

use std::time::Duration;

use time::OffsetDateTime;

use super::{KeyUse, overview, store};
use crate::{
    audit::{Action, Actor, Record, Subject},
    crypto::{KeyId, KeyState, Keyring, Purpose},
    db::Transaction,
    oauth::Authority,
    types::Fault,
};

/// How long after a key of refresh tokens was retired its grants are looked for.
const LOOK_FOR_ORPHANS: Duration = Duration::from_hours(24);

/// Why a key is not retired.
#[derive(Debug, thiserror::Error)]
pub enum RetireError {
    #[error("there is no derived key {0}: `claviger keys list` shows which there are")]
    Unknown(i32),
    #[error("derived key {0} is retired already")]
    Already(i32),
    #[error(
        "derived key {id} still seals {rows} values, which would be lost with it: rotate it (`claviger keys rotate \
         --purpose {purpose}`); a job then seals them anew within minutes, and retires it by itself"
    )]
    StillSeals {
        id: i32,
        rows: i64,
        purpose: &'static str,
    },
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What retiring a key came to.
#[derive(Clone, Debug)]
pub struct Retired {
    pub was: KeyUse,
    /// When it ends, on every node.
    pub at: OffsetDateTime,
}

/// The key of that id, if it may be retired.
///
/// # Errors
///
/// See [`RetireError`].
pub async fn retirable(authority: &Authority, id: KeyId) -> Result<KeyUse, RetireError> {
    let all = overview(authority).await?;
    let own = all
        .into_iter()
        .find(|own| own.key.id == id)
        .ok_or(RetireError::Unknown(id.0))?;
    if own.key.retired_at.is_some() {
        return Err(RetireError::Already(id.0));
    }
    if own.seals_rows() {
        return Err(RetireError::StillSeals {
            id: id.0,
            rows: own.hanging,
            purpose: own.key.purpose.name(),
        });
    }
    Ok(own)
}

/// Ends a key, whatever hangs on it, when every node has heard of it: after [`Keyring::LEAD`]. The last one of its
/// purpose gets a successor, which takes over in the same moment: so nothing that somebody makes with a key that has
/// leaked can be exchanged for something good in between.
///
/// # Errors
///
/// See [`RetireError`].
pub async fn retire(authority: &Authority, id: KeyId, actor: Actor) -> Result<Retired, RetireError> {
    let own = retirable(authority, id).await?;
    retire_one(authority, own, actor).await
}

async fn retire_one(authority: &Authority, own: KeyUse, actor: Actor) -> Result<Retired, RetireError> {
    let id = own.key.id;
    let now = authority.clock.now();
    let mut transaction = authority.db.begin().await?;
    if own.key.superseded_at.is_none() {
        rotate_one(authority, &mut transaction, own.key.purpose, actor).await?;
    }
    let successor = authority
        .keyring
        .status()
        .into_iter()
        .find(|key| key.id == id)
        .and_then(|key| key.superseded_at)
        .ok_or_else(|| Fault::internal(format!("derived key {} has no successor", id.0)))?;
    let at = successor.max(now + Keyring::LEAD);
    if !authority.keyring.retire(&mut transaction, id, at).await? {
        return Err(RetireError::Already(id.0));
    }
    record(now, actor, &own).write(&mut transaction).await?;
    transaction.commit().await?;
    authority
        .keyring
        .reload(&mut *authority.db.connection().await?)
        .await?;
    Ok(Retired { was: own, at })
}

/// Adds the next key of each of these purposes, derived from the newest master key.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn rotate(authority: &Authority, purposes: &[Purpose], actor: Actor) -> Result<(), Fault> {
    let mut transaction = authority.db.begin().await?;
    for purpose in purposes {
        rotate_one(authority, &mut transaction, *purpose, actor).await?;
    }
    transaction.commit().await
}

async fn rotate_one(
    authority: &Authority,
    transaction: &mut Transaction,
    purpose: Purpose,
    actor: Actor,
) -> Result<(), Fault> {
    let version = authority.keyring.rotate(transaction, purpose).await?;
    Record::done(
        authority.clock.now(),
        actor,
        Action::ServerKeyRotated,
        Subject::Key(purpose.name().to_owned()),
    )
    .detail("version", version)
    .write(transaction)
    .await
}

/// What [`leave_old_masters`] does, or would do.
#[derive(Clone, Debug, Default)]
pub struct Leaving {
    /// Keys that end.
    pub ends: Vec<KeyUse>,
    /// Keys that a job retires when nothing hangs on them any more.
    pub stays: Vec<KeyUse>,
}

/// Which keys come from other master keys than the newest.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn of_old_masters(authority: &Authority) -> Result<Leaving, Fault> {
    let newest = authority.keyring.newest_master()?;
    let old = overview(authority)
        .await?
        .into_iter()
        .filter(|own| own.key.retired_at.is_none() && own.key.master_key_id != newest);
    let (ends, stays) = old.partition(|own| own.key.purpose.travels());
    Ok(Leaving { ends, stays })
}

/// Leaves older master keys behind: each purpose gets a key of the newest one. Keys of older ones with which somebody
/// could forge what clients and browsers present end in the moment in which that takes over; those that protect what
/// is stored go by themselves when it has been sealed or digested anew.
///
/// # Errors
///
/// See [`RetireError`].
pub async fn leave_old_masters(authority: &Authority, actor: Actor) -> Result<Leaving, RetireError> {
    let leaving = of_old_masters(authority).await?;
    let unfollowed: Vec<Purpose> = leaving
        .stays
        .iter()
        .filter(|own| own.key.superseded_at.is_none())
        .map(|own| own.key.purpose)
        .collect();
    rotate(authority, &unfollowed, actor).await?;
    for own in &leaving.ends {
        retire_one(authority, own.clone(), actor).await?;
    }
    Ok(leaving)
}

fn record(now: OffsetDateTime, actor: Actor, own: &KeyUse) -> Record {
    Record::done(
        now,
        actor,
        Action::ServerKeyRetired,
        Subject::Key(own.key.purpose.name().to_owned()),
    )
    .detail("key", own.key.id.0)
    .detail("master_key", own.key.master_key_id.as_str())
    .detail("hanging", own.hanging)
}

/// Retires the keys that nothing needs any more, and ends the grants that hang on one that was ended early. Returns
/// how many rows it changed.
pub(in crate::oauth) async fn retire_due(authority: &Authority) -> Result<usize, Fault> {
    let now = authority.clock.now();
    let mut done = 0;
    authority
        .keyring
        .reload(&mut *authority.db.connection().await?)
        .await?;
    let keys = authority.keyring.status();
    // To count what hangs on keys is to look through grants and sessions: only while there is something to find.
    let in_use = if keys.iter().any(|key| key.state == KeyState::Serving) {
        overview(authority).await?
    } else {
        Vec::new()
    };
    for own in in_use.iter().filter(|own| own.is_done(now)) {
        let mut transaction = authority.db.begin().await?;
        if authority
            .keyring
            .retire(&mut transaction, own.key.id, now)
            .await?
        {
            record(now, Actor::System, own).write(&mut transaction).await?;
            transaction.commit().await?;
            done += 1;
        }
    }
    let orphans = keys.iter().any(|key| {
        key.purpose == Purpose::RefreshToken
            && key
                .retired_at
                .is_some_and(|at| at <= now && now < at + LOOK_FOR_ORPHANS)
    });
    if orphans {
        done += end_orphans(authority, now).await?;
    }
    Ok(done)
}

async fn end_orphans(authority: &Authority, now: OffsetDateTime) -> Result<usize, Fault> {
    let batch = i64::from(authority.config.jobs.batch);
    let mut done = 0;
    loop {
        let ended = store::end_orphans(&mut *authority.db.connection().await?, now, batch).await?;
        done += ended;
        if i64::try_from(ended).unwrap_or(batch) < batch {
            return Ok(done);
        }
    }
}
