//! What can be seen of keys.

use std::{collections::HashMap, num::NonZeroU64, time::Duration};

use super::{
    ApiKey, AppPolicy, Asker, KeyError, Keys, Reach,
    act::{no_app, permit},
    limits::Standing,
    store,
};
use crate::{
    accounts,
    crypto::{Origin, Place},
    types::{AccountId, ApiKeyId, AppId, Fault},
};

/// How long ahead the end of a key is spoken of.
pub const REMIND_AHEAD: Duration = Duration::from_hours(14 * 24);

impl Keys {
    /// One key.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotFound`] for what is not the asker's to see, too.
    pub async fn key(&self, id: ApiKeyId, asker: Asker<'_>) -> Result<ApiKey, KeyError> {
        let mut connection = self.db.connection().await?;
        let key = store::key(&mut connection, id).await?.ok_or(KeyError::NotFound)?;
        let app = key.app_id.ok_or(KeyError::NotFound)?;
        permit(&mut connection, &asker, app, None).await?;
        Ok(key)
    }

    /// The keys of an app, newest first, up to `most`, from before `before`.
    ///
    /// # Errors
    ///
    /// See [`KeyError`].
    pub async fn keys_of_app(
        &self,
        app: AppId,
        before: Option<ApiKeyId>,
        most: u32,
        asker: Asker<'_>,
    ) -> Result<Vec<ApiKey>, KeyError> {
        let mut connection = self.db.connection().await?;
        permit(&mut connection, &asker, app, None)
            .await
            .map_err(|error| match error {
                KeyError::NotFound => KeyError::NoApp,
                other => other,
            })?;
        Ok(store::by_app(&mut connection, app, before, i64::from(most)).await?)
    }

    /// The keys of an app that can be used now, newest first.
    ///
    /// # Errors
    ///
    /// See [`KeyError`].
    pub async fn usable_keys(&self, app: AppId, asker: Asker<'_>) -> Result<Vec<ApiKey>, KeyError> {
        let mut connection = self.db.connection().await?;
        permit(&mut connection, &asker, app, None).await.map_err(no_app)?;
        Ok(store::usable(&mut connection, app, self.clock.now()).await?)
    }

    /// The keys of an app that are revoked or over, newest first, up to `most`, from before `before`.
    ///
    /// # Errors
    ///
    /// See [`KeyError`].
    pub async fn former_keys(
        &self,
        app: AppId,
        before: Option<ApiKeyId>,
        most: u32,
        asker: Asker<'_>,
    ) -> Result<Vec<ApiKey>, KeyError> {
        let mut connection = self.db.connection().await?;
        permit(&mut connection, &asker, app, None).await.map_err(no_app)?;
        let now = self.clock.now();
        Ok(store::former(&mut connection, app, now, before, i64::from(most)).await?)
    }

    /// The keys of these accounts that end within [`REMIND_AHEAD`], the next one first; those that were rotated are meant to.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn ending_keys(&self, accounts: &[AccountId]) -> Result<Vec<ApiKey>, Fault> {
        let mut connection = self.db.connection().await?;
        let now = self.clock.now();
        store::ending(&mut connection, accounts, now, now + REMIND_AHEAD).await
    }

    /// How the limits of a key stand, as far as this node knows. Nothing is taken of them.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn standing(&self, key: &ApiKey, policy: &AppPolicy) -> Result<Standing, Fault> {
        let Some(limiter) = &self.limiter else {
            return Ok(Standing::default());
        };
        let account = accounts::account(&mut *self.db.connection().await?, key.account_id).await?;
        let ceiling = account.and_then(|account| account.monthly_limit);
        let limits = self.limits_of(
            key.settings.limits,
            &policy.tier,
            ceiling.and_then(NonZeroU64::new),
        );
        let verdict = limiter.take(key.id, key.account_id, &limits, 0).await?;
        Ok(*verdict.standing())
    }

    /// All keys that the asker may see.
    ///
    /// # Errors
    ///
    /// See [`KeyError`].
    pub async fn all_keys(
        &self,
        before: Option<ApiKeyId>,
        most: u32,
        asker: Asker<'_>,
    ) -> Result<Vec<ApiKey>, KeyError> {
        match asker.reach {
            Reach::App(app) => self.keys_of_app(app, before, most, asker).await,
            Reach::Person(user) => {
                let mut connection = self.db.connection().await?;
                let accounts: Vec<AccountId> = accounts::memberships_of(&mut connection, user)
                    .await?
                    .into_iter()
                    .map(|membership| membership.account.id)
                    .collect();
                Ok(store::by_account(&mut connection, &accounts, before, i64::from(most)).await?)
            }
            Reach::Everything => Err(KeyError::NoApp),
        }
    }

    /// How many keys of each app of an account can be used now; apps without one are not named.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn count_by_app(&self, account: AccountId) -> Result<HashMap<AppId, i64>, Fault> {
        let mut connection = self.db.connection().await?;
        store::count_live_by_app(&mut connection, account, self.clock.now()).await
    }

    /// Whether one of these accounts has a key that can be used now.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn has_usable(&self, accounts: &[AccountId]) -> Result<bool, Fault> {
        let mut connection = self.db.connection().await?;
        store::has_usable(&mut connection, accounts, self.clock.now()).await
    }

    /// From where a key was last used.
    #[must_use]
    pub fn last_used_from(&self, key: &ApiKey) -> Option<Origin> {
        let place = Place::column("api_keys", "last_used_sealed", key.id);
        self.keyring.open_origin(&place, key.last_used_sealed.as_ref()?)
    }
}
