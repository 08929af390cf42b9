//! `claviger client create`.

use clap::Args;
use serde_json::json;

use super::{Refused, output::answer, owner::owned_account};
use crate::{
    accounts::{self, AppError},
    app::App,
    audit::By,
    config::SigningAlgorithm,
    oauth::clients::{ClientKind, GrantType, Registration, register_client},
    scopes,
    types::{AccountId, AppId, ClientId, DisplayName, Email, Fault, RedirectUri, ScopeSet},
};

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The name that people are shown
    #[arg(long)]
    name: String,
    /// public (it cannot keep a secret: apps on people's machines) or confidential
    #[arg(long = "type", value_name = "TYPE")]
    kind: ClientKind,
    /// Where answers may go; may be given more than once
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<RedirectUri>,
    /// The most it may ask for, with spaces between scopes; without it, what it takes to log people in
    #[arg(long, value_name = "SCOPES")]
    scope: Option<ScopeSet>,
    /// Grant types, with commas between them
    #[arg(
        long,
        value_name = "TYPES",
        value_delimiter = ',',
        default_value = "authorization_code,refresh_token"
    )]
    grant: Vec<GrantType>,
    /// Whose it is: the address of a user; without it the first operator's, or the house's own
    #[arg(long, value_name = "EMAIL")]
    owner: Option<Email>,
    /// The app that it belongs to, by name, made where there is none; without it, one named like the client
    #[arg(long, value_name = "NAME")]
    app: Option<DisplayName>,
    /// The operator's own: people need not be asked for consent
    #[arg(long)]
    first_party: bool,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

impl From<AppError> for Refused {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Fault(fault) => Self::Fault(fault),
            other @ (AppError::NotFound | AppError::Forbidden | AppError::TooMany(_) | AppError::Again) => {
                Self::Because(other.to_string())
            }
        }
    }
}

impl Create {
    pub(super) async fn run(self, app: App) -> Result<(), Refused> {
        let registration = Registration {
            name: self.name.trim().to_owned(),
            kind: self.kind,
            redirect_uris: self.redirect_uris,
            scopes: match self.scope {
                Some(scopes) => scopes,
                None if self.grant.contains(&GrantType::AuthorizationCode) => login_scopes()?,
                None => ScopeSet::default(),
            },
            grant_types: self.grant,
            optional_scopes: ScopeSet::default(),
            publisher: None,
            id_token_alg: SigningAlgorithm::ES256,
            retry_window: None,
        };
        let app_name = match self.app {
            Some(name) => name,
            None => registration
                .name
                .parse()
                .map_err(|error| Refused::Because(format!("--name: {error}")))?,
        };
        // Before an app is made for it.
        let catalogue = scopes::catalogue(&mut *app.db.connection().await?).await?;
        registration
            .check(&catalogue, self.first_party)
            .map_err(|error| Refused::Because(error.to_string()))?;
        let (account, app_id) = place(&app, self.owner.as_ref(), &app_name).await?;
        let registered = register_client(
            &app.authority,
            ClientId::new(&app.clock, &app.entropy),
            (account, app_id),
            &registration,
            self.first_party,
            By::OPERATOR,
        )
        .await?;
        let mut value = json!({ "client_id": registered.id, "app_id": app_id });
        if let (Some(secret), Some(fields)) = (&registered.secret, value.as_object_mut()) {
            fields.insert("client_secret".to_owned(), secret.expose().into());
        }
        answer(self.json, &value, || {
            let mut text = format!(
                "Client id:      {}\nApp:            {app_name} ({app_id})",
                registered.id
            );
            if let Some(secret) = &registered.secret {
                text = format!("{text}\nClient secret:  {}   (shown once)", secret.expose());
            }
            text
        });
        Ok(())
    }
}

fn login_scopes() -> Result<ScopeSet, Refused> {
    "openid profile email offline_access"
        .parse()
        .map_err(|error| Refused::Fault(Fault::internal(error)))
}

/// The account and the app that a new client goes to.
async fn place(app: &App, owner: Option<&Email>, name: &DisplayName) -> Result<(AccountId, AppId), Refused> {
    let mut transaction = app.db.begin().await?;
    let account = owned_account(app, &mut transaction, owner).await?;
    let found = accounts::apps_of(&mut transaction, account)
        .await?
        .into_iter()
        .find(|own| own.name == name.as_str());
    let by = By::OPERATOR;
    let own = if let Some(own) = found {
        own
    } else {
        let id = AppId::new(&app.clock, &app.entropy);
        let place = (account, app.config.limits.apps_per_account);
        accounts::create_app(&mut transaction, &app.clock, id, place, name, by).await?
    };
    transaction.commit().await?;
    Ok((account, own.id))
}
