//! Pages on the way from an app through sign-in and consent and back.

use askama::Template;

use crate::web::page::{Frame, RequestBanner};

/// How an app looks to a person.
#[derive(Clone, Debug)]
pub struct AppFace {
    pub name: String,
    /// The path of its logo.
    pub logo: Option<String>,
    pub publisher: Option<String>,
    /// Whether an operator has checked the publisher.
    pub publisher_verified: bool,
}

impl AppFace {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            name: "Fieldnotes".to_owned(),
            logo: None,
            publisher: Some("Marsh & Daughters Ltd".to_owned()),
            publisher_verified: true,
        }
    }
}

/// One scope that an app asks for.
#[derive(Clone, Debug)]
pub struct ConsentScope {
    pub name: String,
    /// The catalogue's sentence.
    pub description: String,
    pub sensitive: bool,
    /// Whether it can be left out. An optional one is a box named `scope`.
    pub optional: bool,
    /// Whether the box of an optional one is ticked.
    pub ticked: bool,
}

/// Why somebody is asked who has been asked before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentReason {
    /// They have not.
    First,
    /// The app wants more than it has.
    Wider,
    /// Its name, logo or redirect hosts are not what they were.
    Changed,
    /// The app wished for it (`prompt=consent`).
    Asked,
}

/// The consent page (`GET /oauth/consent?request=…` or straight from the authorization endpoint).
#[derive(Template)]
#[template(path = "oauth/consent.html")]
pub struct Consent {
    /// Holds the person.
    pub frame: Frame,
    /// The id of the waiting request.
    pub request: String,
    /// A digest of what the page shows of the app; goes back with the form.
    pub seen: String,
    /// Whether the app was changed while this page was open before.
    pub changed_meanwhile: bool,
    pub app: AppFace,
    pub reason: ConsentReason,
    /// The host that the browser will be sent to; for a private-use scheme, the scheme.
    pub redirect_host: String,
    /// Whether that is only this computer.
    pub loopback: bool,
    /// Whether that is another program on this device (a private-use scheme).
    pub native: bool,
    /// What is asked for now.
    pub scopes: Vec<ConsentScope>,
    /// The sentences of what was allowed before.
    pub granted: Vec<String>,
}

impl Consent {
    fn some_optional(&self) -> bool {
        self.scopes.iter().any(|scope| scope.optional)
    }

    fn scope(name: &str, description: &str, sensitive: bool, optional: bool) -> ConsentScope {
        ConsentScope {
            name: name.to_owned(),
            description: description.to_owned(),
            sensitive,
            optional,
            ticked: optional,
        }
    }

    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample(),
            request: "arq_01kasample0000000000000000".to_owned(),
            seen: "sample-digest".to_owned(),
            changed_meanwhile: false,
            app: AppFace::sample(),
            reason: ConsentReason::First,
            redirect_host: "fieldnotes.example".to_owned(),
            loopback: false,
            native: false,
            scopes: vec![
                Self::scope("openid", "Know who you are when you sign in", false, false),
                Self::scope("profile", "See your name", false, true),
                Self::scope("email", "See your e-mail address", false, true),
                Self::scope("offline_access", "Stay connected while you are away", false, true),
            ],
            granted: Vec::new(),
        }
    }

    /// An app that wants more than it has, runs on this computer, and that nobody has checked.
    #[must_use]
    pub fn sample_wider() -> Self {
        Self {
            app: AppFace {
                name: "Terminal companion".to_owned(),
                publisher: None,
                publisher_verified: false,
                logo: None,
            },
            reason: ConsentReason::Wider,
            redirect_host: "127.0.0.1".to_owned(),
            loopback: true,
            scopes: vec![
                Self::scope(
                    "write:orders",
                    "Place, change and cancel your orders",
                    true,
                    false,
                ),
                Self::scope("read:orders", "Read your orders", false, true),
            ],
            granted: vec![
                "Know who you are when you sign in".to_owned(),
                "See your name".to_owned(),
            ],
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_changed() -> Self {
        Self {
            reason: ConsentReason::Changed,
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_changed_meanwhile() -> Self {
        Self {
            changed_meanwhile: true,
            ..Self::sample()
        }
    }
}

/// `prompt=select_account`: go on as whoever is signed in, or as somebody else.
#[derive(Template)]
#[template(path = "oauth/select_account.html")]
pub struct SelectAccount {
    /// Holds the person.
    pub frame: Frame,
    pub request: RequestBanner,
}

impl SelectAccount {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample(),
            request: RequestBanner::sample(),
        }
    }
}

/// One fact for whoever builds the app.
#[derive(Clone, Debug)]
pub struct DeveloperDetail {
    pub label: String,
    pub value: String,
}

impl DeveloperDetail {
    pub fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            value: value.into(),
        }
    }
}

/// An authorization request that is refused here and never by redirect: unknown client, bad redirect URI (400), or a
/// request that is no longer waiting.
#[derive(Template)]
#[template(path = "oauth/authorize_error.html")]
pub struct AuthorizeError {
    pub frame: Frame,
    /// A sentence for the person: "This app is not known here."
    pub heading: String,
    pub text: String,
    /// For the app's developer.
    pub details: Vec<DeveloperDetail>,
    pub request_id: String,
}

impl AuthorizeError {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample_signed_out(),
            heading: "The app sent you here the wrong way".to_owned(),
            text: "It wants you to be sent to an address that it has not registered, so we stopped. Nothing about you was passed on. Go back to the app, and if this goes on, tell whoever makes it.".to_owned(),
            details: vec![
                DeveloperDetail::new("error", "invalid_request"),
                DeveloperDetail::new("error_description", "redirect_uri does not match any registered for this client"),
                DeveloperDetail::new("client_id", "cli_01kav7sample00000000000000"),
            ],
            request_id: "req_01kasample".to_owned(),
        }
    }
}

/// `response_mode=form_post`: sends the answer on by itself where scripts run, by a button where not. The policy of
/// this page must allow forms to go to the app.
#[derive(Template)]
#[template(path = "oauth/form_post.html")]
pub struct FormPost {
    pub redirect_uri: String,
    pub app_name: String,
    /// Names and values: `code`, `state`, `iss`, or an error.
    pub fields: Vec<(String, String)>,
}

impl FormPost {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            redirect_uri: "https://fieldnotes.example/callback".to_owned(),
            app_name: "Fieldnotes".to_owned(),
            fields: vec![
                ("code".to_owned(), "sample-code".to_owned()),
                ("state".to_owned(), "\"><script>".to_owned()),
                ("iss".to_owned(), "https://id.example".to_owned()),
            ],
        }
    }
}
