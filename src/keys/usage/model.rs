use std::{net::IpAddr, time::Duration};

use time::OffsetDateTime;

use crate::types::{AccountId, ApiKeyId, AppId};

/// How a request with an API key was judged. What no key of ours came with is not counted: there is nobody to count it for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    Valid,
    Expired,
    Revoked,
    WrongEnvironment,
    IpNotAllowed,
    InsufficientScope,
    RateLimited,
}

impl Outcome {
    pub const ALL: [Self; 7] = [
        Self::Valid,
        Self::RateLimited,
        Self::InsufficientScope,
        Self::IpNotAllowed,
        Self::WrongEnvironment,
        Self::Expired,
        Self::Revoked,
    ];

    /// The name in the database and in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::WrongEnvironment => "wrong_environment",
            Self::IpNotAllowed => "ip_not_allowed",
            Self::InsufficientScope => "insufficient_scope",
            Self::RateLimited => "rate_limited",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }

    /// In a person's words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Valid => "Accepted",
            Self::Expired => "Key expired",
            Self::Revoked => "Key revoked",
            Self::WrongEnvironment => "Wrong environment",
            Self::IpNotAllowed => "Address not allowed",
            Self::InsufficientScope => "Scope missing",
            Self::RateLimited => "Over a limit",
        }
    }

    /// Whether somebody lives by this key: it was accepted, or held back by its limits alone.
    #[must_use]
    pub const fn is_use(self) -> bool {
        matches!(self, Self::Valid | Self::RateLimited)
    }
}

/// One judged request.
#[derive(Clone, Copy, Debug)]
pub struct Used<'a> {
    pub key: ApiKeyId,
    pub app: AppId,
    pub account: AccountId,
    pub at: OffsetDateTime,
    /// What was asked for, if anything was.
    pub scope: Option<&'a str>,
    pub outcome: Outcome,
    /// What it takes of the key's limits, if it was accepted.
    pub cost: u32,
    /// Method and path; a query is cut off.
    pub route: &'a str,
    /// Of the answer.
    pub status: u16,
    /// From where the request came, if that is known.
    pub address: Option<IpAddr>,
    pub user_agent: &'a str,
    pub latency: Duration,
    pub request_id: &'a str,
}

/// How many requests, and what they took of the limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub requests: u64,
    /// Of those that were accepted; the others cost nothing.
    pub cost: u64,
}

impl Count {
    pub(super) fn of(used: &Used<'_>) -> Self {
        Self {
            requests: 1,
            cost: match used.outcome {
                Outcome::Valid => u64::from(used.cost),
                _ => 0,
            },
        }
    }
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, more: Self) {
        self.requests = self.requests.saturating_add(more.requests);
        self.cost = self.cost.saturating_add(more.cost);
    }
}
