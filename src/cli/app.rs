//! `claviger app`: apps of accounts, and what their API keys may do.

use clap::{Args, Subcommand};
use ipnet::IpNet;
use serde_json::{Value, json};

use super::{
    Refused,
    output::{answer, table},
    owner::owned_account,
};
use crate::{
    accounts,
    app::App,
    audit::By,
    keys::{self, AppPolicy, Asker, KeyError},
    types::{AppId, DisplayName, Email, Environment, ScopeSet},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an app
    Create(Create),
    /// List the apps of an account
    List(List),
    /// Show an app, and what its keys may do
    Show(One),
    /// Change what the keys of an app may do; what is not named stays
    Edit(Edit),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    #[arg(long)]
    name: DisplayName,
    /// Whose it is: the address of a user; without it the first operator's, or the house's own
    #[arg(long, value_name = "EMAIL")]
    owner: Option<Email>,
    #[command(flatten)]
    policy: Policy,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// What all keys of an app may do at the most.
#[derive(Debug, Args)]
struct Policy {
    /// A scope that its keys may have; may be given more than once, or with spaces between several
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<ScopeSet>,
    /// live or test; may be given more than once
    #[arg(long = "env", value_name = "ENVIRONMENT")]
    environments: Vec<Environment>,
    /// The limits of keys that have none of their own
    #[arg(long)]
    tier: Option<String>,
    /// A network that its keys may be used from; may be given more than once
    #[arg(long = "allow-ip", value_name = "CIDR", value_parser = keys::network)]
    networks: Vec<IpNet>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Whose: the address of a user; without it the first operator's, or the house's own
    #[arg(long, value_name = "EMAIL")]
    owner: Option<Email>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct One {
    #[arg(value_name = "APP_ID")]
    id: AppId,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Edit {
    #[arg(value_name = "APP_ID")]
    id: AppId,
    #[command(flatten)]
    policy: Policy,
    /// Its keys may be used from anywhere
    #[arg(long, conflicts_with = "networks")]
    allow_any_ip: bool,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

impl Policy {
    /// What is named takes the place of what there was.
    fn lay_over(self, policy: &mut AppPolicy) {
        if !self.scopes.is_empty() {
            policy.scopes = self
                .scopes
                .iter()
                .fold(ScopeSet::default(), |all, more| all.union(more));
        }
        if !self.environments.is_empty() {
            policy.environments = self.environments;
        }
        if let Some(tier) = self.tier {
            policy.tier = tier;
        }
        if !self.networks.is_empty() {
            policy.networks = self.networks;
        }
    }
}

impl Command {
    pub(super) async fn run(self, app: App) -> Result<(), Refused> {
        match self {
            Self::Create(create) => create.run(&app).await,
            Self::List(list) => list.run(&app).await,
            Self::Show(One { id, json }) => show(&app, id, json).await,
            Self::Edit(Edit {
                id,
                policy,
                allow_any_ip,
                json,
            }) => {
                let change = |own: &mut AppPolicy| {
                    policy.lay_over(own);
                    if allow_any_ip {
                        own.networks.clear();
                    }
                };
                app.keys.change_policy(id, change, Asker::OPERATOR).await?;
                show(&app, id, json).await
            }
        }
    }
}

impl Create {
    async fn run(self, app: &App) -> Result<(), Refused> {
        let mut transaction = app.db.begin().await?;
        let account = owned_account(app, &mut transaction, self.owner.as_ref()).await?;
        let id = AppId::new(&app.clock, &app.entropy);
        let place = (account, app.config.limits.apps_per_account);
        accounts::create_app(&mut transaction, &app.clock, id, place, &self.name, By::OPERATOR).await?;
        let change = |policy: &mut AppPolicy| self.policy.lay_over(policy);
        app.keys
            .change_policy_within(transaction, id, change, Asker::OPERATOR)
            .await?;
        answer(self.json, &json!({ "app_id": id, "account_id": account }), || {
            format!("App:      {} ({id})\nAccount:  {account}", self.name.as_str())
        });
        Ok(())
    }
}

impl List {
    async fn run(self, app: &App) -> Result<(), Refused> {
        let mut transaction = app.db.begin().await?;
        let account = owned_account(app, &mut transaction, self.owner.as_ref()).await?;
        let apps = accounts::apps_of(&mut transaction, account).await?;
        transaction.commit().await?;
        let value: Value = apps
            .iter()
            .map(|own| json!({ "app_id": own.id, "name": own.name, "account_id": own.account_id }))
            .collect();
        answer(self.json, &value, || {
            table(
                ["app_id", "name"],
                apps.iter().map(|own| [own.id.to_string(), own.name.clone()]),
            )
        });
        Ok(())
    }
}

async fn show(app: &App, id: AppId, json: bool) -> Result<(), Refused> {
    let own = accounts::app(&mut *app.db.connection().await?, id)
        .await?
        .ok_or(KeyError::NoApp)?;
    let policy = app.keys.policy(id, Asker::OPERATOR).await?;
    let value = json!({
        "app_id": id,
        "name": own.name,
        "account_id": own.account_id,
        "scopes": policy.scopes.to_strings(),
        "environments": policy.environments,
        "tier": policy.tier,
        "allowed_ips": policy.networks,
    });
    answer(json, &value, || {
        let environments: Vec<&str> = policy.environments.iter().map(|own| own.name()).collect();
        let networks: Vec<String> = policy.networks.iter().map(ToString::to_string).collect();
        format!(
            "App:           {} ({id})\nAccount:       {}\nScopes:        {}\nEnvironments:  {}\nTier:          {}\nFrom:          {}",
            own.name,
            own.account_id,
            policy.scopes,
            environments.join(", "),
            policy.tier,
            if networks.is_empty() {
                "anywhere".to_owned()
            } else {
                networks.join(", ")
            },
        )
    });
    Ok(())
}
