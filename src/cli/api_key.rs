//! `claviger key`: API keys made, looked at and taken back by whoever has the server. (`claviger keys` are the server's own.)

use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use clap::{Args, Subcommand};
use ipnet::IpNet;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    Refused,
    output::{answer, table},
};
use crate::{
    app::App,
    keys::{self, ApiKey, Asker, KeyError, KeyKind, Made, NewKey, Overlap, OwnLimits},
    types::{ApiKeyId, AppId, DisplayName, Environment, ScopeSet},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a key; its value is shown once
    Create(Create),
    /// List the keys of an app
    List(List),
    /// Make a successor; the old key lives on for a while
    Rotate(Rotate),
    /// Give a key a new value; the old one is good for nothing at once
    Regenerate(One),
    /// Revoke a key that was rotated, once nothing uses it any more
    Retire(Retire),
    /// Take a key back: at once, everywhere, for good
    Revoke(One),
    /// Print the regular expression by which scanners find keys of this deployment
    Expression,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    #[arg(long, value_name = "APP_ID")]
    app: AppId,
    /// sk (secret), pk (publishable) or rk (restricted: with the scopes that it names alone)
    #[arg(long)]
    kind: KeyKind,
    /// live or test
    #[arg(long = "env", value_name = "ENVIRONMENT")]
    environment: Environment,
    #[arg(long)]
    name: DisplayName,
    /// What it may do; may be given more than once, or with spaces between several
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<ScopeSet>,
    /// The form of the key
    #[arg(long, default_value = crate::config::DEFAULT_FAMILY)]
    family: String,
    #[arg(long, value_name = "N")]
    rate_limit_per_hour: Option<NonZeroU64>,
    /// Requests a calendar month (UTC)
    #[arg(long, value_name = "N")]
    monthly_limit: Option<NonZeroU64>,
    #[arg(long, value_name = "N")]
    per_second: Option<NonZeroU32>,
    /// How long it lives, such as 90d
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    expires_in: Option<Duration>,
    /// A network that it may be used from; may be given more than once
    #[arg(long = "allow-ip", value_name = "CIDR", value_parser = keys::network)]
    networks: Vec<IpNet>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[arg(long, value_name = "APP_ID")]
    app: AppId,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct One {
    #[arg(value_name = "KEY_ID")]
    id: ApiKeyId,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    #[arg(value_name = "KEY_ID")]
    id: ApiKeyId,
    /// How long the old key lives on, 0s to 72h; without it as long as is configured
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    overlap: Option<Duration>,
    /// The old key lives on until it is retired
    #[arg(long, conflicts_with = "overlap")]
    until_retired: bool,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Retire {
    #[arg(value_name = "KEY_ID")]
    id: ApiKeyId,
    /// Though it was used in the last hour
    #[arg(long)]
    force: bool,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) async fn run(self, app: App) -> Result<(), Refused> {
        let keys = &app.keys;
        match self {
            Self::Create(create) => create.run(&app).await,
            Self::List(List { app: id, json }) => list(&app, id, json).await,
            Self::Expression => {
                println!("{}", keys.formats.expression());
                Ok(())
            }
            Self::Rotate(rotate) => {
                let overlap = if rotate.until_retired {
                    Some(Overlap::UntilRetired)
                } else {
                    rotate.overlap.map(Overlap::For)
                };
                let successor = ApiKeyId::new(&app.clock, &app.entropy);
                let made = keys
                    .rotate(rotate.id, successor, overlap, None, Asker::OPERATOR)
                    .await?;
                tell(rotate.json, &made, &app);
                Ok(())
            }
            Self::Regenerate(One { id, json }) => {
                let made = keys.regenerate(id, None, Asker::OPERATOR).await?;
                tell(json, &made, &app);
                Ok(())
            }
            Self::Retire(Retire { id, force, json }) => {
                keys.retire(id, force, Asker::OPERATOR).await?;
                said(json, id, "retired");
                Ok(())
            }
            Self::Revoke(One { id, json }) => {
                keys.revoke(id, Asker::OPERATOR).await?;
                said(json, id, "revoked");
                Ok(())
            }
        }
    }
}

impl Create {
    async fn run(self, app: &App) -> Result<(), Refused> {
        let scopes = (!self.scopes.is_empty()).then(|| {
            self.scopes
                .iter()
                .fold(ScopeSet::default(), |all, more| all.union(more))
        });
        let expires_at = self
            .expires_in
            .map(|length| {
                time::Duration::try_from(length)
                    .ok()
                    .and_then(|length| app.clock.now().checked_add(length))
                    .ok_or_else(|| Refused::Because("--expires-in: that is too long".to_owned()))
            })
            .transpose()?;
        let new = NewKey {
            app: self.app,
            family: self.family,
            kind: self.kind,
            environment: self.environment,
            name: self.name,
            scopes,
            limits: OwnLimits {
                per_second: self.per_second,
                per_hour: self.rate_limit_per_hour,
                per_month: self.monthly_limit,
            },
            expires_at,
            networks: self.networks,
        };
        let id = ApiKeyId::new(&app.clock, &app.entropy);
        let made = app.keys.create(id, &new, None, Asker::OPERATOR).await?;
        tell(self.json, &made, app);
        Ok(())
    }
}

/// A key that was made, with its value.
fn tell(json: bool, made: &Made, app: &App) {
    let mut value = as_json(&made.key, app.clock.now());
    if let (Some(secret), Some(fields)) = (&made.value, value.as_object_mut()) {
        fields.insert("key".to_owned(), secret.expose().into());
    }
    answer(json, &value, || {
        let secret = made.value.as_ref().map_or("", |secret| secret.expose());
        format!(
            "Key id:  {}\nKey:     {secret}   (shown once)\nScopes:  {}",
            made.key.id, made.key.settings.scopes
        )
    });
}

fn said(json: bool, id: ApiKeyId, what: &str) {
    answer(json, &json!({ "key_id": id, (what): true }), || {
        format!("The key {id} is {what}, on every server")
    });
}

fn moment(at: OffsetDateTime) -> Option<String> {
    at.format(&Rfc3339).ok()
}

fn as_json(key: &ApiKey, now: OffsetDateTime) -> Value {
    json!({
        "key_id": key.id,
        "app_id": key.app_id,
        "account_id": key.account_id,
        "display_hint": key.hint,
        "name": key.settings.name.as_str(),
        "kind": key.kind.name(),
        "environment": key.environment,
        "family": key.family,
        "scopes": key.settings.scopes.to_strings(),
        "state": key.state(now).name(),
        "created_at": moment(key.created_at),
        "expires_at": key.settings.expires_at.and_then(moment),
        "last_used_at": key.last_used_at.and_then(moment),
        "successor_id": key.successor_id,
    })
}

async fn list(app: &App, id: AppId, json: bool) -> Result<(), Refused> {
    let now = app.clock.now();
    let keys = app.keys.keys_of_app(id, None, u32::MAX, Asker::OPERATOR).await?;
    answer(json, &keys.iter().map(|key| as_json(key, now)).collect(), || {
        table(
            ["key_id", "begins with", "name", "state", "scopes"],
            keys.iter().map(|key| {
                [
                    key.id.to_string(),
                    key.hint.clone(),
                    key.settings.name.to_string(),
                    key.state(now).name().to_owned(),
                    key.settings.scopes.to_string(),
                ]
            }),
        )
    });
    Ok(())
}

impl From<KeyError> for Refused {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Fault(fault) => Self::Fault(fault),
            other => Self::Because(other.to_string()),
        }
    }
}
