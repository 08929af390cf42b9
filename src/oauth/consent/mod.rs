//! Consent: what a person has allowed a client, remembered until it is withdrawn.

mod remember;
mod store;

pub(super) use remember::remember;
pub(super) use store::{drop_scope, find, of_user, remove, remove_all, touch};

use std::time::Duration;

use time::OffsetDateTime;

use super::clients::Client;
use crate::types::{ClientId, ScopeSet};

/// A standing consent.
#[derive(Clone, Debug)]
pub struct Consent {
    pub client_id: ClientId,
    pub scopes: ScopeSet,
    /// Optional scopes that the person left out when they were asked.
    pub declined: ScopeSet,
    /// Digest of what the person was shown of the client.
    pub presentation: Vec<u8>,
    pub granted_at: OffsetDateTime,
    pub last_used_at: OffsetDateTime,
}

/// How exactly people are told when an app was last used; a row is not written for less.
const LAST_USE_RESOLUTION: Duration = Duration::from_hours(1);

impl Consent {
    /// Whether its last use is to be written down again.
    #[must_use]
    pub fn is_to_be_touched(&self, now: OffsetDateTime) -> bool {
        now - self.last_used_at > LAST_USE_RESOLUTION
    }
}

/// What is still to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nothing: all of it was allowed before, but for what was left out then.
    Nothing,
    /// These scopes are not allowed yet; the others are.
    Scopes(ScopeSet),
    /// All: never asked, or the client looks different now.
    Everything,
}

/// Compares a request with what was allowed. What a person left out is not asked again, as long as the request asks for
/// anything beside it that is allowed; it is simply not given. Where there is something to be asked, it is asked along.
#[must_use]
pub fn missing(consent: Option<&Consent>, client: &Client, asked: &ScopeSet) -> Missing {
    match consent {
        Some(consent) if client.is_presented_as(&consent.presentation) => {
            let wanted = asked.without(&declined(Some(consent), client));
            if !wanted.is_empty() && wanted.is_subset(&consent.scopes) {
                Missing::Nothing
            } else {
                Missing::Scopes(asked.without(&consent.scopes))
            }
        }
        _ => Missing::Everything,
    }
}

/// What the person has left out and the client can still do without. To another face of the client nothing was denied.
#[must_use]
pub fn declined(consent: Option<&Consent>, client: &Client) -> ScopeSet {
    let left_out = consent
        .filter(|consent| client.is_presented_as(&consent.presentation))
        .map(|consent| consent.declined.without(&consent.scopes))
        .unwrap_or_default();
    left_out
        .iter()
        .filter(|scope| client.registration.optional_scopes.contains(scope.as_str()))
        .cloned()
        .collect()
}
