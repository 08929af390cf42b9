use std::{
    fmt,
    net::IpAddr,
    num::{NonZeroU32, NonZeroU64},
    str::FromStr,
};

use ipnet::IpNet;
use time::OffsetDateTime;

use crate::{
    crypto::Mac,
    types::{AccountId, ApiKeyId, AppId, DisplayName, Environment, ScopeSet},
};

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// `sk`: for servers.
    Secret,
    /// `pk`: safe in a browser, with scopes that are marked publishable alone.
    Publishable,
    /// `rk`: for servers, with the scopes that it names alone.
    Restricted,
}

/// A string that is no kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a kind of key is sk, pk or rk")]
pub struct InvalidKeyKind;

impl KeyKind {
    pub const ALL: [Self; 3] = [Self::Secret, Self::Publishable, Self::Restricted];

    /// As it stands in keys and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secret => "sk",
            Self::Publishable => "pk",
            Self::Restricted => "rk",
        }
    }

    /// For people.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::Publishable => "Publishable",
            Self::Restricted => "Restricted",
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for KeyKind {
    type Err = InvalidKeyKind;

    fn from_str(text: &str) -> Result<Self, InvalidKeyKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or(InvalidKeyKind)
    }
}

/// What a key's own limits say; what is none is what its app's tier says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OwnLimits {
    /// Requests a second.
    pub per_second: Option<NonZeroU32>,
    /// Requests a clock hour.
    pub per_hour: Option<NonZeroU64>,
    /// Requests a calendar month (UTC).
    pub per_month: Option<NonZeroU64>,
}

/// What somebody decides of a key that they make; most of it can be changed afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub name: DisplayName,
    pub scopes: ScopeSet,
    pub limits: OwnLimits,
    pub expires_at: Option<OffsetDateTime>,
    /// From where it may be used; empty is anywhere.
    pub networks: Vec<IpNet>,
}

/// An API key, without its value, which nobody has but whom it was shown to.
#[derive(Clone, Debug)]
pub struct ApiKey {
    pub id: ApiKeyId,
    /// None once the app is gone.
    pub app_id: Option<AppId>,
    pub account_id: AccountId,
    pub family: String,
    pub kind: KeyKind,
    pub environment: Environment,
    pub settings: Settings,
    pub(super) mac: Mac,
    /// What may be shown of it: the prefix and the first four characters of the body.
    pub hint: String,
    /// The key that took its place.
    pub successor_id: Option<ApiKeyId>,
    pub rotated_at: Option<OffsetDateTime>,
    pub revoked: Option<(OffsetDateTime, RevokedBecause)>,
    pub created_at: OffsetDateTime,
    pub changed_at: OffsetDateTime,
    pub last_used_at: Option<OffsetDateTime>,
    pub(super) last_used_sealed: Option<Vec<u8>>,
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    Live,
    /// Its successor is there; it lives on until then, or until it is retired.
    Overlapping(Option<OffsetDateTime>),
    Expired(OffsetDateTime),
    Revoked(OffsetDateTime),
}

impl KeyState {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Overlapping(_) => "overlapping",
            Self::Expired(_) => "expired",
            Self::Revoked(_) => "revoked",
        }
    }
}

impl ApiKey {
    #[must_use]
    pub fn state(&self, now: OffsetDateTime) -> KeyState {
        match (self.revoked, self.settings.expires_at) {
            (Some((at, _)), _) => KeyState::Revoked(at),
            (None, Some(end)) if end <= now => KeyState::Expired(end),
            (None, end) if self.successor_id.is_some() => KeyState::Overlapping(end),
            (None, _) => KeyState::Live,
        }
    }

    /// Whether requests with it can be good.
    #[must_use]
    pub fn is_usable(&self, now: OffsetDateTime) -> bool {
        matches!(self.state(now), KeyState::Live | KeyState::Overlapping(_))
    }

    /// When a change of now counts as made: two changes in one moment must not look like one to whoever compares versions.
    pub(super) fn next_version(&self, now: OffsetDateTime) -> OffsetDateTime {
        now.max(self.changed_at + time::Duration::MICROSECOND)
    }

    /// The version that a change is made from (RFC 9110 §8.8.3).
    #[must_use]
    pub fn version(&self) -> String {
        format!("{:x}", self.changed_at.unix_timestamp_nanos() / 1_000)
    }
}

macro_rules! reasons {
    ($($name:ident = $text:literal, $words:literal;)+) => {
        /// Why a key was revoked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum RevokedBecause { $($name,)+ }

        impl RevokedBecause {
            /// The name in the database and in events.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// For people.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $words,)+ }
            }

            pub(super) fn named(name: &str) -> Option<Self> {
                [$(Self::$name,)+].into_iter().find(|reason| reason.name() == name)
            }
        }
    };
}

reasons! {
    Owner = "revoked", "Revoked by hand";
    Retired = "retired", "Retired after it was rotated";
    Leaked = "leaked", "Found where it should not be";
    InQuery = "sent_in_query", "Sent in the query of a URL";
    AppDeleted = "app_deleted", "Its app was deleted";
}

/// What all keys of an app may do at the most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppPolicy {
    pub app_id: AppId,
    pub account_id: AccountId,
    pub environments: Vec<Environment>,
    pub scopes: ScopeSet,
    /// The name of the tier whose limits hold where a key has none of its own.
    pub tier: String,
    pub networks: Vec<IpNet>,
}

/// A network, or an address alone, as people write it.
///
/// # Errors
///
/// [`InvalidNetwork`].
pub fn network(text: &str) -> Result<IpNet, InvalidNetwork> {
    text.parse::<IpNet>()
        .map(|network| network.trunc())
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_cause| InvalidNetwork(text.to_owned()))
}

/// A string that is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no network such as 203.0.113.0/24, and no address")]
pub struct InvalidNetwork(String);

/// Whether an address is in one of the networks; in none is anywhere.
pub(super) fn is_within(networks: &[IpNet], address: Option<IpAddr>) -> bool {
    networks.is_empty()
        || address.is_some_and(|address| {
            let address = address.to_canonical();
            networks.iter().any(|network| network.contains(&address))
        })
}
