//! Is this key good, now, for that? In this order: checksum, look-up, revoked, expired, environment, address, scope, limits.
//!
//! A key that was seen before is judged from memory, while this node's lease on the revocation log lasts. What is not
//! known is looked up, revoked or not, so that neither words nor time tell the two apart. A wrong checksum needs no look-up:
//! anybody can compute it, so the time that it saves tells nobody which keys there are.

use std::{
    net::IpAddr,
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
    time::Duration,
};

use diesel_async::AsyncPgConnection;
use ipnet::IpNet;
use time::OffsetDateTime;

use super::{
    ApiKey, KeyKind, Keys, OwnLimits,
    coverage::missing,
    limits::{Limits, Span, Standing, Verdict},
    model::is_within,
    store,
    usage::{Outcome, Used},
};
use crate::{
    crypto::{Mac, Purpose},
    types::{AccountId, ApiKeyId, AppId, Environment, Fault, Scope, ScopeSet},
};

/// A key that is neither revoked nor without its app, with all that judging it takes.
#[derive(Debug)]
pub struct LiveKey {
    pub id: ApiKeyId,
    pub app_id: AppId,
    pub account_id: AccountId,
    pub kind: KeyKind,
    pub environment: Environment,
    pub scopes: ScopeSet,
    pub expires_at: Option<OffsetDateTime>,
    /// Whether one of its scopes implies every other.
    implies_all: bool,
    /// Its own networks, and those of its app: it must come from one of each.
    networks: [Vec<IpNet>; 2],
    limits: Limits,
}

/// What a key is wanted for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// All of these.
    pub scope: Option<&'a ScopeSet>,
    pub environment: Option<Environment>,
    /// Where the request comes from.
    pub address: Option<IpAddr>,
    /// How many requests it counts as.
    pub cost: u32,
}

/// Why a key is not good for that.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// Unknown, revoked, malformed: nobody is told which.
    NotFound,
    Expired,
    WrongEnvironment {
        is: Environment,
        wanted: Environment,
    },
    AddressNotAllowed,
    InsufficientScope {
        required: Scope,
    },
    RateLimited {
        over: Span,
        retry_after: Duration,
        standing: Box<Standing>,
    },
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The key, where there is one that is not revoked.
    pub key: Option<Arc<LiveKey>>,
    pub result: Result<Standing, Refusal>,
    at: OffsetDateTime,
    /// A revoked key is not found, but its owner sees in the usage that somebody still has it.
    revoked: Option<(ApiKeyId, AppId, AccountId)>,
}

impl Judgement {
    fn refused(at: OffsetDateTime, key: Option<Arc<LiveKey>>, refusal: Refusal) -> Self {
        Self {
            at,
            key,
            result: Err(refusal),
            revoked: None,
        }
    }

    fn outcome(&self) -> Outcome {
        match &self.result {
            Ok(_) => Outcome::Valid,
            Err(Refusal::NotFound) => Outcome::Revoked,
            Err(Refusal::Expired) => Outcome::Expired,
            Err(Refusal::WrongEnvironment { .. }) => Outcome::WrongEnvironment,
            Err(Refusal::AddressNotAllowed) => Outcome::IpNotAllowed,
            Err(Refusal::InsufficientScope { .. }) => Outcome::InsufficientScope,
            Err(Refusal::RateLimited { .. }) => Outcome::RateLimited,
        }
    }
}

/// The request in which a key came, for the counts and the log of its owner.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub route: &'a str,
    pub status: u16,
    pub user_agent: &'a str,
    pub latency: Duration,
    pub request_id: &'a str,
}

impl Keys {
    /// Judges a key, and takes what it costs of its limits if all else is well. The caller tells [`Keys::count`] of what
    /// came of it.
    ///
    /// # Errors
    ///
    /// If it cannot be known now: then the answer is neither yes nor no.
    pub async fn judge(&self, presented: &str, wanted: Wanted<'_>) -> Result<Judgement, Fault> {
        let judgement = self.judgement(presented, wanted).await?;
        self.tally.note(&judgement);
        Ok(judgement)
    }

    async fn judgement(&self, presented: &str, wanted: Wanted<'_>) -> Result<Judgement, Fault> {
        let now = self.clock.now();
        if self.formats.read(presented).is_none() {
            return Ok(Judgement::refused(now, None, Refusal::NotFound));
        }
        let key = match self.look_up(presented).await? {
            Found::Live(key) => key,
            Found::Revoked(revoked) => {
                return Ok(Judgement {
                    revoked,
                    ..Judgement::refused(now, None, Refusal::NotFound)
                });
            }
            Found::None => return Ok(Judgement::refused(now, None, Refusal::NotFound)),
        };
        if let Err(refusal) = key.suits(wanted, now) {
            return Ok(Judgement::refused(now, Some(key), refusal));
        }
        let limiter = self
            .limiter
            .as_ref()
            .ok_or_else(|| Fault::internal("keys are judged by servers alone"))?;
        let verdict = limiter
            .take(key.id, key.account_id, &key.limits, wanted.cost)
            .await?;
        let result = match verdict {
            Verdict::Allowed(standing) => Ok(standing),
            Verdict::Refused {
                over,
                retry_after,
                standing,
            } => {
                if let Some(stand) = standing.of(over) {
                    self.reached.note(key.id, stand, now);
                }
                Err(Refusal::RateLimited {
                    over,
                    retry_after,
                    standing: Box::new(standing),
                })
            }
        };
        Ok(Judgement {
            at: now,
            key: Some(key),
            result,
            revoked: None,
        })
    }

    /// Counts a judged request for its owner; in memory, so nothing waits for it.
    pub fn count(&self, judgement: &Judgement, wanted: Wanted<'_>, seen: Seen<'_>) {
        let owner = match &judgement.key {
            Some(key) => Some((key.id, key.app_id, key.account_id)),
            None => judgement.revoked,
        };
        let Some((key, app, account)) = owner else {
            return;
        };
        let scope = wanted.scope.and_then(|scopes| scopes.iter().next());
        self.usage.record(Used {
            key,
            app,
            account,
            at: judgement.at,
            scope: scope.map(Scope::as_str),
            outcome: judgement.outcome(),
            cost: wanted.cost,
            route: seen.route,
            status: seen.status,
            address: wanted.address,
            user_agent: seen.user_agent,
            latency: seen.latency,
            request_id: seen.request_id,
        });
    }

    /// The key that has this value, whether or not it is good for anything; of that nothing is counted.
    ///
    /// # Errors
    ///
    /// If the database is needed and out of reach.
    pub async fn find(&self, presented: &str) -> Result<Option<Arc<LiveKey>>, Fault> {
        if self.formats.read(presented).is_none() {
            return Ok(None);
        }
        match self.look_up(presented).await? {
            Found::Live(key) => Ok(Some(key)),
            Found::Revoked(_) | Found::None => Ok(None),
        }
    }

    /// Which key has this value, also if nobody takes it: it may be good again.
    pub(super) async fn id_of(&self, presented: &str) -> Result<Option<ApiKeyId>, Fault> {
        if self.formats.read(presented).is_none() {
            return Ok(None);
        }
        Ok(match self.look_up(presented).await? {
            Found::Live(key) => Some(key.id),
            Found::Revoked(known) => known.map(|(id, ..)| id),
            Found::None => None,
        })
    }

    async fn look_up(&self, presented: &str) -> Result<Found, Fault> {
        // A node that lacks the current pepper's master key still knows keys by older ones.
        let current = self.keyring.mac(Purpose::ApiKey, presented.as_bytes());
        if let Ok(current) = &current
            && let Some(key) = self.cache.get(&current.tag)
        {
            return Ok(Found::Live(key));
        }
        // In a place of its own, as all that is done seldom: what a request needs not it carries no room for.
        Box::pin(self.read(presented, current)).await
    }

    /// From the database.
    async fn read(&self, presented: &str, current: Result<Mac, Fault>) -> Result<Found, Fault> {
        let macs = self.keyring.macs(Purpose::ApiKey, presented.as_bytes());
        let epoch = self.cache.epoch();
        let mut connection = self.db.connection().await?;
        let Some(found) = store::live_by_macs(&mut connection, &macs).await? else {
            // Under a pepper that this node cannot make it may be there all the same.
            current?;
            return Ok(Found::None);
        };
        let store::Found { key, app } = found;
        let owner = key.app_id.map(|app| (key.id, app, key.account_id));
        if key.revoked.is_some() {
            return Ok(Found::Revoked(owner));
        }
        let (Some(app_id), Some(app)) = (key.app_id, app) else {
            return Ok(Found::Revoked(owner));
        };
        // Nobody takes keys of an environment that the app may not have any more.
        if !app.environments.contains(&key.environment) {
            return Ok(Found::Revoked(owner));
        }
        if let Ok(current) = current {
            self.rehash(&mut connection, &key, current).await?;
            drop(connection);
            let live = Arc::new(self.live(&key, app_id, app));
            self.cache.keep(current.tag, &live, epoch);
            return Ok(Found::Live(live));
        }
        Ok(Found::Live(Arc::new(self.live(&key, app_id, app))))
    }

    /// A key that is used moves to the current pepper, so that an older one can be retired.
    async fn rehash(
        &self,
        connection: &mut AsyncPgConnection,
        key: &ApiKey,
        current: Mac,
    ) -> Result<(), Fault> {
        if key.mac.key_id == current.key_id {
            return Ok(());
        }
        store::rehash(connection, key.id, &key.mac, current).await
    }

    fn live(&self, key: &ApiKey, app_id: AppId, app: store::FoundApp) -> LiveKey {
        let limits = self.limits_of(key.settings.limits, &app.tier, app.account_monthly_limit);
        let family = self.config.keys.families.get(&key.family);
        let implies_all = family.is_some_and(|family| {
            let mut legacy = family.legacy_scopes.iter();
            legacy.any(|scope| key.settings.scopes.contains(scope))
        });
        LiveKey {
            id: key.id,
            app_id,
            account_id: key.account_id,
            kind: key.kind,
            environment: key.environment,
            scopes: key.settings.scopes.clone(),
            expires_at: key.settings.expires_at,
            implies_all,
            networks: [key.settings.networks.clone(), app.networks],
            limits,
        }
    }

    /// What holds for a key: what it says itself, or else its app's tier; and its account's ceiling.
    pub(super) fn limits_of(&self, own: OwnLimits, tier: &str, account: Option<NonZeroU64>) -> Limits {
        let keys = &self.config.keys;
        let tier = keys.tiers.get(tier);
        Limits {
            per_second: own
                .per_second
                .or_else(|| tier.per_second.and_then(NonZeroU32::new)),
            per_hour: own.per_hour.or_else(|| tier.per_hour.and_then(NonZeroU64::new)),
            per_month: own.per_month.or_else(|| tier.per_month.and_then(NonZeroU64::new)),
            account_per_month: account.or_else(|| keys.account_monthly_limit.and_then(NonZeroU64::new)),
        }
    }
}

enum Found {
    Live(Arc<LiveKey>),
    Revoked(Option<(ApiKeyId, AppId, AccountId)>),
    None,
}

impl LiveKey {
    /// What can be said without its limits.
    fn suits(&self, wanted: Wanted<'_>, now: OffsetDateTime) -> Result<(), Refusal> {
        if self.expires_at.is_some_and(|end| end <= now) {
            return Err(Refusal::Expired);
        }
        if let Some(environment) = wanted.environment
            && environment != self.environment
        {
            return Err(Refusal::WrongEnvironment {
                is: self.environment,
                wanted: environment,
            });
        }
        if !self
            .networks
            .iter()
            .all(|networks| is_within(networks, wanted.address))
        {
            return Err(Refusal::AddressNotAllowed);
        }
        match wanted.scope.and_then(|scope| self.lacks(scope)) {
            Some(required) => Err(Refusal::InsufficientScope {
                required: required.clone(),
            }),
            None => Ok(()),
        }
    }

    /// The first of these scopes that the key does not cover.
    #[must_use]
    pub fn lacks<'r>(&self, required: &'r ScopeSet) -> Option<&'r Scope> {
        if self.implies_all {
            None
        } else {
            missing(&self.scopes, required)
        }
    }
}
