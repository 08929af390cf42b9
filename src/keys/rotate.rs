//! A successor with the same settings; the old key lives on for an overlap, so that nothing stops while it is rolled out.

use std::time::Duration;

use serde_json::json;
use time::OffsetDateTime;

use super::{
    ApiKey, Asker, KeyError, Keys, Made, Once,
    act::{held_app, no_key},
    create::fits,
    format,
    once::Entered,
    store,
};
use crate::{
    audit::{Action, Subject},
    crypto::Purpose,
    revocation::{self, Reason},
    types::ApiKeyId,
    webhooks::EventType,
};

/// How long a key lives on beside its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    For(Duration),
    /// Until somebody retires it.
    UntilRetired,
}

impl Overlap {
    /// The longest that a request may ask for.
    pub const LONGEST: Duration = Duration::from_hours(72);

    /// When a key ends that is rotated `now`, and was to end at `own`.
    #[must_use]
    pub fn end(self, own: Option<OffsetDateTime>, now: OffsetDateTime) -> Option<OffsetDateTime> {
        match self {
            Self::For(length) => {
                let end = now + length;
                Some(own.map_or(end, |own| own.min(end)))
            }
            Self::UntilRetired => own,
        }
    }
}

impl Keys {
    /// Makes the successor of a key, under an id that is new or was meant for it. A key that ends at a certain time gets a
    /// successor that lives as long as it was to live.
    ///
    /// # Errors
    ///
    /// See [`KeyError`].
    pub async fn rotate(
        &self,
        id: ApiKeyId,
        successor_id: ApiKeyId,
        overlap: Option<Overlap>,
        once: Option<&Once>,
        asker: Asker<'_>,
    ) -> Result<Made, KeyError> {
        let now = self.clock.now();
        let overlap = overlap.unwrap_or(Overlap::For(self.config.keys.rotation_overlap.duration()));
        if matches!(overlap, Overlap::For(length) if length > Overlap::LONGEST) {
            return Err(KeyError::unsound(
                "overlap_seconds",
                "the overlap is 0 to 72 hours, or until it is retired",
            ));
        }
        let mut transaction = self.db.begin().await?;
        let made = successor_id.to_string();
        let seed = match self.enter(&mut transaction, once, &made).await? {
            Entered::First(seed) => seed,
            Entered::Before { made, seed } => return self.again(transaction, &made, &seed, &asker).await,
        };
        // The app first, as whoever makes a key takes it.
        let app = store::key(&mut transaction, id)
            .await?
            .and_then(|key| key.app_id)
            .ok_or(KeyError::NotFound)?;
        let policy = held_app(&mut transaction, &asker, app).await.map_err(no_key)?;
        let was = self.held(&mut transaction, id, &asker).await?;
        if let Some(successor) = was.successor_id {
            return Err(KeyError::Rotated(successor));
        }
        let family = self.family(&was.family)?;
        fits(was.environment, family, &policy)?;
        let body = self.body(&seed)?;
        let (value, hint) = format::compose(family, was.kind, was.environment, body.as_slice());
        let mut settings = was.settings.clone();
        settings.expires_at = was
            .settings
            .expires_at
            .map(|end| now.checked_add(end - was.created_at).unwrap_or(end));
        let key = ApiKey {
            id: successor_id,
            settings,
            mac: self.keyring.mac(Purpose::ApiKey, value.expose().as_bytes())?,
            hint,
            created_at: now,
            changed_at: now,
            last_used_at: None,
            last_used_sealed: None,
            ..was.clone()
        };
        if !store::insert(&mut transaction, &key, &asker.name()).await? {
            return Err(KeyError::Again);
        }
        let ends_at = overlap.end(was.settings.expires_at, now);
        store::succeed(
            &mut transaction,
            &was,
            successor_id,
            ends_at,
            was.next_version(now),
        )
        .await?;
        let most = self.config.keys.per_app;
        let usable = store::count_usable(&mut transaction, app, now).await?;
        if usable > 2 * i64::from(most) {
            return Err(KeyError::TooManyOnTheirWayOut(2 * most));
        }
        asker
            .by
            .done(now, Action::KeyRotated, Subject::ApiKey(id))
            .account(was.account_id)
            .detail("name", was.settings.name.as_str())
            .detail("hint", was.hint.as_str())
            .detail("successor", successor_id.to_string())
            .detail("ends_at", ends_at.map(OffsetDateTime::unix_timestamp))
            .write(&mut transaction)
            .await?;
        let mut rotated = was;
        rotated.settings.expires_at = ends_at;
        let more = json!({"successor_id": successor_id});
        self.tell(&mut transaction, rotated.event(EventType::KeyRotated, now, &more))
            .await?;
        self.commit(transaction, &[revocation::Subject::ApiKey(id)], Reason::Changed)
            .await?;
        Ok(Made {
            key,
            value: Some(value),
            again: false,
        })
    }
}
