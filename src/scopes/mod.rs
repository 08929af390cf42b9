//! The catalogue of scopes: what each means in a person's words, which clients may ask for it, and which API keys may have
//! it. Whoever changes it takes away what no longer fits, so the acts that change it are above (`oauth::scopes`).

mod store;

pub use store::{catalogue, delete, held, upsert};

use std::str::FromStr;

use crate::types::{Description, Scope, ScopeSet};

/// Who may have a scope: which client kinds may ask for it, and whose API keys may carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    Any,
    /// Clients that can keep a secret; API keys of every app.
    Confidential,
    /// The operator's own clients, and API keys of apps to which an operator granted it.
    FirstParty,
}

impl Audience {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Confidential => "confidential",
            Self::FirstParty => "first_party",
        }
    }

    /// Whether it admits an OAuth client.
    #[must_use]
    pub const fn admits(self, confidential: bool, first_party: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Confidential => confidential,
            Self::FirstParty => first_party,
        }
    }
}

impl FromStr for Audience {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Any, Self::Confidential, Self::FirstParty]
            .into_iter()
            .find(|audience| audience.name() == text)
            .ok_or("an audience is any, confidential or first_party")
    }
}

/// One scope of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub scope: Scope,
    /// What it lets a client do, as a person reads it on the consent page.
    pub description: Description,
    /// Shown with a mark on the consent page.
    pub sensitive: bool,
    /// Whether a publishable API key may have it.
    pub publishable: bool,
    pub audience: Audience,
}

/// All scopes there are.
#[derive(Clone, Debug, Default)]
pub struct Catalogue(pub Vec<Entry>);

impl Catalogue {
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.scope.as_str() == name)
    }

    /// Scopes in the catalogue's order, which is how people read them best; those it has no word for come last.
    #[must_use]
    pub fn in_order<'s>(&self, scopes: &'s ScopeSet) -> Vec<&'s Scope> {
        let mut ordered: Vec<&Scope> = scopes.iter().collect();
        ordered.sort_by_key(|scope| {
            self.0
                .iter()
                .position(|entry| entry.scope == **scope)
                .unwrap_or(usize::MAX)
        });
        ordered
    }
}

/// Scopes to which the server itself gives a meaning; they stay.
pub const BUILT_IN: [&str; 10] = [
    "openid",
    "profile",
    "email",
    "offline_access",
    "tokens:introspect",
    "keys:verify",
    "keys:manage",
    "usage:read",
    "webhooks:manage",
    "leaks:report",
];
