//! A key is taken back: at once, everywhere, for good. Its tombstone stays.

use std::time::Duration;

use diesel_async::AsyncPgConnection;
use serde_json::json;
use time::OffsetDateTime;

use super::{ApiKey, Asker, KeyError, Keys, RevokedBecause, act::permit, store};
use crate::{
    accounts::Permission,
    audit::{Action, By, Record, Subject},
    revocation::{self, Reason},
    types::{ApiKeyId, AppId, Clock, Entropy, Fault},
    webhooks::{self, EventType},
};

/// A key that was used so lately is not retired without more.
const STILL_USED: Duration = Duration::from_hours(1);

impl Keys {
    /// Revokes a key. No node takes it when this returns, not if it was revoked before either.
    ///
    /// # Errors
    ///
    /// See [`KeyError`].
    pub async fn revoke(&self, id: ApiKeyId, asker: Asker<'_>) -> Result<ApiKey, KeyError> {
        self.take_back(id, RevokedBecause::Owner, asker, |_| Ok(())).await
    }

    /// Revokes a key that was rotated, when nothing uses it any more, or by `force`.
    ///
    /// # Errors
    ///
    /// See [`KeyError`].
    pub async fn retire(&self, id: ApiKeyId, force: bool, asker: Asker<'_>) -> Result<ApiKey, KeyError> {
        let since = self.clock.now() - STILL_USED;
        // What this node has counted and not yet written is known to it alone.
        let still_used = !force
            && self
                .usage
                .was_used(&mut *self.db.connection().await?, id, since)
                .await?;
        self.take_back(id, RevokedBecause::Retired, asker, |key| {
            if key.successor_id.is_none() {
                Err(KeyError::NotRotated)
            } else if still_used && key.revoked.is_none() {
                Err(KeyError::InUse)
            } else {
                Ok(())
            }
        })
        .await
    }

    pub(super) async fn take_back(
        &self,
        id: ApiKeyId,
        reason: RevokedBecause,
        asker: Asker<'_>,
        may: impl FnOnce(&ApiKey) -> Result<(), KeyError>,
    ) -> Result<ApiKey, KeyError> {
        let now = self.clock.now();
        let mut transaction = self.db.begin().await?;
        let mut key = store::held(&mut transaction, id)
            .await?
            .ok_or(KeyError::NotFound)?;
        let app = key.app_id.ok_or(KeyError::NotFound)?;
        permit(&mut transaction, &asker, app, Some(Permission::WriteKeys)).await?;
        may(&key)?;
        if key.revoked.is_some() {
            self.settle_others(transaction).await?;
            return Ok(key);
        }
        revoke_in(
            &mut transaction,
            (&self.clock, &self.entropy),
            std::slice::from_ref(&key),
            reason,
            now,
            asker.by,
        )
        .await?;
        self.commit(transaction, &[revocation::Subject::ApiKey(id)], reason.into())
            .await?;
        key.revoked = Some((now, reason));
        key.changed_at = now;
        Ok(key)
    }
}

/// Revokes keys with their records, and tells their apps, in the caller's transaction; says which of them were not revoked
/// before: those the caller appends to the revocation log.
///
/// # Errors
///
/// If the database is out of reach.
pub(super) async fn revoke_in(
    connection: &mut AsyncPgConnection,
    (clock, entropy): (&Clock, &Entropy),
    keys: &[ApiKey],
    reason: RevokedBecause,
    now: OffsetDateTime,
    by: By<'_>,
) -> Result<Vec<ApiKeyId>, Fault> {
    let ids: Vec<ApiKeyId> = keys.iter().map(|key| key.id).collect();
    let revoked = store::revoke(connection, &ids, reason, now).await?;
    let records: Vec<Record> = keys
        .iter()
        .filter(|key| revoked.contains(&key.id))
        .map(|key| {
            by.done(now, Action::KeyRevoked, Subject::ApiKey(key.id))
                .account(key.account_id)
                .detail("name", key.settings.name.as_str())
                .detail("hint", key.hint.as_str())
                .detail("reason", reason.name())
        })
        .collect();
    Record::write_all(&records, connection).await?;
    let more = json!({"reason": reason.name()});
    let events: Vec<_> = keys
        .iter()
        .filter(|key| revoked.contains(&key.id))
        .filter_map(|key| key.event(EventType::KeyRevoked, now, &more))
        .collect();
    webhooks::enqueue_all(connection, clock, entropy, &events).await?;
    Ok(revoked)
}

/// Revokes all keys of an app that is about to be deleted, in the caller's transaction, and takes their tombstones out of
/// it. What it returns is to be appended to the revocation log.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn revoke_keys_of_app(
    connection: &mut AsyncPgConnection,
    means: (&Clock, &Entropy),
    app: AppId,
    now: OffsetDateTime,
    by: By<'_>,
) -> Result<Vec<revocation::Subject>, Fault> {
    let keys = store::by_app(connection, app, None, i64::MAX).await?;
    let revoked = revoke_in(connection, means, &keys, RevokedBecause::AppDeleted, now, by).await?;
    store::leave_app(connection, app).await?;
    Ok(revoked.into_iter().map(revocation::Subject::ApiKey).collect())
}

impl From<RevokedBecause> for Reason {
    fn from(reason: RevokedBecause) -> Self {
        match reason {
            RevokedBecause::Owner | RevokedBecause::Retired => Self::Revoked,
            RevokedBecause::Leaked | RevokedBecause::InQuery => Self::Leaked,
            RevokedBecause::AppDeleted => Self::Deleted,
        }
    }
}
