//! What all keys of an app may do at the most: environments, scopes, tier, networks.

use std::collections::BTreeSet;

use diesel_async::AsyncPgConnection;
use time::OffsetDateTime;

use super::{
    AppPolicy, Asker, KeyError, Keys,
    act::{no_app, permit},
    coverage::covers,
    create::checked_networks,
    store,
};
use crate::{
    accounts::Permission,
    audit::{Action, Subject},
    crypto,
    db::Transaction,
    revocation::{self, Reason},
    scopes::{self, Audience, Catalogue},
    types::{AppId, Scope, ScopeSet},
};

impl Keys {
    /// What the keys of an app may do.
    ///
    /// # Errors
    ///
    /// See [`KeyError`].
    pub async fn policy(&self, app: AppId, asker: Asker<'_>) -> Result<AppPolicy, KeyError> {
        self.policy_in(&mut *self.db.connection().await?, app, asker)
            .await
    }

    /// The same in the caller's transaction.
    ///
    /// # Errors
    ///
    /// See [`KeyError`].
    pub async fn policy_in(
        &self,
        connection: &mut AsyncPgConnection,
        app: AppId,
        asker: Asker<'_>,
    ) -> Result<AppPolicy, KeyError> {
        permit(connection, &asker, app, None).await.map_err(no_app)?;
        store::policy(connection, app).await?.ok_or(KeyError::NoApp)
    }

    /// Changes what the keys of an app may do; every node knows when this returns. Scopes that the app no longer covers are
    /// taken from its keys.
    ///
    /// # Errors
    ///
    /// See [`KeyError`].
    pub async fn change_policy(
        &self,
        app: AppId,
        change: impl FnOnce(&mut AppPolicy),
        asker: Asker<'_>,
    ) -> Result<AppPolicy, KeyError> {
        let transaction = self.db.begin().await?;
        self.change_policy_within(transaction, app, change, asker).await
    }

    /// The same as the last act of a transaction that did something else to the app before; it is committed, or nothing of
    /// it happens.
    ///
    /// # Errors
    ///
    /// See [`KeyError`].
    pub async fn change_policy_within(
        &self,
        mut transaction: Transaction,
        app: AppId,
        change: impl FnOnce(&mut AppPolicy),
        asker: Asker<'_>,
    ) -> Result<AppPolicy, KeyError> {
        let now = self.clock.now();
        let was = store::held_policy(&mut transaction, app)
            .await?
            .ok_or(KeyError::NoApp)?;
        permit(&mut transaction, &asker, app, Some(Permission::WriteKeys))
            .await
            .map_err(no_app)?;
        let mut policy = was.clone();
        change(&mut policy);
        let unique: BTreeSet<_> = policy.environments.iter().copied().collect();
        policy.environments = unique.into_iter().collect();
        if policy.networks != was.networks {
            policy.networks = checked_networks(policy.networks)?;
        }
        if policy == was {
            self.settle_others(transaction).await?;
            return Ok(was);
        }
        if policy.environments.is_empty() {
            return Err(KeyError::unsound("environments", "live, test, or both"));
        }
        let operator = asker.is_operator();
        if policy.tier != was.tier {
            if !operator {
                return Err(KeyError::unsound("tier", "the tier is for operators to say"));
            }
            if !self.config.keys.tiers.names().any(|name| name == policy.tier) {
                let known: Vec<&str> = self.config.keys.tiers.names().collect();
                return Err(KeyError::unsound(
                    "tier",
                    format!("there is no tier {}; there are {}", policy.tier, known.join(", ")),
                ));
            }
        }
        let catalogue = scopes::catalogue(&mut transaction).await?;
        // Held, so that none of them goes meanwhile.
        scopes::held(&mut transaction, &policy.scopes).await?;
        for scope in &policy.scopes.without(&was.scopes) {
            may_be_granted(&catalogue, scope, operator)?;
            if !operator && self.is_legacy(scope.as_str()) {
                return Err(KeyError::unsound(
                    "scopes",
                    format!("{scope} implies every scope: it is for operators to grant"),
                ));
            }
        }
        store::change_policy(&mut transaction, &policy).await?;
        let narrowed = self.narrow(&mut transaction, &policy, now).await?;
        asker
            .by
            .done(now, Action::AppPolicyChanged, Subject::App(app))
            .account(policy.account_id)
            .detail("scopes", policy.scopes.to_string())
            .detail("tier", policy.tier.as_str())
            .detail("keys_narrowed", narrowed)
            .write(&mut transaction)
            .await?;
        self.commit(transaction, &[revocation::Subject::App(app)], Reason::Changed)
            .await?;
        Ok(policy)
    }
}

impl AppPolicy {
    /// The version that a change is made from.
    #[must_use]
    pub fn version(&self) -> String {
        let text = format!(
            "{:?} {} {:?} {:?}",
            self.environments, self.scopes, self.tier, self.networks
        );
        crypto::encode_base64url(crypto::digest(text.as_bytes()).get(..12).unwrap_or_default())
    }
}

/// Whether an app may be granted a scope: one of the catalogue, or a prefix of some of them.
fn may_be_granted(catalogue: &Catalogue, scope: &Scope, operator: bool) -> Result<(), KeyError> {
    let at_fault = |problem: String| Err(KeyError::unsound("scopes", problem));
    // With all that it implies.
    let mut given = catalogue
        .0
        .iter()
        .filter(|entry| covers(scope.as_str(), entry.scope.as_str()));
    let is_known = catalogue.find(scope.as_str()).is_some()
        || (scope.as_str().ends_with(":*") && given.clone().next().is_some());
    if !is_known {
        return at_fault(format!(
            "{scope} is not in the catalogue: an operator adds it (`claviger scope add`)"
        ));
    }
    if !operator && given.any(|entry| entry.audience == Audience::FirstParty) {
        return at_fault(format!("{scope} is for operators to grant"));
    }
    Ok(())
}

impl Keys {
    /// Takes from the keys of an app what it does not cover any more; says how many that were.
    async fn narrow(
        &self,
        transaction: &mut Transaction,
        policy: &AppPolicy,
        now: OffsetDateTime,
    ) -> Result<usize, KeyError> {
        let mut narrowed = 0;
        let live: Vec<_> = store::by_app(transaction, policy.app_id, None, i64::MAX)
            .await?
            .iter()
            .filter(|key| key.revoked.is_none())
            .map(|key| key.id)
            .collect();
        // Held, and read as they are then: a scope that goes from the catalogue goes from them too, without their app.
        for key in store::held_all(transaction, &live).await? {
            let of_family = self.scopes_of_family(&key.family);
            let kept: ScopeSet = key
                .settings
                .scopes
                .iter()
                .filter(|scope| policy.covers(scope.as_str()) || of_family.contains(scope.as_str()))
                .cloned()
                .collect();
            if kept != key.settings.scopes {
                let mut settings = key.settings.clone();
                settings.scopes = kept;
                store::change(transaction, &key, &settings, key.next_version(now)).await?;
                narrowed += 1;
            }
        }
        Ok(narrowed)
    }
}
