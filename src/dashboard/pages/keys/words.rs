//! Keys and scopes in words.

use time::OffsetDateTime;

use super::super::views::{KeyRow, ScopeTag, Tag};
use crate::{
    config::{Tier, Tiers},
    keys::{ApiKey, KeyState, Keys, REMIND_AHEAD},
    scopes::Catalogue,
    types::{AppId, Environment, ScopeSet},
    web::chart::grouped,
};

pub(super) fn environment(environment: Environment) -> &'static str {
    match environment {
        Environment::Live => "Live",
        Environment::Test => "Test",
    }
}

pub(super) fn state(state: KeyState) -> Tag {
    match state {
        KeyState::Live => Tag::new("Active", "success"),
        KeyState::Overlapping(_) => Tag::new("Rotated", "warning"),
        KeyState::Expired(_) => Tag::new("Expired", ""),
        KeyState::Revoked(_) => Tag::new("Revoked", "danger"),
    }
}

/// What a scope is, where that is more than its name says.
pub(super) fn marks(scope: &str, legacy: &ScopeSet) -> Vec<Tag> {
    if legacy.contains(scope) {
        vec![Tag::new("Deprecated", "warning")]
    } else if scope.ends_with(":*") {
        vec![Tag::new("Prefix", "info")]
    } else {
        Vec::new()
    }
}

/// What a scope is good for.
pub(super) fn meaning(scope: &str, catalogue: &Catalogue, legacy: &ScopeSet) -> String {
    if legacy.contains(scope) {
        return "Implies every scope. Kept for old keys: do not give it to new ones".to_owned();
    }
    match (catalogue.find(scope), scope.split_once(':')) {
        (Some(entry), Some(("admin", of))) => {
            format!("{}; implies read:{of} and write:{of}", entry.description.as_str())
        }
        (Some(entry), _) => entry.description.to_string(),
        (None, Some(("admin", "*"))) => {
            "Every scope that begins with admin:, read: or write:, also those that are added later".to_owned()
        }
        (None, Some((verb, "*"))) => {
            format!("Every scope that begins with {verb}:, also those that are added later")
        }
        (None, _) => String::new(),
    }
}

pub(super) fn tags(scopes: &ScopeSet, catalogue: &Catalogue, legacy: &ScopeSet) -> Vec<ScopeTag> {
    catalogue
        .in_order(scopes)
        .into_iter()
        .map(|scope| ScopeTag {
            name: scope.to_string(),
            marks: marks(scope.as_str(), legacy),
        })
        .collect()
}

/// Scopes of any family that imply every other.
pub(super) fn all_legacy(keys: &Keys) -> ScopeSet {
    let families = keys.config.keys.families.iter();
    families.fold(ScopeSet::default(), |all, (name, _)| {
        all.union(&keys.scopes_of_legacy(name))
    })
}

/// Whether somebody should know that it ends.
fn ends_soon(key: &ApiKey, now: OffsetDateTime) -> bool {
    let ends = key.settings.expires_at;
    key.state(now) == KeyState::Live && ends.is_some_and(|end| end <= now + REMIND_AHEAD)
}

pub(super) fn row(keys: &Keys, app: AppId, key: &ApiKey, catalogue: &Catalogue) -> KeyRow {
    let now = keys.clock.now();
    let settings = &key.settings;
    KeyRow {
        path: format!("/apps/{app}/keys/{}", key.id),
        name: settings.name.to_string(),
        hint: key.hint.clone(),
        kind: key.kind.label().to_owned(),
        environment: environment(key.environment).to_owned(),
        state: state(key.state(now)),
        scopes: tags(&settings.scopes, catalogue, &keys.scopes_of_legacy(&key.family)),
        ends: settings.expires_at.map(Into::into),
        ends_soon: ends_soon(key, now),
        last_used: key.last_used_at.map(Into::into),
        app: None,
    }
}

/// The limits of a tier: a second, an hour, a month.
fn limits(tier: &Tier) -> [Option<u64>; 3] {
    [tier.per_second.map(u64::from), tier.per_hour, tier.per_month]
}

/// What holds where a key says nothing of its limits.
pub(super) fn usual(tier: &Tier) -> [String; 3] {
    limits(tier).map(|limit| match limit {
        Some(limit) => format!("Left empty: {}, as the tier of the app says.", grouped(limit)),
        None => "Left empty: no limit.".to_owned(),
    })
}

pub(super) fn tier(name: &str, tiers: &Tiers) -> String {
    let limits: Vec<String> = limits(&tiers.get(name))
        .into_iter()
        .zip(["a second", "an hour", "a month"])
        .filter_map(|(limit, span)| Some(format!("{} {span}", grouped(limit?))))
        .collect();
    let known = if tiers.has(name) { "" } else { " (not configured)" };
    if limits.is_empty() {
        format!("{name}{known}: no limit")
    } else {
        format!("{name}{known}: {}", limits.join(", "))
    }
}

/// What an act has against it, as a sentence for people. Names of scopes stay as they are.
pub(super) fn sentence(problem: &str) -> String {
    let first = problem.split(' ').next().unwrap_or_default();
    let mut letters = problem.chars();
    let start = match letters.next() {
        Some(letter) if ["a", "the", "keys", "there", "your", "it", "this"].contains(&first) => {
            letter.to_uppercase().collect()
        }
        Some(letter) => letter.to_string(),
        None => String::new(),
    };
    format!("{start}{}.", letters.as_str())
}
