//! Webhook endpoints: those of an app, one with what was sent to it, one delivery.

use askama::Template;

use super::AppRef;
use crate::web::page::{Choice, Field, Frame, Moment, Pages};

/// How an endpoint, or a delivery, is doing, in a word or two.
#[derive(Clone, Debug)]
pub struct State {
    pub words: &'static str,
    /// As badges know it.
    pub tone: &'static str,
}

impl State {
    pub(super) fn tone(&self) -> &'static str {
        self.tone
    }
}

/// An endpoint, as all its pages show it.
#[derive(Clone, Debug)]
pub struct WebhookRow {
    pub id: String,
    pub url: String,
    pub description: Option<String>,
    /// What it is told of; none is everything.
    pub events: Vec<&'static str>,
    pub state: State,
}

impl WebhookRow {
    pub(super) fn sample() -> Self {
        Self {
            id: "whe_one".to_owned(),
            url: "https://hooks.fieldnotes.example/claviger?tenant=7".to_owned(),
            description: Some("Tells the billing service".to_owned()),
            events: vec!["key.created", "key.revoked", "key.leaked"],
            state: State {
                words: "On",
                tone: "success",
            },
        }
    }

    /// Of an endpoint that wants nothing more.
    pub(super) fn sample_gone() -> Self {
        Self {
            id: "whe_two".to_owned(),
            url: "https://old.example/hooks".to_owned(),
            description: None,
            events: Vec::new(),
            state: State {
                words: "Off: it answered 410",
                tone: "danger",
            },
        }
    }
}

/// `/apps/{app}/webhooks`
#[derive(Template)]
#[template(path = "dashboard/webhooks.html")]
pub struct Webhooks {
    pub frame: Frame,
    pub app: AppRef,
    pub endpoints: Vec<WebhookRow>,
    /// How many there may be.
    pub most: u32,
    /// Whether the reader's role lets them change these.
    pub can_edit: bool,
}

impl Webhooks {
    fn is_full(&self) -> bool {
        u32::try_from(self.endpoints.len()).is_ok_and(|there| there >= self.most)
    }

    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample(),
            app: AppRef::sample(),
            endpoints: vec![WebhookRow::sample(), WebhookRow::sample_gone()],
            most: 10,
            can_edit: true,
        }
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        Self {
            endpoints: Vec::new(),
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_viewer() -> Self {
        Self {
            can_edit: false,
            ..Self::sample()
        }
    }
}

/// `/apps/{app}/webhooks/new` and `/apps/{app}/webhooks/{endpoint}/edit`: fields `url`, `description`, `event` (several).
#[derive(Template)]
#[template(path = "dashboard/webhook_form.html")]
pub struct WebhookForm {
    pub frame: Frame,
    pub app: AppRef,
    /// The id and the URL of the one that is edited.
    pub editing: Option<(String, String)>,
    /// Goes with the form, so that it makes one endpoint however often it is sent.
    pub form_id: String,
    /// Of the settings that the page shows; goes with the form that changes them.
    pub version: String,
    pub url: Field,
    pub description: Field,
    pub events: Vec<Choice>,
}

impl WebhookForm {
    fn action(&self) -> String {
        match &self.editing {
            Some((id, _)) => format!("/apps/{}/webhooks/{id}/edit", self.app.id),
            None => format!("/apps/{}/webhooks/new", self.app.id),
        }
    }

    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample(),
            app: AppRef::sample(),
            editing: None,
            form_id: "sample-form-id".to_owned(),
            version: String::new(),
            url: Field::default(),
            description: Field::default(),
            events: vec![
                Choice::new("key.created", "key.created", false).with_hint("An API key was made"),
                Choice::new("key.leaked", "key.leaked", true)
                    .with_hint("An API key was found where it should not be"),
            ],
        }
    }

    #[must_use]
    pub fn sample_refused() -> Self {
        Self {
            editing: Some((
                "whe_one".to_owned(),
                "https://hooks.fieldnotes.example/claviger".to_owned(),
            )),
            url: Field::of("http://hooks.fieldnotes.example/claviger")
                .with_error("Use https: what is sent says who uses your app."),
            description: Field::of("x".repeat(201)).with_error("Use 200 characters at most."),
            ..Self::sample()
        }
    }
}

/// An endpoint that was just made, or a secret that was just rotated: the one time that the secret is shown. The answer
/// must not be stored.
#[derive(Template)]
#[template(path = "dashboard/webhook_secret_shown.html")]
pub struct WebhookSecretShown {
    pub frame: Frame,
    pub app: AppRef,
    pub endpoint_id: String,
    pub url: String,
    pub secret: String,
    /// Whether the endpoint itself is new.
    pub new_endpoint: bool,
}

impl WebhookSecretShown {
    #[must_use]
    pub fn sample() -> Self {
        let endpoint = WebhookRow::sample();
        Self {
            frame: Frame::sample(),
            app: AppRef::sample(),
            endpoint_id: endpoint.id,
            url: endpoint.url,
            secret: "whsec_c2FtcGxlIHNlY3JldCB0aGF0IGlzIHNob3duIG9uY2U=".to_owned(),
            new_endpoint: true,
        }
    }

    #[must_use]
    pub fn sample_rotated() -> Self {
        Self {
            new_endpoint: false,
            ..Self::sample()
        }
    }
}

/// One secret of an endpoint.
#[derive(Clone, Debug)]
pub struct WebhookSecretRow {
    pub hint: String,
    pub created: Moment,
    pub expires: Option<Moment>,
}

/// One delivery in the list of an endpoint.
#[derive(Clone, Debug)]
pub struct DeliveryRow {
    pub id: String,
    pub event: &'static str,
    pub at: Moment,
    pub state: State,
    /// "500 in 31 ms", or why there was no answer.
    pub last: Option<String>,
    /// While it waits.
    pub next: Option<Moment>,
    /// Whether it can be sent now.
    pub sendable: bool,
}

impl DeliveryRow {
    fn sample(id: &str, state: State, last: &str, next: Option<Moment>) -> Self {
        Self {
            id: id.to_owned(),
            event: "key.leaked",
            at: Moment::sample(30),
            state,
            last: Some(last.to_owned()),
            next,
            sendable: true,
        }
    }
}

/// `/apps/{app}/webhooks/{endpoint}`
#[derive(Template)]
#[template(path = "dashboard/webhook.html")]
pub struct WebhookPage {
    pub frame: Frame,
    pub app: AppRef,
    pub endpoint: WebhookRow,
    /// Whether it is switched on.
    pub on: bool,
    pub secrets: Vec<WebhookSecretRow>,
    /// How long the other secrets sign when one is rotated in.
    pub overlaps: Vec<Choice>,
    /// Goes with the form of a new secret, so that it makes one however often it is sent.
    pub form_id: String,
    /// Newest first.
    pub deliveries: Vec<DeliveryRow>,
    pub pages: Pages,
    pub can_edit: bool,
}

impl WebhookPage {
    fn path(&self, act: &str) -> String {
        format!("/apps/{}/webhooks/{}{act}", self.app.id, self.endpoint.id)
    }

    #[must_use]
    pub fn sample() -> Self {
        let state = |words, tone| State { words, tone };
        Self {
            frame: Frame::sample(),
            app: AppRef::sample(),
            endpoint: WebhookRow::sample(),
            on: true,
            secrets: vec![
                WebhookSecretRow {
                    hint: "whsec_9fQk…".to_owned(),
                    created: Moment::sample(9_000),
                    expires: Some(Moment::sample(-1_440)),
                },
                WebhookSecretRow {
                    hint: "whsec_Tz0a…".to_owned(),
                    created: Moment::sample(20),
                    expires: None,
                },
            ],
            overlaps: vec![
                Choice::new("0", "End now", false),
                Choice::new("86400", "Sign for 24 hours more", true),
            ],
            form_id: "sample-form-id".to_owned(),
            deliveries: vec![
                DeliveryRow::sample(
                    "dlv_one",
                    state("Waiting", "warning"),
                    "no connection: Connection refused (os error 111)",
                    Some(Moment::sample(-30)),
                ),
                DeliveryRow::sample("dlv_two", state("Taken", "success"), "200 in 31 ms", None),
                DeliveryRow::sample("dlv_three", state("Given up", "danger"), "500 in 1204 ms", None),
            ],
            pages: Pages {
                newer: None,
                older: Some("/apps/app_one/webhooks/whe_one?before=7#deliveries".to_owned()),
            },
            can_edit: true,
        }
    }

    /// Switched off, without a secret that signs, and nothing sent yet.
    #[must_use]
    pub fn sample_silent() -> Self {
        let mut page = Self {
            on: false,
            secrets: Vec::new(),
            deliveries: Vec::new(),
            pages: Pages::default(),
            ..Self::sample()
        };
        page.endpoint.state = State {
            words: "Off",
            tone: "danger",
        };
        page.endpoint.events.clear();
        page
    }

    #[must_use]
    pub fn sample_viewer() -> Self {
        Self {
            can_edit: false,
            ..Self::sample()
        }
    }
}

/// One attempt at a delivery.
#[derive(Clone, Debug)]
pub struct AttemptRow {
    pub at: Moment,
    pub success: bool,
    /// "500 in 31 ms", or why there was no answer.
    pub outcome: String,
    /// The beginning of the answer.
    pub answer: Option<String>,
}

/// `/apps/{app}/webhooks/{endpoint}/deliveries/{delivery}`
#[derive(Template)]
#[template(path = "dashboard/webhook_delivery.html")]
pub struct WebhookDelivery {
    pub frame: Frame,
    pub app: AppRef,
    pub endpoint: WebhookRow,
    pub delivery: DeliveryRow,
    pub message_id: String,
    pub payload: String,
    /// Newest first.
    pub attempts: Vec<AttemptRow>,
    pub pages: Pages,
    pub can_edit: bool,
}

impl WebhookDelivery {
    fn path(&self, act: &str) -> String {
        format!("/apps/{}/webhooks/{}{act}", self.app.id, self.endpoint.id)
    }

    #[must_use]
    pub fn sample() -> Self {
        let waiting = State {
            words: "Waiting",
            tone: "warning",
        };
        let attempt = |age, outcome: &str, answer: Option<&str>| AttemptRow {
            at: Moment::sample(age),
            success: false,
            outcome: outcome.to_owned(),
            answer: answer.map(str::to_owned),
        };
        Self {
            frame: Frame::sample(),
            app: AppRef::sample(),
            endpoint: WebhookRow::sample(),
            delivery: DeliveryRow::sample("dlv_one", waiting, "500 in 31 ms", Some(Moment::sample(-30))),
            message_id: "msg_01kasample0000000000000000".to_owned(),
            payload: r#"{"data":{"display_hint":"sk_live_3xKj","key_id":"key_01kasample0000000000000000"},"timestamp":"2026-11-23T20:00:00Z","type":"key.leaked"}"#.to_owned(),
            attempts: vec![
                attempt(20, "500 in 31 ms", Some("<html><body>Internal Server Error</body></html>")),
                attempt(25, "no answer within 15 seconds", None),
            ],
            pages: Pages::default(),
            can_edit: true,
        }
    }

    #[must_use]
    pub fn sample_viewer() -> Self {
        Self {
            can_edit: false,
            attempts: Vec::new(),
            ..Self::sample()
        }
    }
}
