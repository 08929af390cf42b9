//! `claviger keys`: which keys there are, their successors, and their end. An older key goes on opening and verifying
//! until nothing needs it any more, or an operator ends it.

mod list;
mod retire;

use clap::{Args, Subcommand};
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Refused, output::answer};
use crate::{
    app::{self, App},
    audit::Actor,
    config::{Config, MasterKeySource},
    crypto::Purpose,
    oauth::derived_keys,
    types::Entropy,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show which keys there are, how long each serves, and what hangs on it; no key is ever shown itself
    List {
        /// Show those that are retired, too
        #[arg(long)]
        all: bool,
        /// Print one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Make successors of keys: of all derived keys, or of what is named
    Rotate(Rotate),
    /// End derived keys that have leaked, with all that they made
    Retire(retire::Retire),
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct Which {
    /// Only the derived key of this purpose (see `keys list`)
    #[arg(long, value_parser = purpose)]
    purpose: Option<Purpose>,
    /// The keys that sign tokens
    #[arg(long)]
    signing: bool,
    /// The master key, where it is in a file; further keys are derived from it by the next `keys rotate`
    #[arg(long)]
    master: bool,
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    #[command(flatten)]
    which: Which,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

fn purpose(name: &str) -> Result<Purpose, String> {
    Purpose::ALL
        .into_iter()
        .find(|purpose| purpose.name() == name)
        .ok_or_else(|| {
            let names: Vec<_> = Purpose::ALL.iter().map(|purpose| purpose.name()).collect();
            format!("one of {}", names.join(", "))
        })
}

fn moment(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

impl Command {
    pub(super) async fn run(self, app: App) -> Result<(), Refused> {
        match self {
            Self::List { all, json } => list::run(&app, all, json).await,
            Self::Rotate(rotate) => rotate.run(&app).await,
            Self::Retire(retire) => retire.run(&app).await,
        }
    }

    /// What needs no database.
    pub(super) fn without_database(&self, config: &Config) -> Option<Result<(), Refused>> {
        match self {
            Self::Rotate(Rotate { which, json }) if which.master => Some(rotate_master(config, *json)),
            _ => None,
        }
    }
}

impl Rotate {
    async fn run(self, app: &App) -> Result<(), Refused> {
        if self.which.signing {
            let made = app.authority.signing.rotate_now(Actor::Operator).await?;
            answer(self.json, &json!({ "rotated": "signing", "keys": made }), || {
                let lead = app.config.oauth.signing_key_lead;
                format!("Made {made} signing keys: published within a minute, they sign in {lead}")
            });
            return Ok(());
        }
        let purposes = self
            .which
            .purpose
            .map_or_else(|| Purpose::ALL.to_vec(), |purpose| vec![purpose]);
        derived_keys::rotate(&app.authority, &purposes, Actor::Operator).await?;
        let names: Vec<_> = purposes.iter().map(|purpose| purpose.name()).collect();
        answer(self.json, &json!({ "rotated": names }), || {
            format!(
                "Rotated {}: the new keys are in use in 30 seconds. The old ones go on opening and verifying, and are \
                 retired when nothing needs them any more: see `claviger keys list`",
                names.join(", ")
            )
        });
        Ok(())
    }
}

fn rotate_master(config: &Config, json: bool) -> Result<(), Refused> {
    if config.master_key.source != MasterKeySource::File {
        return Err(Refused::Because(
            "the master key comes from the environment: put a new one before the old ones there, with a comma \
             between, start the servers again one by one, and then run `claviger keys rotate`"
                .to_owned(),
        ));
    }
    let keys = app::master_key_file(config)
        .rotate(&Entropy::system())
        .map_err(|error| Refused::Because(error.to_string()))?;
    let ids: Vec<_> = keys.ids().collect();
    answer(json, &json!({ "rotated": "master", "master_keys": ids }), || {
        "Made a new master key. Give the file to every server and back it up; no server needs a restart. Then derive \
         keys from it: `claviger keys rotate`, or, if the old one has leaked, `claviger keys retire --old-masters`"
            .to_owned()
    });
    Ok(())
}
