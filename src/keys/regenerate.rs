//! A new value for the same key. The old value is good for nothing when this returns.

use serde_json::json;

use super::{Asker, KeyError, Keys, Made, Once, format, once::Entered, store};
use crate::{
    audit::{Action, Subject},
    crypto::Purpose,
    revocation::{self, Reason},
    types::ApiKeyId,
    webhooks::EventType,
};

impl Keys {
    /// Gives a key another value; id and settings stay.
    ///
    /// # Errors
    ///
    /// See [`KeyError`].
    pub async fn regenerate(
        &self,
        id: ApiKeyId,
        once: Option<&Once>,
        asker: Asker<'_>,
    ) -> Result<Made, KeyError> {
        self.regenerate_seen(id, None, once, asker).await
    }

    /// The same of a key that the asker has looked at. `version` is that of the key which they saw, if they say: a request
    /// that comes again when it is no longer known to have come before must not end the value that it made.
    ///
    /// # Errors
    ///
    /// See [`KeyError`].
    pub async fn regenerate_seen(
        &self,
        id: ApiKeyId,
        version: Option<&str>,
        once: Option<&Once>,
        asker: Asker<'_>,
    ) -> Result<Made, KeyError> {
        let now = self.clock.now();
        let mut transaction = self.db.begin().await?;
        let seed = match self.enter(&mut transaction, once, &id.to_string()).await? {
            Entered::First(seed) => seed,
            Entered::Before { made, seed } => return self.again(transaction, &made, &seed, &asker).await,
        };
        let was = self.held(&mut transaction, id, &asker).await?;
        if let Some(successor) = was.successor_id {
            return Err(KeyError::Rotated(successor));
        }
        if version.is_some_and(|version| version != was.version()) {
            return Err(KeyError::Changed);
        }
        let family = self.family(&was.family)?;
        let body = self.body(&seed)?;
        let (value, hint) = format::compose(family, was.kind, was.environment, body.as_slice());
        let mac = self.keyring.mac(Purpose::ApiKey, value.expose().as_bytes())?;
        let changed_at = was.next_version(now);
        store::regenerate(&mut transaction, &was, mac, &hint, changed_at).await?;
        asker
            .by
            .done(now, Action::KeyRegenerated, Subject::ApiKey(id))
            .account(was.account_id)
            .detail("name", was.settings.name.as_str())
            .detail("was", was.hint.as_str())
            .detail("hint", hint.as_str())
            .write(&mut transaction)
            .await?;
        let mut key = was;
        key.mac = mac;
        key.hint = hint;
        key.changed_at = changed_at;
        let more = json!({"successor_id": null});
        self.tell(&mut transaction, key.event(EventType::KeyRotated, now, &more))
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
