//! OAuth clients: a new one, its secret, its page.

use askama::Template;

use crate::web::page::{Choice, Field, Frame, Moment, Pages};

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

/// The app that a client belongs to.
#[derive(Clone, Debug)]
pub struct AppRef {
    pub id: String,
    pub name: String,
}

impl AppRef {
    fn sample() -> Self {
        Self {
            id: "app_one".to_owned(),
            name: "Fieldnotes".to_owned(),
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
    fn can_be_optional(&self) -> bool {
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
    pub redirect_uris: Field,
    pub scopes: Vec<ScopeChoice>,
    pub scopes_error: Option<String>,
    pub grants: Vec<Choice>,
    pub grants_error: Option<String>,
    pub publisher: Field,
    pub algorithms: Vec<Choice>,
    pub retry_window: Field,
}

impl ClientForm {
    fn kinds(&self) -> Vec<Choice> {
        let choice = |kind: ClientKind, hint: &str| {
            Choice::new(kind.value(), kind.label(), kind == self.kind).with_hint(hint)
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
            retry_window: Field::default(),
        }
    }

    #[must_use]
    pub fn sample_refused() -> Self {
        Self {
            redirect_uris: Field::of("http://fieldnotes.example/callback")
                .with_error("Line 1: http is for 127.0.0.1 and [::1] only. Use https."),
            scopes_error: Some("tokens:introspect is for confidential clients only.".to_owned()),
            retry_window: Field::of("90").with_error("Between 0 and 60 seconds."),
            ..Self::sample()
        }
    }
}

/// `/apps/{app}/clients/new`
#[derive(Template)]
#[template(path = "dashboard/new_client.html")]
pub struct NewClient {
    pub frame: Frame,
    pub app: AppRef,
    /// Goes with the form, so that it registers one client however often it is sent.
    pub form_id: String,
    pub form: ClientForm,
}

impl NewClient {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample(),
            app: AppRef::sample(),
            form_id: "sample-form-id".to_owned(),
            form: ClientForm::sample(),
        }
    }

    #[must_use]
    pub fn sample_refused() -> Self {
        Self {
            form: ClientForm::sample_refused(),
            ..Self::sample()
        }
    }
}

/// A client that was just made, or a secret that was just added: the one time that the secret is shown. The answer
/// must not be stored.
#[derive(Template)]
#[template(path = "dashboard/secret_shown.html")]
pub struct SecretShown {
    pub frame: Frame,
    pub app: AppRef,
    pub client_id: String,
    pub client_name: String,
    /// None for a public client.
    pub secret: Option<String>,
    /// Whether the client itself is new.
    pub new_client: bool,
}

impl SecretShown {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample(),
            app: AppRef::sample(),
            client_id: "cli_01kav7sample00000000000000".to_owned(),
            client_name: "Fieldnotes web".to_owned(),
            secret: Some("sample-secret-that-is-shown-once-0000000000".to_owned()),
            new_client: true,
        }
    }

    #[must_use]
    pub fn sample_public() -> Self {
        Self {
            secret: None,
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_added() -> Self {
        Self {
            new_client: false,
            ..Self::sample()
        }
    }
}

/// A value to paste into a client's configuration.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub label: String,
    pub value: String,
}

/// One secret of a client.
#[derive(Clone, Debug)]
pub struct SecretRow {
    /// Goes with the form that revokes it as `id`.
    pub id: String,
    /// What may be shown of it.
    pub hint: String,
    pub created: Moment,
    pub expires: Option<Moment>,
}

/// One request of a client, as it was answered.
#[derive(Clone, Debug)]
pub struct RequestRow {
    pub at: Moment,
    /// "POST /oauth/token"
    pub endpoint: String,
    /// The OAuth error; none where all went well.
    pub error: Option<String>,
    /// In full, with what the wire message leaves out.
    pub description: Option<String>,
    pub request_id: String,
}

/// What only operators decide about a client: `POST …/operator` (`first_party`, `publisher_verified`).
#[derive(Clone, Debug)]
pub struct OperatorFlags {
    pub first_party: bool,
    pub publisher_verified: bool,
}

/// `/apps/{app}/clients/{client}`
#[derive(Template)]
#[template(path = "dashboard/client.html")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each shows or hides something of its own"
)]
pub struct ClientPage {
    pub frame: Frame,
    pub app: AppRef,
    pub client_id: String,
    /// The name as it is; the form may hold another.
    pub title: String,
    pub logo: Option<String>,
    pub logo_error: Option<String>,
    pub publisher_verified: bool,
    pub first_party: bool,
    /// By its owner.
    pub disabled: bool,
    /// By whoever runs the server.
    pub shut_out: bool,
    /// Whether the reader belongs to its account.
    pub member: bool,
    /// Of the registration that the page shows; goes with the forms that change it.
    pub version: String,
    /// Goes with the form of a new secret, so that it adds one however often it is sent.
    pub form_id: String,
    pub largest_logo: &'static str,
    pub endpoints: Vec<Endpoint>,
    pub form: ClientForm,
    pub secrets: Vec<SecretRow>,
    /// How long the other secrets stay good when one is added.
    pub overlaps: Vec<Choice>,
    /// Newest first.
    pub requests: Vec<RequestRow>,
    pub pages: Pages,
    pub can_edit: bool,
    pub can_delete: bool,
    /// For operators.
    pub operator: Option<OperatorFlags>,
}

impl ClientPage {
    fn path(&self, act: &str) -> String {
        format!("/apps/{}/clients/{}{act}", self.app.id, self.client_id)
    }

    #[must_use]
    pub fn sample() -> Self {
        let endpoint = |label: &str, path: &str| Endpoint {
            label: label.to_owned(),
            value: format!("https://id.example{path}"),
        };
        let request = |age, endpoint: &str, error: Option<&str>, description: Option<&str>| RequestRow {
            at: Moment::sample(age),
            endpoint: endpoint.to_owned(),
            error: error.map(str::to_owned),
            description: description.map(str::to_owned),
            request_id: format!("req_01kasample{age:04}"),
        };
        Self {
            frame: Frame::sample(),
            app: AppRef::sample(),
            client_id: "cli_01kav7sample00000000000000".to_owned(),
            title: "Fieldnotes web".to_owned(),
            logo: None,
            logo_error: None,
            publisher_verified: true,
            first_party: false,
            disabled: false,
            shut_out: false,
            member: true,
            version: "sample-version".to_owned(),
            form_id: "sample-form-id".to_owned(),
            largest_logo: "64 KiB",
            endpoints: vec![
                endpoint("Issuer", ""),
                endpoint("Discovery", "/.well-known/openid-configuration"),
                endpoint("Authorization endpoint", "/oauth/authorize"),
                endpoint("Token endpoint", "/oauth/token"),
            ],
            form: ClientForm::sample(),
            secrets: vec![
                SecretRow {
                    id: "csi_one".to_owned(),
                    hint: "cs_9fQk…".to_owned(),
                    created: Moment::sample(9_000),
                    expires: Some(Moment::sample(-1_440)),
                },
                SecretRow {
                    id: "csi_two".to_owned(),
                    hint: "cs_Tz0a…".to_owned(),
                    created: Moment::sample(20),
                    expires: None,
                },
            ],
            overlaps: vec![
                Choice::new("0", "End now", false),
                Choice::new("86400", "Stay good for 24 hours", true),
                Choice::new("604800", "Stay good for 7 days", false),
                Choice::new("never", "Stay good until I revoke them", false),
            ],
            requests: vec![
                request(3, "POST /oauth/token", None, None),
                request(
                    4,
                    "POST /oauth/token",
                    Some("invalid_grant"),
                    Some("code_verifier does not match the code_challenge of the authorization request"),
                ),
                request(
                    9,
                    "GET /oauth/authorize",
                    Some("invalid_request"),
                    Some(
                        "redirect_uri does not match any registered for this client: got https://fieldnotes.example/cb, registered: https://fieldnotes.example/callback http://127.0.0.1:3000/callback",
                    ),
                ),
            ],
            pages: Pages::default(),
            can_edit: true,
            can_delete: true,
            operator: None,
        }
    }

    /// A public client of somebody else, as an operator sees it, before its first request.
    #[must_use]
    pub fn sample_public() -> Self {
        let mut page = Self {
            frame: Frame::sample_operator(),
            secrets: Vec::new(),
            requests: Vec::new(),
            member: false,
            can_edit: false,
            can_delete: false,
            shut_out: true,
            operator: Some(OperatorFlags {
                first_party: false,
                publisher_verified: true,
            }),
            ..Self::sample()
        };
        page.form.kind = ClientKind::Public;
        page
    }

    #[must_use]
    pub fn sample_refused() -> Self {
        Self {
            form: ClientForm::sample_refused(),
            logo_error: Some("PNG, JPEG or WebP only, up to 64 KiB.".to_owned()),
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_viewer() -> Self {
        Self {
            can_edit: false,
            can_delete: false,
            ..Self::sample()
        }
    }
}
