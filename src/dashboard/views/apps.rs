//! Apps: all of them, a new one, one; and what is asked before one, or a client, is deleted.

use askama::Template;

use super::{ClientKind, KeyRow, LeakRow, ScopeTag, WebhookRow};
use crate::web::{
    chart::Chart,
    page::{Choice, Field, Frame, Moment},
};

/// One app in the list.
#[derive(Clone, Debug)]
pub struct AppRow {
    pub id: String,
    pub name: String,
    /// How many clients it has.
    pub clients: usize,
    /// How many keys of it can be used.
    pub keys: i64,
    pub created: Moment,
}

/// The apps of one account.
#[derive(Clone, Debug)]
pub struct AccountApps {
    pub id: String,
    pub name: String,
    /// The reader's role: "Owner".
    pub role: String,
    /// Whether that role lets them make apps and clients.
    pub can_edit: bool,
    pub apps: Vec<AppRow>,
}

/// `/apps`
#[derive(Template)]
#[template(path = "dashboard/home.html")]
pub struct Home {
    pub frame: Frame,
    pub accounts: Vec<AccountApps>,
    /// Keys that end soon.
    pub ending: Vec<KeyRow>,
    /// The scope of the key that everybody gets here, while the reader has not looked at it.
    pub default_key: Option<String>,
    /// Where a library finds everything else.
    pub issuer: String,
}

impl Home {
    fn apps(&self) -> usize {
        self.accounts.iter().map(|account| account.apps.len()).sum()
    }

    fn can_create(&self) -> bool {
        self.accounts.iter().any(|account| account.can_edit)
    }

    /// The app to begin with, while there is neither a key nor a client.
    fn waits_for_a_beginning(&self) -> Option<&AppRow> {
        let mut apps = self
            .accounts
            .iter()
            .filter(|account| account.can_edit)
            .flat_map(|account| &account.apps);
        if apps.clone().any(|app| app.clients > 0 || app.keys > 0) {
            None
        } else {
            apps.next()
        }
    }

    #[must_use]
    pub fn sample() -> Self {
        let app = |id: &str, name: &str, clients, keys| AppRow {
            id: id.to_owned(),
            name: name.to_owned(),
            clients,
            keys,
            created: Moment::sample(50_000),
        };
        Self {
            frame: Frame::sample_operator(),
            accounts: vec![
                AccountApps {
                    id: "acc_one".to_owned(),
                    name: "Ada Marsh".to_owned(),
                    role: "Owner".to_owned(),
                    can_edit: true,
                    apps: vec![
                        app("app_one", "Fieldnotes", 2, 3),
                        app("app_two", "Orders sync", 0, 1),
                    ],
                },
                AccountApps {
                    id: "acc_two".to_owned(),
                    name: "Marsh & Daughters".to_owned(),
                    role: "Developer".to_owned(),
                    can_edit: true,
                    apps: vec![app("app_three", "Warehouse", 1, 0)],
                },
            ],
            ending: vec![KeyRow {
                ends: Some(Moment::sample(-9_000)),
                ends_soon: true,
                app: Some("Fieldnotes".to_owned()),
                ..KeyRow::sample("Warehouse sync", "sk_live_3xKj")
            }],
            default_key: None,
            issuer: "https://id.example".to_owned(),
        }
    }

    /// Just signed up: an account and an app, and nothing in it yet.
    #[must_use]
    pub fn sample_new() -> Self {
        let mut page = Self::sample();
        page.frame = Frame::sample();
        page.ending.clear();
        page.default_key = Some("inference".to_owned());
        page.accounts.truncate(1);
        for account in &mut page.accounts {
            account.apps.truncate(1);
            for app in &mut account.apps {
                "My first app".clone_into(&mut app.name);
                app.clients = 0;
                app.keys = 0;
            }
        }
        page
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        let mut page = Self::sample_new();
        for account in &mut page.accounts {
            account.apps.clear();
        }
        page
    }
}

/// `/apps/new`: fields `name` and, with several accounts, `account`.
#[derive(Template)]
#[template(path = "dashboard/new_app.html")]
pub struct NewApp {
    pub frame: Frame,
    /// Goes with the form, so that it makes one app however often it is sent.
    pub form_id: String,
    pub name: Field,
    /// The accounts that it could belong to.
    pub accounts: Vec<Choice>,
}

impl NewApp {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample(),
            form_id: "sample-form-id".to_owned(),
            name: Field::default(),
            accounts: vec![
                Choice::new("acc_one", "Ada Marsh", true),
                Choice::new("acc_two", "Marsh & Daughters", false),
            ],
        }
    }

    #[must_use]
    pub fn sample_refused() -> Self {
        Self {
            name: Field::default().with_error("Give it a name."),
            accounts: Vec::new(),
            ..Self::sample()
        }
    }
}

/// One client in the list of an app.
#[derive(Clone, Debug)]
pub struct ClientRow {
    pub id: String,
    pub name: String,
    pub logo: Option<String>,
    pub kind: ClientKind,
    pub first_party: bool,
    pub disabled: bool,
    /// When it last asked for anything.
    pub last_request: Option<Moment>,
}

/// What an app page says of its keys.
pub struct KeysOfApp {
    /// Those that can be used.
    pub keys: Vec<KeyRow>,
    /// Whether there are others.
    pub has_former: bool,
    /// What happened in the last 24 hours.
    pub traffic: Chart,
    /// What they may do at the most.
    pub scopes: Vec<ScopeTag>,
    /// "Live, Test"
    pub environments: String,
    /// The tier in words, with its limits.
    pub tier: String,
    pub networks: Vec<String>,
    /// Whether the reader may make keys.
    pub can_write: bool,
    /// Whether the reader may say what they may do.
    pub can_govern: bool,
}

impl KeysOfApp {
    fn ending(&self) -> usize {
        self.keys.iter().filter(|key| key.ends_soon).count()
    }

    fn sample() -> Self {
        let page = super::KeyPage::sample();
        Self {
            keys: KeyRow::samples(),
            has_former: true,
            traffic: page.traffic,
            scopes: page.row.scopes,
            environments: "Live, Test".to_owned(),
            tier: "standard: 50 a second, no limit an hour, no limit a month".to_owned(),
            networks: vec!["203.0.113.0/24".to_owned()],
            can_write: true,
            can_govern: true,
        }
    }
}

/// `/apps/{app}`
#[derive(Template)]
#[template(path = "dashboard/app.html")]
pub struct AppPage {
    pub frame: Frame,
    pub id: String,
    /// As it is.
    pub title: String,
    /// As it is being changed.
    pub name: Field,
    pub account: String,
    pub created: Moment,
    pub of_keys: KeysOfApp,
    pub clients: Vec<ClientRow>,
    /// What was found of it in public, the last first.
    pub leaks: Vec<LeakRow>,
    /// Where it is told of events.
    pub webhooks: Vec<WebhookRow>,
    /// Whether the reader's role lets them rename it and register clients.
    pub can_edit: bool,
    pub can_delete: bool,
}

impl AppPage {
    #[must_use]
    pub fn sample() -> Self {
        let client = |id: &str, name: &str, kind, last_request| ClientRow {
            id: id.to_owned(),
            name: name.to_owned(),
            logo: None,
            kind,
            first_party: false,
            disabled: false,
            last_request,
        };
        Self {
            frame: Frame::sample(),
            id: "app_one".to_owned(),
            title: "Fieldnotes".to_owned(),
            name: Field::of("Fieldnotes"),
            account: "Ada Marsh".to_owned(),
            created: Moment::sample(50_000),
            of_keys: KeysOfApp::sample(),
            clients: vec![
                client(
                    "cli_one",
                    "Fieldnotes web",
                    ClientKind::Confidential,
                    Some(Moment::sample(3)),
                ),
                client("cli_two", "Fieldnotes for iPhone", ClientKind::Public, None),
            ],
            leaks: LeakRow::sample(),
            webhooks: vec![WebhookRow::sample(), WebhookRow::sample_gone()],
            can_edit: true,
            can_delete: true,
        }
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        let mut page = Self::sample();
        page.clients.clear();
        page.leaks.clear();
        page.webhooks.clear();
        page.of_keys = KeysOfApp {
            keys: Vec::new(),
            has_former: false,
            traffic: Chart::new("traffic", "Requests", super::LAYERS, &[]),
            scopes: Vec::new(),
            tier: "standard: no limit".to_owned(),
            networks: Vec::new(),
            ..page.of_keys
        };
        page
    }

    #[must_use]
    pub fn sample_viewer() -> Self {
        let mut page = Self::sample();
        page.can_edit = false;
        page.can_delete = false;
        page.of_keys.can_write = false;
        page.of_keys.can_govern = false;
        page
    }
}

/// Before an app or a client is deleted: field `name`, which must be typed.
#[derive(Template)]
#[template(path = "dashboard/delete_confirm.html")]
pub struct DeleteConfirm {
    pub frame: Frame,
    /// "app" or "client"
    pub what: String,
    pub title: String,
    /// What goes with it, a sentence each.
    pub consequences: Vec<String>,
    /// Where the form goes.
    pub action: String,
    /// Where "Cancel" leads.
    pub back: String,
    pub name: Field,
}

impl DeleteConfirm {
    fn hint(&self) -> String {
        format!("Its name: {}", self.title)
    }

    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample(),
            what: "client".to_owned(),
            title: "Fieldnotes web".to_owned(),
            consequences: vec![
                "Everybody who signed in with it is signed out of it at once, everywhere.".to_owned(),
                "Its client ID and secrets stop working.".to_owned(),
                "People’s consent to it is forgotten.".to_owned(),
            ],
            action: "/apps/app_one/clients/cli_one/delete".to_owned(),
            back: "/apps/app_one/clients/cli_one".to_owned(),
            name: Field::of("Fieldnotes").with_error("That is not its name."),
        }
    }
}
