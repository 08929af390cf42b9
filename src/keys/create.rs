//! A new key.

use ipnet::IpNet;
use serde_json::json;
use time::OffsetDateTime;

use super::{
    ApiKey, AppPolicy, Asker, KeyError, KeyKind, Keys, Made, Once, OwnLimits, Settings,
    act::held_app,
    coverage::{covers, missing},
    format,
    once::{Entered, Seed},
    store,
};
use crate::{
    audit::{Action, Subject},
    config::Family,
    crypto::Purpose,
    db::Transaction,
    scopes,
    types::{ApiKeyId, AppId, DisplayName, Environment, Fault, ScopeSet},
    webhooks::EventType,
};

/// A key that somebody wants.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub app: AppId,
    pub family: String,
    pub kind: KeyKind,
    pub environment: Environment,
    pub name: DisplayName,
    /// None is what a key of its kind and family usually has.
    pub scopes: Option<ScopeSet>,
    pub limits: OwnLimits,
    pub expires_at: Option<OffsetDateTime>,
    pub networks: Vec<IpNet>,
}

impl Keys {
    /// Makes a key under an id that is new, or was meant for this one. Its value is in this answer alone.
    ///
    /// # Errors
    ///
    /// See [`KeyError`].
    pub async fn create(
        &self,
        id: ApiKeyId,
        new: &NewKey,
        once: Option<&Once>,
        asker: Asker<'_>,
    ) -> Result<Made, KeyError> {
        let now = self.clock.now();
        let mut transaction = self.db.begin().await?;
        let seed = match self.enter(&mut transaction, once, &id.to_string()).await? {
            Entered::First(seed) => seed,
            Entered::Before { made, seed } => return self.again(transaction, &made, &seed, &asker).await,
        };
        let policy = held_app(&mut transaction, &asker, new.app).await?;
        let family = self.family(&new.family)?;
        fits(new.environment, family, &policy)?;
        let wanted = new
            .scopes
            .clone()
            .unwrap_or_else(|| usual_scopes(new.kind, family, &policy));
        let held = scopes::held(&mut transaction, &wanted).await?;
        check_scopes(new.kind, &wanted, &of_family(family, &asker), &policy, &held)?;
        check_end(new.expires_at, now)?;
        check_limits(&new.limits)?;
        let new = &NewKey {
            networks: checked_networks(new.networks.clone())?,
            ..new.clone()
        };
        let made = self
            .insert(&mut transaction, id, new, wanted, &policy, &seed, asker)
            .await?;
        transaction.commit().await?;
        Ok(made)
    }

    /// Makes a key whose settings can stand, in the caller's transaction, which holds its app.
    #[allow(clippy::too_many_arguments, reason = "each is a thing of its own")]
    pub(super) async fn insert(
        &self,
        transaction: &mut Transaction,
        id: ApiKeyId,
        new: &NewKey,
        scopes: ScopeSet,
        policy: &AppPolicy,
        seed: &Seed,
        asker: Asker<'_>,
    ) -> Result<Made, KeyError> {
        let now = self.clock.now();
        let family = self.family(&new.family)?;
        let body = self.body(seed)?;
        let (value, hint) = format::compose(family, new.kind, new.environment, body.as_slice());
        let key = ApiKey {
            id,
            app_id: Some(new.app),
            account_id: policy.account_id,
            family: new.family.clone(),
            kind: new.kind,
            environment: new.environment,
            settings: Settings {
                name: new.name.clone(),
                scopes,
                limits: new.limits,
                expires_at: new.expires_at,
                networks: new.networks.clone(),
            },
            mac: self.keyring.mac(Purpose::ApiKey, value.expose().as_bytes())?,
            hint,
            successor_id: None,
            rotated_at: None,
            revoked: None,
            created_at: now,
            changed_at: now,
            last_used_at: None,
            last_used_sealed: None,
        };
        if !store::insert(transaction, &key, &asker.name()).await? {
            return Err(KeyError::Again);
        }
        let most = self.config.keys.per_app;
        if store::count_live(transaction, new.app, now).await? > i64::from(most) {
            return Err(KeyError::TooMany(most));
        }
        if store::count_usable(transaction, new.app, now).await? > 2 * i64::from(most) {
            return Err(KeyError::TooManyOnTheirWayOut(2 * most));
        }
        asker
            .by
            .done(now, Action::KeyCreated, Subject::ApiKey(id))
            .account(key.account_id)
            .detail("name", key.settings.name.as_str())
            .detail("hint", key.hint.as_str())
            .detail("app", new.app.to_string())
            .detail("scopes", key.settings.scopes.to_string())
            .write(transaction)
            .await?;
        self.tell(transaction, key.event(EventType::KeyCreated, now, &json!({})))
            .await?;
        Ok(Made {
            key,
            value: Some(value),
            again: false,
        })
    }

    /// What keys of a family may have whatever their app was granted, and keep when it loses scopes.
    pub(super) fn scopes_of_family(&self, name: &str) -> ScopeSet {
        self.scopes_to_give(name, &Asker::OPERATOR)
    }

    /// What an asker may give a key of a family whatever its app was granted.
    #[must_use]
    pub fn scopes_to_give(&self, family: &str, asker: &Asker<'_>) -> ScopeSet {
        let family = self.config.keys.families.get(family);
        family.map(|family| of_family(family, asker)).unwrap_or_default()
    }

    /// Whether a scope is a legacy one of any family.
    pub(super) fn is_legacy(&self, scope: &str) -> bool {
        let mut families = self.config.keys.families.iter();
        families.any(|(_, family)| family.legacy_scopes.iter().any(|legacy| legacy == scope))
    }

    /// Scopes that keys of a family have of old: they imply every other, and no new key should have them.
    #[must_use]
    pub fn scopes_of_legacy(&self, name: &str) -> ScopeSet {
        let family = self.config.keys.families.get(name);
        let legacy = family
            .map(|family| family.legacy_scopes.as_slice())
            .unwrap_or_default();
        legacy.iter().filter_map(|scope| scope.parse().ok()).collect()
    }

    pub(super) fn family(&self, name: &str) -> Result<&Family, KeyError> {
        self.config.keys.families.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.config.keys.families.iter().map(|(name, _)| name).collect();
            KeyError::unsound(
                "family",
                format!("there is no family {name}; there are {}", known.join(", ")),
            )
        })
    }
}

/// What an asker may give a key of a family whatever its app was granted. A legacy scope implies those too that are for
/// operators to grant, so it is for them to give.
pub(super) fn of_family(family: &Family, asker: &Asker<'_>) -> ScopeSet {
    let legacy: &[String] = if asker.is_operator() {
        &family.legacy_scopes
    } else {
        &[]
    };
    family
        .default_scopes
        .iter()
        .chain(legacy)
        .filter_map(|scope| scope.parse().ok())
        .collect()
}

pub(super) fn fits(environment: Environment, family: &Family, policy: &AppPolicy) -> Result<(), KeyError> {
    if !family.environments.contains(&environment) {
        return Err(KeyError::unsound(
            "environment",
            format!("keys of this family are not made for {environment}"),
        ));
    }
    if !policy.environments.contains(&environment) {
        return Err(KeyError::unsound(
            "environment",
            format!("the app may have no {environment} keys: allow it on the app first"),
        ));
    }
    Ok(())
}

/// What a key has that names no scope: what is usual in its family; and a secret key otherwise all that its app was
/// granted.
fn usual_scopes(kind: KeyKind, family: &Family, policy: &AppPolicy) -> ScopeSet {
    if !family.default_scopes.is_empty() {
        return family
            .default_scopes
            .iter()
            .filter_map(|scope| scope.parse().ok())
            .collect();
    }
    match kind {
        KeyKind::Secret => policy.scopes.clone(),
        KeyKind::Publishable | KeyKind::Restricted => ScopeSet::default(),
    }
}

/// Whether a key of that kind may have these scopes: of `of_family` whatever its app was granted. `held` is what the catalogue says of them.
pub(super) fn check_scopes(
    kind: KeyKind,
    wanted: &ScopeSet,
    of_family: &ScopeSet,
    policy: &AppPolicy,
    held: &scopes::Catalogue,
) -> Result<(), KeyError> {
    let at_fault = |problem: String| Err(KeyError::unsound("scopes", problem));
    if kind == KeyKind::Restricted && wanted.is_empty() {
        return at_fault("a restricted key names its scopes: give it one at least".to_owned());
    }
    let rest = wanted.without(of_family);
    if let Some(scope) = missing(&policy.scopes, &rest) {
        return at_fault(if policy.scopes.is_empty() {
            format!("{scope} is not granted to the app, which has no scopes: grant it to the app first")
        } else {
            format!(
                "{scope} is not granted to the app, which has {}: grant it to the app first",
                policy.scopes
            )
        });
    }
    if kind == KeyKind::Publishable {
        let publishable = |scope: &str| held.find(scope).is_some_and(|entry| entry.publishable);
        if let Some(scope) = wanted.iter().find(|scope| !publishable(scope.as_str())) {
            return at_fault(format!(
                "{scope} is not marked publishable in the catalogue: a publishable key, which anybody can read, cannot \
                 have it"
            ));
        }
    }
    Ok(())
}

/// The longest that a key with an end is made for.
const LONGEST: time::Duration = time::Duration::days(36_525);

pub(super) fn check_end(end: Option<OffsetDateTime>, now: OffsetDateTime) -> Result<(), KeyError> {
    let Some(end) = end else {
        return Ok(());
    };
    if end <= now {
        return Err(KeyError::unsound("expires_at", "the end is in the past"));
    }
    if end - now > LONGEST {
        return Err(KeyError::unsound(
            "expires_at",
            "the end is at most 100 years away: leave it out for a key that does not end",
        ));
    }
    Ok(())
}

/// Networks as they are kept: each once. Every node compares the addresses of requests with all of them.
pub(super) fn checked_networks(mut networks: Vec<IpNet>) -> Result<Vec<IpNet>, KeyError> {
    const MOST: usize = 100;

    networks.sort_unstable();
    networks.dedup();
    if networks.len() > MOST {
        let problem = format!(
            "these are {} networks; there is room for {MOST}: name larger ones",
            networks.len()
        );
        return Err(KeyError::unsound("allowed_ips", problem));
    }
    Ok(networks)
}

/// Whether limits are ones that can be counted, and told in a header (RFC 9651 §3.3.1).
pub(super) fn check_limits(limits: &OwnLimits) -> Result<(), KeyError> {
    const A_SECOND: u32 = 1_000_000_000;
    const OF_A_SPAN: u64 = 999_999_999_999_999;

    if limits.per_second.is_some_and(|limit| limit.get() > A_SECOND) {
        let problem = format!("the limit of a second is {A_SECOND} at the most");
        return Err(KeyError::unsound("per_second", problem));
    }
    for (field, limit) in [
        ("rate_limit_per_hour", limits.per_hour),
        ("monthly_limit", limits.per_month),
    ] {
        if limit.is_some_and(|limit| limit.get() > OF_A_SPAN) {
            let problem = format!("the limit is {OF_A_SPAN} at the most");
            return Err(KeyError::unsound(field, problem));
        }
    }
    Ok(())
}

impl AppPolicy {
    /// Whether an app that has these scopes covers all of `others`.
    #[must_use]
    pub fn covers(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| covers(own.as_str(), scope))
    }
}

impl From<crate::types::InvalidId> for KeyError {
    fn from(cause: crate::types::InvalidId) -> Self {
        Self::Fault(Fault::from(cause))
    }
}
