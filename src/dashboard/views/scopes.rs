//! The catalogue of scopes, which operators keep.

use askama::Template;

use crate::web::page::{Choice, Field, Frame};

/// Which client kinds may ask for a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    Any,
    Confidential,
    FirstParty,
}

impl Audience {
    /// As forms and the database write it.
    #[must_use]
    pub fn value(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Confidential => "confidential",
            Self::FirstParty => "first_party",
        }
    }

    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Any => "Every client",
            Self::Confidential => "Confidential clients",
            Self::FirstParty => "First-party clients",
        }
    }
}

/// One scope of the catalogue.
#[derive(Clone, Debug)]
pub struct ScopeRow {
    pub name: String,
    pub description: String,
    pub sensitive: bool,
    pub publishable: bool,
    pub audience: Audience,
    /// Whether it may be removed: those that the server itself relies on may not.
    pub removable: bool,
}

/// `/operator/scopes`
#[derive(Template)]
#[template(path = "dashboard/scopes.html")]
pub struct Scopes {
    pub frame: Frame,
    pub scopes: Vec<ScopeRow>,
}

impl Scopes {
    #[must_use]
    pub fn sample() -> Self {
        let scope = |name: &str, description: &str, sensitive, audience, removable| ScopeRow {
            name: name.to_owned(),
            description: description.to_owned(),
            sensitive,
            publishable: false,
            audience,
            removable,
        };
        Self {
            frame: Frame::sample_operator(),
            scopes: vec![
                scope(
                    "openid",
                    "Know who you are when you sign in",
                    false,
                    Audience::Any,
                    false,
                ),
                scope(
                    "tokens:introspect",
                    "Ask whether tokens are valid",
                    true,
                    Audience::Confidential,
                    false,
                ),
                scope(
                    "write:orders",
                    "Place, change and cancel your orders",
                    true,
                    Audience::Any,
                    true,
                ),
            ],
        }
    }
}

/// `/operator/scopes/new` and `/operator/scopes/edit?name=…`: fields `name`, `description`, `sensitive`,
/// `publishable` (each `true` or absent), `audience`.
#[derive(Template)]
#[template(path = "dashboard/scope_form.html")]
pub struct ScopeForm {
    pub frame: Frame,
    /// Whether it exists already: then the name is fixed.
    pub editing: bool,
    pub name: Field,
    pub description: Field,
    pub sensitive: bool,
    pub publishable: bool,
    pub audience: Audience,
}

impl ScopeForm {
    fn audiences(&self) -> Vec<Choice> {
        let choice = |audience: Audience, hint: &str| {
            Choice::new(audience.value(), audience.label(), audience == self.audience).with_hint(hint)
        };
        vec![
            choice(Audience::Any, "Public ones too."),
            choice(
                Audience::Confidential,
                "Only those that keep a secret on a server.",
            ),
            choice(
                Audience::FirstParty,
                "Only those that an operator has marked as the house’s own.",
            ),
        ]
    }

    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample_operator(),
            editing: false,
            name: Field::default(),
            description: Field::default(),
            sensitive: false,
            publishable: false,
            audience: Audience::Any,
        }
    }

    #[must_use]
    pub fn sample_editing() -> Self {
        Self {
            editing: true,
            name: Field::of("write:orders"),
            description: Field::of("Place, change and cancel your orders"),
            sensitive: true,
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_refused() -> Self {
        Self {
            name: Field::of("write orders").with_error("A scope has no spaces: try write:orders."),
            description: Field::default().with_error("Say what an app can do with it."),
            ..Self::sample()
        }
    }
}
