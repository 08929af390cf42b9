//! Forms of API keys, and tiers of their limits: what a deployment may define for itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use toml::Value;

use super::{Span, key::Leaf, sections::Keys};
use crate::types::{Environment, Scope};

/// One form of API keys: `<prefix>_<environment>_<body><checksum>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// What its keys begin with; unset: their kind (`sk`, `pk`, `rk`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Characters of the random body, base62: 22 (128 bits) to 86.
    #[serde(default = "usual_body")]
    pub body: u8,
    #[serde(default = "both_environments")]
    pub environments: Vec<Environment>,
    /// What a key gets that names no scope; keys of this family may have them whatever their app was granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default_scopes: Vec<String>,
    /// Scopes that imply every other, marked as deprecated wherever they show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub legacy_scopes: Vec<String>,
}

const fn usual_body() -> u8 {
    43
}

fn both_environments() -> Vec<Environment> {
    Environment::ALL.to_vec()
}

/// All forms, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Families(BTreeMap<String, Family>);

/// The family of keys that name none.
pub const DEFAULT_FAMILY: &str = "default";

impl Default for Families {
    /// Those that are shipped.
    fn default() -> Self {
        let plain = |prefix: Option<&str>| Family {
            prefix: prefix.map(str::to_owned),
            body: usual_body(),
            environments: both_environments(),
            default_scopes: Vec::new(),
            legacy_scopes: Vec::new(),
        };
        let hypervize = Family {
            body: 27,
            environments: vec![Environment::Live],
            default_scopes: vec!["inference".to_owned()],
            legacy_scopes: vec!["global".to_owned()],
            ..plain(Some("hvz"))
        };
        Self(BTreeMap::from([
            (DEFAULT_FAMILY.to_owned(), plain(None)),
            ("hypersave".to_owned(), plain(Some("hs"))),
            ("hypervize".to_owned(), hypervize),
        ]))
    }
}

impl Families {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Family> {
        self.0.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Family)> {
        self.0.iter().map(|(name, family)| (name.as_str(), family))
    }

    fn check(&self) -> Result<(), String> {
        let mut prefixes = BTreeMap::new();
        for (name, family) in &self.0 {
            let at_fault = |what: &str| Err(format!("keys.families.{name}: {what}"));
            if !(22..=86).contains(&family.body) {
                return at_fault("body: 22 to 86 characters; fewer than 22 hold less than 128 bits");
            }
            if family.environments.is_empty() {
                return at_fault("environments: live, test, or both");
            }
            for scope in family.default_scopes.iter().chain(&family.legacy_scopes) {
                if scope.parse::<Scope>().is_err() {
                    return at_fault(&format!("'{scope}' is no scope"));
                }
            }
            let own: Vec<&str> = match &family.prefix {
                Some(prefix) => vec![prefix],
                None => vec!["sk", "pk", "rk"],
            };
            for prefix in own {
                let sound = (1..=16).contains(&prefix.len())
                    && prefix
                        .bytes()
                        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
                if !sound {
                    return at_fault("prefix: 1 to 16 lower-case letters and digits");
                }
                if let Some(other) = prefixes.insert(prefix.to_owned(), name) {
                    return at_fault(&format!("the prefix {prefix} is that of {other} already"));
                }
            }
        }
        Ok(())
    }
}

/// Limits of the keys of an app; what is unset has no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tier {
    /// Requests a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
    /// Requests a clock hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_hour: Option<u64>,
    /// Requests a calendar month (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_month: Option<u64>,
}

/// All tiers, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Tiers(BTreeMap<String, Tier>);

/// The tier of apps of which nobody said anything.
const STANDARD: &str = "standard";

impl Default for Tiers {
    fn default() -> Self {
        Self(BTreeMap::from([(STANDARD.to_owned(), Tier::default())]))
    }
}

impl Tiers {
    /// The tier of that name; what it says of nothing is not limited. One that the configuration no longer names is
    /// `standard`.
    #[must_use]
    pub fn get(&self, name: &str) -> Tier {
        let tier = self.0.get(name).or_else(|| self.0.get(STANDARD));
        tier.copied().unwrap_or_default()
    }

    /// Whether the configuration names it.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

macro_rules! named {
    ($($type:ident of $item:ident;)+) => {$(
        impl<'de> Deserialize<'de> for $type {
            /// What is given stands beside what is shipped.
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let mut all = Self::default();
                all.0.extend(BTreeMap::<String, $item>::deserialize(deserializer)?);
                Ok(all)
            }
        }

        impl Leaf for $type {
            /// An inline table of TOML: `{ name = { … } }`.
            fn from_text(text: &str) -> Result<Value, String> {
                let table: toml::Table = toml::from_str(&format!("value = {text}"))
                    .map_err(|cause| format!("an inline table of TOML is needed: {}", cause.message()))?;
                table.get("value").cloned().ok_or_else(|| "nothing is given".to_owned())
            }
        }
    )+};
}

named! {
    Families of Family;
    Tiers of Tier;
}

impl Keys {
    /// What cannot be read off a single key of the configuration.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.per_app < 2 {
            return Err("keys.per_app: at least 2, so that a key can be rotated".into());
        }
        if self.rotation_overlap > Span::hours(72) {
            return Err("keys.rotation_overlap: at most 72h".into());
        }
        if self.families.get(&self.default_key_family).is_none() {
            return Err(format!(
                "keys.default_key_family: there is no family '{}'",
                self.default_key_family
            ));
        }
        if let Some(scope) = &self.default_key_scope
            && scope.parse::<Scope>().is_err()
        {
            return Err(format!("keys.default_key_scope: '{scope}' is no scope"));
        }
        for (name, tier) in &self.tiers.0 {
            let none = [tier.per_second.map(u64::from), tier.per_hour, tier.per_month].contains(&Some(0));
            if none {
                return Err(format!("keys.tiers.{name}: limits are at least 1"));
            }
        }
        self.families.check()
    }
}
