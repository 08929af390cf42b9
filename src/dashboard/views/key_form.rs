//! The settings of a key and what all keys of an app may do, as forms.

use askama::Template;

use super::{AppRef, Tag};
use crate::web::page::{Choice, Field, Frame};

/// A scope that a key or an app may be given.
#[derive(Clone, Debug)]
pub struct KeyScopeChoice {
    pub name: String,
    /// What it is good for.
    pub description: String,
    pub marks: Vec<Tag>,
    pub chosen: bool,
}

impl KeyScopeChoice {
    fn sample(name: &str, description: &str, marks: Vec<Tag>, chosen: bool) -> Self {
        Self {
            name: name.to_owned(),
            description: description.to_owned(),
            marks,
            chosen,
        }
    }

    fn samples() -> Vec<Self> {
        vec![
            Self::sample(
                "read:orders",
                "Read your orders",
                vec![Tag::new("Publishable", "info")],
                true,
            ),
            Self::sample(
                "write:orders",
                "Place, change and cancel your orders",
                Vec::new(),
                true,
            ),
            Self::sample(
                "read:*",
                "Every scope that begins with read:, also those that are added later",
                vec![Tag::new("Prefix", "info")],
                false,
            ),
            Self::sample(
                "global",
                "Implies every scope. Kept for old keys; hypervize keys only",
                vec![Tag::new("Deprecated", "warning")],
                false,
            ),
        ]
    }
}

/// The settings of a key: fields `name`, `scope` (repeated), `per_second`, `per_hour`, `per_month`, `expires_at`
/// (`2026-12-01T09:30`, UTC), `networks` (one a line). All but the name may be empty.
#[derive(Clone, Debug)]
pub struct KeyForm {
    pub name: Field,
    pub scopes: Vec<KeyScopeChoice>,
    pub scopes_error: Option<String>,
    pub per_second: Field,
    pub per_hour: Field,
    pub per_month: Field,
    /// What holds where one of these is left empty.
    pub usual: [String; 3],
    pub expires_at: Field,
    pub networks: Field,
}

impl KeyForm {
    pub(super) fn usual(&self, limit: usize) -> &str {
        self.usual.get(limit).map_or("", String::as_str)
    }

    /// Whether something of what most keys do not need is filled in, or wrong.
    fn has_more(&self) -> bool {
        [
            &self.per_second,
            &self.per_hour,
            &self.per_month,
            &self.expires_at,
            &self.networks,
        ]
        .into_iter()
        .any(|field| !field.value.is_empty() || field.error.is_some())
    }

    #[must_use]
    pub fn sample() -> Self {
        Self {
            name: Field::of("Warehouse sync"),
            scopes: KeyScopeChoice::samples(),
            scopes_error: None,
            per_second: Field::default(),
            per_hour: Field::of("10000"),
            per_month: Field::default(),
            usual: [
                "Left empty: 50, as the tier says.".to_owned(),
                "Left empty: no limit.".to_owned(),
                "Left empty: no limit.".to_owned(),
            ],
            expires_at: Field::of("2026-12-01T09:30"),
            networks: Field::of("203.0.113.0/24\n2001:db8::/32"),
        }
    }

    #[must_use]
    pub fn sample_refused() -> Self {
        Self {
            name: Field::default().with_error("Fill this in."),
            scopes_error: Some("write:orders is not marked publishable in the catalogue.".to_owned()),
            per_second: Field::of("0").with_error("A whole number, 1 or more."),
            expires_at: Field::of("2020-12-01T09:30").with_error("The end is in the past."),
            networks: Field::of("203.0.113.0/33")
                .with_error("Line 1: '203.0.113.0/33' is no network such as 203.0.113.0/24, and no address."),
            ..Self::sample()
        }
    }
}

/// `/apps/{app}/keys/new`: `kind`, `environment`, `family`, and the settings.
#[derive(Template)]
#[template(path = "dashboard/new_key.html")]
pub struct NewKey {
    pub frame: Frame,
    pub app: AppRef,
    /// Goes with the form, so that it makes one key however often it is sent.
    pub form_id: String,
    pub kinds: Vec<Choice>,
    pub kind_error: Option<String>,
    pub environments: Vec<Choice>,
    pub environment_error: Option<String>,
    /// Where there are several.
    pub families: Vec<Choice>,
    pub family_error: Option<String>,
    pub form: KeyForm,
}

impl NewKey {
    /// Whether more is shown than most keys need.
    fn is_open(&self) -> bool {
        self.form.has_more()
            || self.family_error.is_some()
            || self.families.iter().skip(1).any(|one| one.chosen)
    }

    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample(),
            app: AppRef::sample(),
            form_id: "sample-form-id".to_owned(),
            kinds: vec![
                Choice::new("sk", "Secret", true).with_hint("For servers."),
                Choice::new("pk", "Publishable", false).with_hint("Safe in a browser."),
                Choice::new("rk", "Restricted", false)
                    .with_hint("For servers, with the scopes that it names alone."),
            ],
            kind_error: None,
            environments: vec![
                Choice::new("live", "Live", true).with_hint("For the real thing."),
                Choice::new("test", "Test", false).with_hint("For trying things out."),
            ],
            environment_error: None,
            families: vec![
                Choice::new("default", "default: sk_…, pk_…, rk_…", true),
                Choice::new("hypervize", "hypervize: hvz_…", false),
            ],
            family_error: None,
            form: KeyForm {
                name: Field::default(),
                per_hour: Field::default(),
                expires_at: Field::default(),
                networks: Field::default(),
                ..KeyForm::sample()
            },
        }
    }

    /// For an app that was granted nothing.
    #[must_use]
    pub fn sample_empty() -> Self {
        let mut page = Self::sample();
        page.form.scopes.clear();
        page
    }

    #[must_use]
    pub fn sample_refused() -> Self {
        Self {
            kind_error: Some("Choose what it is for.".to_owned()),
            environment_error: Some("Keys of this family are not made for test.".to_owned()),
            family_error: Some("Choose one of these.".to_owned()),
            form: KeyForm::sample_refused(),
            ..Self::sample()
        }
    }
}

/// `/apps/{app}/policy`: `environment` and `scope` (each repeated), `prefixes` and `networks` (one a line), for operators
/// `tier`.
#[derive(Template)]
#[template(path = "dashboard/policy.html")]
pub struct PolicyPage {
    pub frame: Frame,
    pub app: AppRef,
    /// Of what the page shows; goes with the form that changes it.
    pub version: String,
    pub environments: Vec<Choice>,
    pub environments_error: Option<String>,
    pub scopes: Vec<KeyScopeChoice>,
    pub scopes_error: Option<String>,
    pub prefixes: Field,
    /// Scopes that only an operator grants, and did not.
    pub reserved: Vec<String>,
    pub networks: Field,
    /// For whoever may not choose one.
    pub tier: String,
    /// For operators.
    pub tiers: Vec<Choice>,
    pub tier_error: Option<String>,
}

impl PolicyPage {
    #[must_use]
    pub fn sample() -> Self {
        let mut scopes = KeyScopeChoice::samples();
        scopes.truncate(2);
        Self {
            frame: Frame::sample(),
            app: AppRef::sample(),
            version: "sample-version".to_owned(),
            environments: vec![
                Choice::new("live", "Live", true).with_hint("For the real thing."),
                Choice::new("test", "Test", true).with_hint("For trying things out."),
            ],
            environments_error: None,
            scopes,
            scopes_error: None,
            prefixes: Field::of("read:*"),
            reserved: vec!["keys:verify".to_owned(), "leaks:report".to_owned()],
            networks: Field::default(),
            tier: "standard: 50 a second, no limit an hour, no limit a month".to_owned(),
            tiers: Vec::new(),
            tier_error: None,
        }
    }

    #[must_use]
    pub fn sample_operator() -> Self {
        Self {
            frame: Frame::sample_operator(),
            reserved: Vec::new(),
            tiers: vec![
                Choice::new("standard", "standard: no limit", true),
                Choice::new(
                    "gold",
                    "gold: 500 a second, no limit an hour, no limit a month",
                    false,
                ),
            ],
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_refused() -> Self {
        Self {
            environments_error: Some("Choose live, test, or both.".to_owned()),
            scopes_error: Some("read:stars is not in the catalogue.".to_owned()),
            prefixes: Field::of("read").with_error("Line 1: a prefix ends with :*, such as read:*."),
            networks: Field::of("here")
                .with_error("Line 1: 'here' is no network such as 203.0.113.0/24, and no address."),
            ..Self::sample()
        }
    }
}
