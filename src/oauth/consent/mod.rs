//! Consent: what a person has allowed a client, remembered until it is withdrawn.

mod store;

pub(super) use store::{find, of_user, remember, remove, remove_all, touch};

use std::time::Duration;

use time::OffsetDateTime;

use super::clients::Client;
use crate::types::{ClientId, ScopeSet};

/// A standing consent.
#[derive(Clone, Debug)]
pub struct Consent {
    pub client_id: ClientId,
    pub scopes: ScopeSet,
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
    /// Nothing: all of it was allowed before.
    Nothing,
    /// These scopes are new; the others were allowed before.
    Scopes(ScopeSet),
    /// All: never asked, or the client looks different now.
    Everything,
}

/// Compares a request with what was allowed.
#[must_use]
pub fn missing(consent: Option<&Consent>, client: &Client, asked: &ScopeSet) -> Missing {
    match consent {
        Some(consent) if client.is_presented_as(&consent.presentation) => {
            let new = asked.without(&consent.scopes);
            if new.is_empty() {
                Missing::Nothing
            } else {
                Missing::Scopes(new)
            }
        }
        _ => Missing::Everything,
    }
}
