//! What is asked before something is done to an API key, the one time that its value is shown, and what is left of it.

use askama::Template;

use super::{AppRef, KeyRow, Tag};
use crate::web::page::{Choice, Frame, Pages};

/// A key that was just made, or has a new value: the one time that it is shown. The answer must not be stored.
#[derive(Template)]
#[template(path = "dashboard/key_shown.html")]
pub struct KeyShown {
    pub frame: Frame,
    pub app: AppRef,
    pub title: String,
    /// What came of it, in a sentence.
    pub lead: String,
    /// Where the key has its page.
    pub path: String,
    pub name: String,
    pub value: String,
    /// A command that tries it out.
    pub command: String,
    /// Whether it is for browsers, where everybody can read it.
    pub publishable: bool,
}

impl KeyShown {
    #[must_use]
    pub fn sample() -> Self {
        let value = "sk_live_3xKjNCmUxF0v5jzl4J2XhkzWNqKL2HkghOwSBW1qE01HkzSh";
        Self {
            frame: Frame::sample(),
            app: AppRef::sample(),
            title: "Warehouse sync is ready".to_owned(),
            lead: "It can be used at once.".to_owned(),
            path: "/apps/app_one/keys/key_one".to_owned(),
            name: "Warehouse sync".to_owned(),
            value: value.to_owned(),
            command: format!("curl -i https://id.example/v1/auth \\\n  -H \"Authorization: Bearer {value}\""),
            publishable: false,
        }
    }

    #[must_use]
    pub fn sample_publishable() -> Self {
        Self {
            publishable: true,
            ..Self::sample()
        }
    }
}

/// Before something is done to a key: `/rotate` (`overlap`), `/retire` (`force`), `/regenerate` (`version`), `/revoke`.
#[derive(Template)]
#[template(path = "dashboard/key_question.html")]
pub struct KeyQuestion {
    pub frame: Frame,
    pub app: AppRef,
    /// Where the key has its page.
    pub path: String,
    pub name: String,
    pub hint: String,
    pub title: String,
    pub lead: String,
    /// What comes of it, a sentence each.
    pub consequences: Vec<String>,
    /// Why it was not done.
    pub problem: Option<String>,
    /// "rotate"
    pub act: &'static str,
    pub button: String,
    pub danger: bool,
    /// Goes with a form that makes a value, so that it makes one however often it is sent.
    pub form_id: Option<String>,
    /// Of the key that the reader sees, where it must still be that one.
    pub version: Option<String>,
    /// How long the old key lives on.
    pub overlaps: Vec<Choice>,
    pub overlap_error: Option<String>,
    /// Whether it is done although the key is in use.
    pub force: bool,
}

impl KeyQuestion {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample(),
            app: AppRef::sample(),
            path: "/apps/app_one/keys/key_one".to_owned(),
            name: "Warehouse sync".to_owned(),
            hint: "sk_live_3xKj".to_owned(),
            title: "Rotate Warehouse sync".to_owned(),
            lead: "It gets a successor with the same settings, whose value is shown once.".to_owned(),
            consequences: vec![
                "The old key lives on as long as you say.".to_owned(),
                "The page of the key shows the traffic of both.".to_owned(),
            ],
            problem: None,
            act: "rotate",
            button: "Make the successor".to_owned(),
            danger: false,
            form_id: Some("sample-form-id".to_owned()),
            version: None,
            overlaps: vec![
                Choice::new("0", "Ends at once", false),
                Choice::new("86400", "Lives on for 24 hours", true),
                Choice::new("never", "Lives on until I retire it", false),
            ],
            overlap_error: None,
            force: false,
        }
    }

    #[must_use]
    pub fn sample_in_use() -> Self {
        Self {
            title: "Retire Warehouse sync?".to_owned(),
            lead: "This cannot be undone.".to_owned(),
            problem: Some("The key was used in the last hour, so something still has it.".to_owned()),
            act: "retire",
            button: "Retire it all the same".to_owned(),
            danger: true,
            form_id: None,
            overlaps: Vec::new(),
            force: true,
            ..Self::sample()
        }
    }
}

/// `/apps/{app}/keys/former`
#[derive(Template)]
#[template(path = "dashboard/former_keys.html")]
pub struct FormerKeys {
    pub frame: Frame,
    pub app: AppRef,
    pub keys: Vec<KeyRow>,
    pub pages: Pages,
}

impl FormerKeys {
    #[must_use]
    pub fn sample() -> Self {
        let mut keys = KeyRow::samples();
        for key in &mut keys {
            key.state = Tag::new("Revoked", "danger");
            key.ends = None;
        }
        Self {
            frame: Frame::sample(),
            app: AppRef::sample(),
            keys,
            pages: Pages {
                newer: None,
                older: Some("/apps/app_one/keys/former?before=key_one".to_owned()),
            },
        }
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        Self {
            keys: Vec::new(),
            pages: Pages::default(),
            ..Self::sample()
        }
    }
}
