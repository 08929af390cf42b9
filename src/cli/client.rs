//! `claviger client`: OAuth clients registered, changed and taken out of service by whoever has the server.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Refused, client_create,
    output::{answer, table},
};
use crate::{
    app::App,
    audit::By,
    oauth::clients::{
        self, Client, RegisterError, Registration, SecretError, Switch, delete_client, edit_client,
        set_disabled, vouch_for_client,
    },
    types::{ClientId, ClientSecretId, RedirectUri, ScopeSet},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Register a client
    Create(client_create::Create),
    /// List all clients
    List(Json),
    /// Show a client
    Show(One),
    /// Change what is registered of a client; what is not named stays
    Edit(Edit),
    /// Shut a client out: its tokens are dead at once, and its owner cannot let it in
    Disable(One),
    /// Let a client in again that was shut out here
    Enable(One),
    /// Say that you have checked who stands behind a client
    Verify(Verify),
    /// Take that back
    Unverify(One),
    /// Remove a client and all that it was granted
    Delete(One),
    /// Add or revoke a secret of a confidential client
    #[command(subcommand)]
    Secret(Secret),
}

#[derive(Debug, Args)]
pub(super) struct Json {
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct One {
    #[arg(value_name = "CLIENT_ID")]
    id: ClientId,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Edit {
    #[arg(value_name = "CLIENT_ID")]
    id: ClientId,
    /// The name that people are shown
    #[arg(long)]
    name: Option<String>,
    /// Where answers may go, in place of those registered; may be given more than once
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<RedirectUri>,
    /// The most it may ask for, with spaces between scopes
    #[arg(long, value_name = "SCOPES")]
    scope: Option<ScopeSet>,
    /// Grant types, with commas between them
    #[arg(long, value_name = "TYPES", value_delimiter = ',')]
    grant: Vec<clients::GrantType>,
    /// Who stands behind it, as people are shown
    #[arg(long)]
    publisher: Option<String>,
    /// How long it may repeat a refresh whose answer it lost, 0s to 60s
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    retry_window: Option<std::time::Duration>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    #[arg(value_name = "CLIENT_ID")]
    id: ClientId,
    /// Whom you have checked; refused if the client names another
    #[arg(long, value_name = "NAME")]
    publisher: String,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Secret {
    /// Add a secret beside those that are there; it is shown once
    Add {
        #[arg(value_name = "CLIENT_ID")]
        id: ClientId,
        /// How long the older ones stay good; without it, until they are revoked
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        overlap: Option<std::time::Duration>,
        /// Print one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a secret back
    Revoke {
        #[arg(value_name = "CLIENT_ID")]
        id: ClientId,
        #[arg(value_name = "SECRET_ID")]
        secret: ClientSecretId,
        /// Print one line of JSON
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    pub(super) async fn run(self, app: App) -> Result<(), Refused> {
        let authority = &app.authority;
        match self {
            Self::Create(create) => create.run(app).await,
            Self::List(Json { json }) => list(&app, json).await,
            Self::Show(One { id, json }) => {
                let client = find(&app, id).await?;
                answer(json, &as_json(&client), || in_words(&client));
                Ok(())
            }
            Self::Edit(edit) => edit.run(&app).await,
            Self::Disable(One { id, json }) => {
                let client = find(&app, id).await?;
                set_disabled(authority, &client, Switch::Operator, true, By::OPERATOR).await?;
                said(json, id, "disabled");
                Ok(())
            }
            Self::Enable(One { id, json }) => {
                let client = find(&app, id).await?;
                set_disabled(authority, &client, Switch::Operator, false, By::OPERATOR).await?;
                if client.disabled_at.is_some() {
                    return Err(Refused::Because(format!(
                        "you no longer shut {id} out, but its owner has disabled it"
                    )));
                }
                said(json, id, "enabled");
                Ok(())
            }
            Self::Delete(One { id, json }) => {
                let client = find(&app, id).await?;
                delete_client(authority, &client, By::OPERATOR).await?;
                said(json, id, "deleted");
                Ok(())
            }
            Self::Verify(Verify { id, publisher, json }) => {
                let client = find(&app, id).await?;
                if client.registration.publisher.as_deref() != Some(publisher.as_str()) {
                    let named = client.registration.publisher.as_deref().unwrap_or("nobody");
                    return Err(Refused::Because(format!("{id} names {named} as its publisher")));
                }
                vouch_for_client(authority, &client, client.first_party, true, By::OPERATOR).await?;
                said(json, id, "verified");
                Ok(())
            }
            Self::Unverify(One { id, json }) => {
                let client = find(&app, id).await?;
                vouch_for_client(authority, &client, client.first_party, false, By::OPERATOR).await?;
                said(json, id, "unverified");
                Ok(())
            }
            Self::Secret(secret) => secret.run(&app).await,
        }
    }
}

impl Edit {
    async fn run(self, app: &App) -> Result<(), Refused> {
        let client = find(app, self.id).await?;
        let before = client.registration.clone();
        let registration = Registration {
            name: self.name.unwrap_or(before.name),
            redirect_uris: some_or(self.redirect_uris, before.redirect_uris),
            scopes: self.scope.unwrap_or(before.scopes),
            grant_types: some_or(self.grant, before.grant_types),
            publisher: self.publisher.map_or(before.publisher, |publisher| {
                Some(publisher).filter(|text| !text.is_empty())
            }),
            retry_window: self.retry_window.or(before.retry_window),
            ..client.registration.clone()
        };
        edit_client(&app.authority, &client, &registration, By::OPERATOR).await?;
        let client = find(app, self.id).await?;
        answer(self.json, &as_json(&client), || in_words(&client));
        Ok(())
    }
}

fn some_or<T>(some: Vec<T>, otherwise: Vec<T>) -> Vec<T> {
    if some.is_empty() { otherwise } else { some }
}

impl Secret {
    async fn run(self, app: &App) -> Result<(), Refused> {
        match self {
            Self::Add { id, overlap, json } => {
                let client = find(app, id).await?;
                let (token, secret) = {
                    let secret_id = ClientSecretId::new(&app.clock, &app.entropy);
                    clients::add_secret(&app.authority, &client, secret_id, overlap, By::OPERATOR).await?
                };
                answer(
                    json,
                    &json!({ "client_id": id, "secret_id": secret.id, "client_secret": token.expose() }),
                    || {
                        format!(
                            "Client secret:  {}   (shown once)\nSecret id:      {}",
                            token.expose(),
                            secret.id
                        )
                    },
                );
            }
            Self::Revoke { id, secret, json } => {
                let client = find(app, id).await?;
                clients::revoke_secret(&app.authority, &client, secret, By::OPERATOR).await?;
                answer(
                    json,
                    &json!({ "client_id": id, "secret_id": secret, "revoked": true }),
                    || format!("Revoked the secret {secret}"),
                );
            }
        }
        Ok(())
    }
}

async fn find(app: &App, id: ClientId) -> Result<Client, Refused> {
    clients::client(&mut *app.db.connection().await?, id)
        .await?
        .ok_or_else(|| Refused::Because(format!("there is no client {id}")))
}

fn said(json: bool, id: ClientId, what: &str) {
    answer(json, &json!({ "client_id": id, (what): true }), || {
        format!("The client {id} is {what}, on every server")
    });
}

async fn list(app: &App, json: bool) -> Result<(), Refused> {
    let clients = clients::all_clients(&mut *app.db.connection().await?).await?;
    answer(json, &clients.iter().map(as_json).collect(), || {
        table(
            ["client_id", "name", "type", "state"],
            clients.iter().map(|client| {
                [
                    client.id.to_string(),
                    client.registration.name.clone(),
                    client.registration.kind.name().to_owned(),
                    state(client).to_owned(),
                ]
            }),
        )
    });
    Ok(())
}

fn state(client: &Client) -> &'static str {
    if client.is_disabled() {
        "disabled"
    } else {
        "enabled"
    }
}

pub(super) fn as_json(client: &Client) -> Value {
    let registration = &client.registration;
    json!({
        "client_id": client.id,
        "app_id": client.app_id,
        "account_id": client.account_id,
        "name": registration.name,
        "type": registration.kind.name(),
        "redirect_uris": registration.redirect_uris.iter().map(RedirectUri::as_str).collect::<Vec<_>>(),
        "grant_types": registration.grant_types,
        "scope": registration.scopes.to_string(),
        "publisher": registration.publisher,
        "retry_window_seconds": registration.retry_window.map(|window| window.as_secs()),
        "first_party": client.first_party,
        "publisher_verified": client.publisher_verified,
        "disabled": client.is_disabled(),
        "shut_out": client.shut_out_at.is_some(),
        "secrets": client.secrets.iter().map(|secret| json!({
            "secret_id": secret.id,
            "begins_with": secret.hint,
            "created_at": secret.created_at.unix_timestamp(),
            "expires_at": secret.expires_at.map(time::OffsetDateTime::unix_timestamp),
        })).collect::<Vec<_>>(),
    })
}

fn in_words(client: &Client) -> String {
    let registration = &client.registration;
    let mut lines = vec![
        format!("Client id:      {} ({})", client.id, state(client)),
        format!("Name:           {}", registration.name),
        format!(
            "Type:           {}{}",
            registration.kind.name(),
            if client.first_party { ", first party" } else { "" }
        ),
        format!("App:            {} of {}", client.app_id, client.account_id),
        format!("Scopes:         {}", registration.scopes),
        format!(
            "Grant types:    {}",
            registration
                .grant_types
                .iter()
                .map(|grant| grant.name())
                .collect::<Vec<_>>()
                .join(", ")
        ),
    ];
    lines.extend(
        registration
            .redirect_uris
            .iter()
            .map(|uri| format!("Redirect URI:   {}", uri.as_str())),
    );
    lines.extend(
        client
            .secrets
            .iter()
            .map(|secret| format!("Secret:         {} ({}…)", secret.id, secret.hint)),
    );
    lines.join("\n")
}

impl From<RegisterError> for Refused {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Fault(fault) => Self::Fault(fault),
            other => Self::Because(other.to_string()),
        }
    }
}

impl From<SecretError> for Refused {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::Fault(fault) => Self::Fault(fault),
            other => Self::Because(other.to_string()),
        }
    }
}
