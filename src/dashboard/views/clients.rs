//! OAuth clients: a new one, its secret, its page.

use askama::Template;

use super::client_form::{ClientForm, ClientKind};
use crate::web::page::{Choice, Field, Frame, Moment, Pages};

/// The app that a client belongs to.
#[derive(Clone, Debug)]
pub struct AppRef {
    pub id: String,
    pub name: String,
}

impl AppRef {
    pub(super) fn sample() -> Self {
        Self {
            id: "app_one".to_owned(),
            name: "Fieldnotes".to_owned(),
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
    /// "/oauth/token"
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
    pub logo_file: Field,
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
    /// What a picture must be.
    pub logo_hint: String,
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
            logo_file: Field::default(),
            publisher_verified: true,
            first_party: false,
            disabled: false,
            shut_out: false,
            member: true,
            version: "sample-version".to_owned(),
            form_id: "sample-form-id".to_owned(),
            logo_hint: "Square. PNG, JPEG or WebP, up to 64 KiB and 1024 pixels a side.".to_owned(),
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
                request(3, "/oauth/token", None, None),
                request(
                    4,
                    "/oauth/token",
                    Some("invalid_grant"),
                    Some("code_verifier does not match the code_challenge of the authorization request"),
                ),
                request(
                    9,
                    "/oauth/authorize",
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
            logo_file: Field::default().with_error("PNG, JPEG or WebP only."),
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
