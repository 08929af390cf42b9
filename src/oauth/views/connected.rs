//! Connected apps: what a person has let in, and how to take it back.

use askama::Template;

use super::AppFace;
use crate::web::page::{Frame, Moment, Place};

/// One app in the list.
#[derive(Clone, Debug)]
pub struct ConnectedApp {
    pub client_id: String,
    pub app: AppFace,
    /// How many scopes it has.
    pub scopes: usize,
    pub first_used: Moment,
    pub last_used: Moment,
    pub redirect_host: String,
    /// How many of its sessions are alive.
    pub sessions: usize,
}

impl ConnectedApp {
    fn path(&self, act: &str) -> String {
        format!("/account/apps/{}/{act}", self.client_id)
    }

    #[must_use]
    pub fn sample() -> Self {
        Self {
            client_id: "cli_01kav7sample00000000000000".to_owned(),
            app: AppFace::sample(),
            scopes: 4,
            first_used: Moment::sample(40_000),
            last_used: Moment::sample(12),
            redirect_host: "fieldnotes.example".to_owned(),
            sessions: 2,
        }
    }
}

/// `/account/apps`
#[derive(Template)]
#[template(path = "oauth/connected_apps.html")]
pub struct ConnectedApps {
    pub frame: Frame,
    pub apps: Vec<ConnectedApp>,
}

impl ConnectedApps {
    #[must_use]
    pub fn sample() -> Self {
        let mut second = ConnectedApp::sample();
        "cli_01kav7other".clone_into(&mut second.client_id);
        "Terminal companion".clone_into(&mut second.app.name);
        second.app.publisher = None;
        second.app.publisher_verified = false;
        "127.0.0.1".clone_into(&mut second.redirect_host);
        second.sessions = 0;
        second.scopes = 1;
        Self {
            frame: Frame::sample(),
            apps: vec![ConnectedApp::sample(), second],
        }
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        Self {
            frame: Frame::sample(),
            apps: Vec::new(),
        }
    }
}

/// A scope that an app has.
#[derive(Clone, Debug)]
pub struct GrantedScope {
    pub name: String,
    pub description: String,
    pub sensitive: bool,
}

/// One session of an app.
#[derive(Clone, Debug)]
pub struct GrantRow {
    /// Goes with the form that ends it as `id`.
    pub id: String,
    pub created: Moment,
    pub last_used: Moment,
    pub place: Place,
}

/// `/account/apps/{client_id}`
#[derive(Template)]
#[template(path = "oauth/connected_app.html")]
pub struct ConnectedAppPage {
    pub frame: Frame,
    pub connected: ConnectedApp,
    pub scopes: Vec<GrantedScope>,
    pub sessions: Vec<GrantRow>,
}

impl ConnectedAppPage {
    #[must_use]
    pub fn sample() -> Self {
        let scope = |name: &str, description: &str, sensitive| GrantedScope {
            name: name.to_owned(),
            description: description.to_owned(),
            sensitive,
        };
        let row = |id: &str, browser: &str, age| GrantRow {
            id: id.to_owned(),
            created: Moment::sample(age * 100),
            last_used: Moment::sample(age),
            place: Place::sample(browser, "192.0.2.17"),
        };
        Self {
            frame: Frame::sample(),
            connected: ConnectedApp::sample(),
            scopes: vec![
                scope("openid", "Know who you are when you sign in", false),
                scope("email", "See your e-mail address", false),
                scope("write:orders", "Place, change and cancel your orders", true),
            ],
            sessions: vec![
                row("grt_one", "Firefox on Linux", 12),
                row("grt_two", "Fieldnotes for iPhone", 400),
            ],
        }
    }

    #[must_use]
    pub fn sample_idle() -> Self {
        Self {
            sessions: Vec::new(),
            ..Self::sample()
        }
    }
}
