//! What can be seen of keys.

use std::collections::HashMap;

use super::{ApiKey, Asker, KeyError, Keys, Reach, act::permit, store};
use crate::{
    accounts,
    crypto::{Origin, Place},
    types::{AccountId, ApiKeyId, AppId, Fault},
};

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
