//! One key for everybody who signs up, where the configuration asks for it. A trigger of the database makes its slot with
//! the person; the key is made when they first look at it, and shown then.

use super::{
    ApiKey, Asker, KeyError, KeyKind, Keys, Made, NewKey, OwnLimits, Reach, act::held_app, create::fits,
    once::Seed, store,
};
use crate::{
    accounts,
    audit::{self, Action},
    revocation::{Reason, Subject},
    types::{ApiKeyId, DisplayName, Environment, Fault, ScopeSet, UserId},
};

/// Somebody's slot, before they have looked at it and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultKey {
    pub scope: String,
    pub family: String,
    /// None until it was revealed.
    pub key: Option<ApiKeyId>,
}

const NAME: &str = "Default key";

impl Keys {
    /// The slot of a person, if they have one.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn default_key(&self, user: UserId) -> Result<Option<DefaultKey>, Fault> {
        store::default_key(&mut *self.db.connection().await?, user).await
    }

    /// Makes the key of a person's slot, once. It goes into the first app of their own account, which is granted the scope
    /// of the slot.
    ///
    /// # Errors
    ///
    /// See [`KeyError`]; [`KeyError::Again`] if it was revealed before.
    pub async fn reveal_default_key(&self, user: UserId, by: crate::audit::By<'_>) -> Result<Made, KeyError> {
        let asker = Asker {
            by,
            reach: Reach::Person(user),
        };
        let mut transaction = self.db.begin().await?;
        let slot = store::default_key(&mut transaction, user)
            .await?
            .ok_or(KeyError::NotFound)?;
        if slot.key.is_some() {
            return Err(KeyError::Again);
        }
        let account = accounts::personal_account_of(&mut transaction, user)
            .await?
            .ok_or(KeyError::NoApp)?;
        let app = accounts::apps_of(&mut transaction, account)
            .await?
            .into_iter()
            .next()
            .ok_or(KeyError::NoApp)?;
        let mut policy = held_app(&mut transaction, &asker, app.id).await?;
        let family = self.family(&slot.family)?;
        let environment = family
            .environments
            .iter()
            .find(|environment| policy.environments.contains(environment))
            .copied()
            .unwrap_or(Environment::Live);
        fits(environment, family, &policy)?;
        let new = NewKey {
            app: app.id,
            family: slot.family.clone(),
            kind: KeyKind::Secret,
            environment,
            name: NAME.parse::<DisplayName>().map_err(Fault::internal)?,
            scopes: None,
            limits: OwnLimits::default(),
            expires_at: None,
            networks: Vec::new(),
        };
        let scopes: ScopeSet = [slot.scope.parse().map_err(Fault::internal)?]
            .into_iter()
            .collect();
        let was = policy.scopes.clone();
        // Or the next change of the policy would take it from the key.
        policy.scopes = was.union(&scopes);
        if policy.scopes != was {
            store::change_policy(&mut transaction, &policy).await?;
            by.done(
                self.clock.now(),
                Action::AppPolicyChanged,
                audit::Subject::App(app.id),
            )
            .account(policy.account_id)
            .detail("scopes", policy.scopes.to_string())
            .detail("tier", policy.tier.as_str())
            .write(&mut transaction)
            .await?;
        }
        let id = ApiKeyId::new(&self.clock, &self.entropy);
        let made = self
            .insert(&mut transaction, id, &new, scopes, &policy, &Seed::Drawn, asker)
            .await?;
        // Of two who look at once, one takes the slot.
        if !store::take_default_key(&mut transaction, user, id).await? {
            return Err(KeyError::Again);
        }
        self.commit(transaction, &[Subject::App(app.id)], Reason::Changed)
            .await?;
        Ok(made)
    }

    /// Tells the trigger what the configuration says.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn configure_default_key(&self) -> Result<(), Fault> {
        let keys = &self.config.keys;
        store::configure_default_key(
            &mut *self.db.connection().await?,
            keys.default_key_scope.as_deref(),
            &keys.default_key_family,
        )
        .await
    }

    /// What somebody may see of the key that is theirs by default.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn revealed(&self, slot: &DefaultKey) -> Result<Option<ApiKey>, Fault> {
        match slot.key {
            Some(id) => store::key(&mut *self.db.connection().await?, id).await,
            None => Ok(None),
        }
    }
}
