//! The clients of everybody, which operators look through.

use askama::Template;

use crate::web::page::{Field, Frame, Moment, Pages};

/// A client, whoever's it is.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says something of its own")]
pub struct FoundClient {
    /// Of its page.
    pub path: String,
    pub client_id: String,
    pub name: String,
    pub app: String,
    pub created: Moment,
    pub publisher: Option<String>,
    pub publisher_verified: bool,
    pub first_party: bool,
    /// By its owner.
    pub disabled: bool,
    /// By an operator.
    pub shut_out: bool,
}

/// `/operator/clients?q=…`
#[derive(Template)]
#[template(path = "dashboard/all_clients.html")]
pub struct AllClients {
    pub frame: Frame,
    pub search: Field,
    /// Newest first.
    pub clients: Vec<FoundClient>,
    pub pages: Pages,
}

impl AllClients {
    #[must_use]
    pub fn sample() -> Self {
        let client = |name: &str, app: &str, publisher: Option<&str>| FoundClient {
            path: "/apps/app_one/clients/cli_01kav7sample00000000000000".to_owned(),
            client_id: "cli_01kav7sample00000000000000".to_owned(),
            name: name.to_owned(),
            app: app.to_owned(),
            created: Moment::sample(9_000),
            publisher: publisher.map(str::to_owned),
            publisher_verified: false,
            first_party: false,
            disabled: false,
            shut_out: false,
        };
        Self {
            frame: Frame::sample_operator(),
            search: Field::default(),
            clients: vec![
                FoundClient {
                    shut_out: true,
                    ..client("Your Bank — sign in", "Test", Some("Your Bank"))
                },
                FoundClient {
                    publisher_verified: true,
                    ..client("Fieldnotes web", "Fieldnotes", Some("Marsh & Daughters Ltd"))
                },
                FoundClient {
                    first_party: true,
                    disabled: true,
                    ..client("Nightly import", "House", None)
                },
            ],
            pages: Pages {
                newer: None,
                older: Some("/operator/clients?page=1".to_owned()),
            },
        }
    }

    #[must_use]
    pub fn sample_none() -> Self {
        Self {
            search: Field::of("bank"),
            clients: Vec::new(),
            pages: Pages::default(),
            ..Self::sample()
        }
    }
}
