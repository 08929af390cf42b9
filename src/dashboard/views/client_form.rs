//! The settings of a client, as a form and as words.

use crate::web::page::{Choice, Field};

/// The two client types of RFC 6749 §2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    Public,
    Confidential,
}

impl ClientKind {
    /// As forms and the command line write it.
    #[must_use]
    pub fn value(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Confidential => "confidential",
        }
    }

    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Public => "Public",
            Self::Confidential => "Confidential",
        }
    }
}

/// A scope of the catalogue, as one client may or may not ask for it.
#[derive(Clone, Debug)]
pub struct ScopeChoice {
    pub name: String,
    /// What people read.
    pub description: String,
    /// Which clients alone may ask for it, if not all may.
    pub only_for: Option<String>,
    pub asked: bool,
    /// Whether people may leave it out.
    pub optional: bool,
}

impl ScopeChoice {
    /// Without `openid` nobody signs in, so that it is not left out alone.
    pub(super) fn can_be_optional(&self) -> bool {
        self.name != "openid"
    }

    fn sample(name: &str, description: &str, asked: bool, optional: bool) -> Self {
        Self {
            name: name.to_owned(),
            description: description.to_owned(),
            only_for: None,
            asked,
            optional,
        }
    }
}

/// The settings of a client: fields `name`, `type` (a new one's only), `redirect_uris` (one a line), `scope`,
/// `optional_scope` (those of them that people may leave out) and `grant` (each repeated), `publisher`,
/// `id_token_alg`, `retry_window` (seconds, may be empty).
#[derive(Clone, Debug)]
pub struct ClientForm {
    pub name: Field,
    pub kind: ClientKind,
    /// Where none was chosen.
    pub kind_error: Option<String>,
    pub redirect_uris: Field,
    pub scopes: Vec<ScopeChoice>,
    pub scopes_error: Option<String>,
    pub grants: Vec<Choice>,
    pub grants_error: Option<String>,
    pub publisher: Field,
    pub algorithms: Vec<Choice>,
    pub algorithms_error: Option<String>,
    pub retry_window: Field,
}

impl ClientForm {
    pub(super) fn kinds(&self) -> Vec<Choice> {
        let choice = |kind: ClientKind, hint: &str| {
            let chosen = kind == self.kind && self.kind_error.is_none();
            Choice::new(kind.value(), kind.label(), chosen).with_hint(hint)
        };
        vec![
            choice(
                ClientKind::Confidential,
                "Runs on a server of yours and keeps a secret there.",
            ),
            choice(
                ClientKind::Public,
                "Runs on people’s devices: single-page, mobile, desktop, command line. It has no secret.",
            ),
        ]
    }

    #[must_use]
    pub fn sample() -> Self {
        Self {
            name: Field::of("Fieldnotes web"),
            kind: ClientKind::Confidential,
            kind_error: None,
            redirect_uris: Field::of("https://fieldnotes.example/callback\nhttp://127.0.0.1:3000/callback"),
            scopes: vec![
                ScopeChoice::sample("openid", "Know who you are when you sign in", true, false),
                ScopeChoice::sample("profile", "See your name", true, false),
                ScopeChoice::sample("email", "See your e-mail address", true, true),
                ScopeChoice::sample(
                    "offline_access",
                    "Stay connected while you are away",
                    false,
                    false,
                ),
                ScopeChoice {
                    only_for: Some("Confidential clients only".to_owned()),
                    ..ScopeChoice::sample("tokens:introspect", "Ask whether tokens are valid", false, false)
                },
            ],
            scopes_error: None,
            grants: vec![
                Choice::new("authorization_code", "Authorization code", true)
                    .with_hint("People sign in. Always with PKCE."),
                Choice::new("refresh_token", "Refresh token", true)
                    .with_hint("Stays signed in, with tokens that change on each use."),
                Choice::new("client_credentials", "Client credentials", false)
                    .with_hint("Acts for itself, with nobody signed in. Confidential clients only."),
            ],
            grants_error: None,
            publisher: Field::of("Marsh & Daughters Ltd"),
            algorithms: vec![
                Choice::new("ES256", "ES256", true),
                Choice::new("EdDSA", "EdDSA", false),
                Choice::new("RS256", "RS256", false),
            ],
            algorithms_error: None,
            retry_window: Field::default(),
        }
    }

    #[must_use]
    pub fn sample_refused() -> Self {
        Self {
            redirect_uris: Field::of("http://fieldnotes.example/callback")
                .with_error("Line 1: http is for 127.0.0.1, [::1] and localhost only; use https."),
            scopes_error: Some("tokens:introspect is for confidential clients only.".to_owned()),
            algorithms_error: Some("Choose one of these.".to_owned()),
            retry_window: Field::of("90").with_error("Between 0 and 60 seconds."),
            ..Self::sample()
        }
    }
}
