//! Another name, other scopes, limits, networks, another end.

use super::{
    ApiKey, Asker, KeyError, Keys, Settings,
    act::{held_app, no_key, permit},
    create::{check_end, check_limits, check_scopes, checked_networks, of_family},
    store,
};
use crate::{
    accounts::Permission,
    audit::{Action, Subject},
    db::Transaction,
    revocation::{self, Reason},
    scopes,
    types::ApiKeyId,
};

impl Keys {
    /// Changes a key to what `change` makes of its settings; every node knows when this returns. `version` is that of the
    /// key which the asker saw, if they say.
    ///
    /// # Errors
    ///
    /// See [`KeyError`].
    pub async fn change(
        &self,
        id: ApiKeyId,
        version: Option<&str>,
        change: impl FnOnce(&mut Settings),
        asker: Asker<'_>,
    ) -> Result<ApiKey, KeyError> {
        let now = self.clock.now();
        let mut transaction = self.db.begin().await?;
        // The app first, as whoever changes what its keys may have takes it.
        let app = store::key(&mut transaction, id)
            .await?
            .and_then(|key| key.app_id)
            .ok_or(KeyError::NotFound)?;
        let policy = held_app(&mut transaction, &asker, app).await.map_err(no_key)?;
        let was = self.held(&mut transaction, id, &asker).await?;
        if version.is_some_and(|version| version != was.version()) {
            return Err(KeyError::Changed);
        }
        let mut key = was.clone();
        change(&mut key.settings);
        if key.settings == was.settings {
            self.settle_others(transaction).await?;
            return Ok(was);
        }
        if key.settings.scopes != was.settings.scopes {
            let held = scopes::held(&mut transaction, &key.settings.scopes).await?;
            let family = self.family(&key.family)?;
            // What an operator gave it stays, whoever changes the rest.
            let kept = was
                .settings
                .scopes
                .common_with(&self.scopes_of_legacy(&key.family));
            let of_family = of_family(family, &asker).union(&kept);
            check_scopes(key.kind, &key.settings.scopes, &of_family, &policy, &held)?;
        }
        if key.settings.expires_at != was.settings.expires_at {
            check_end(key.settings.expires_at, now)?;
            let sooner = match (key.settings.expires_at, was.settings.expires_at) {
                (Some(end), Some(before)) => end < before,
                (Some(_), None) => true,
                (None, _) => false,
            };
            if was.successor_id.is_some() && !sooner {
                return Err(KeyError::unsound(
                    "expires_at",
                    "the key was rotated: it may end sooner, and not later",
                ));
            }
        }
        check_limits(&key.settings.limits)?;
        key.settings.networks = checked_networks(key.settings.networks)?;
        let changed_at = was.next_version(now);
        store::change(&mut transaction, &was, &key.settings, changed_at).await?;
        asker
            .by
            .done(now, Action::KeyChanged, Subject::ApiKey(id))
            .account(key.account_id)
            .detail("name", key.settings.name.as_str())
            .detail("hint", key.hint.as_str())
            .detail("scopes", key.settings.scopes.to_string())
            .write(&mut transaction)
            .await?;
        self.commit(transaction, &[revocation::Subject::ApiKey(id)], Reason::Changed)
            .await?;
        key.changed_at = changed_at;
        Ok(key)
    }

    /// A key that can still be changed, held, if the asker may change it.
    pub(super) async fn held(
        &self,
        transaction: &mut Transaction,
        id: ApiKeyId,
        asker: &Asker<'_>,
    ) -> Result<ApiKey, KeyError> {
        let key = store::held(transaction, id).await?.ok_or(KeyError::NotFound)?;
        let app = key.app_id.ok_or(KeyError::NotFound)?;
        permit(transaction, asker, app, Some(Permission::WriteKeys)).await?;
        let state = key.state(self.clock.now());
        if key.is_usable(self.clock.now()) {
            Ok(key)
        } else {
            Err(KeyError::over(state))
        }
    }
}
