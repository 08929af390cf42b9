//! The catalogue of scopes: what each means in a person's words, and which clients may ask for it.

mod edit;
mod store;

pub use edit::{ScopeError, add_scope, remove_scope};
pub use store::{catalogue, held};

use std::str::FromStr;

use super::clients::ClientKind;
use crate::types::{Description, Scope, ScopeSet};

/// Which client kinds may ask for a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    Any,
    /// Those that can keep a secret.
    Confidential,
    /// The operator's own.
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

    #[must_use]
    pub fn admits(self, kind: ClientKind, first_party: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Confidential => kind == ClientKind::Confidential,
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

/// Scopes that the protocol itself gives a meaning; they stay.
pub const BUILT_IN: [&str; 5] = [
    "openid",
    "profile",
    "email",
    "offline_access",
    "tokens:introspect",
];
