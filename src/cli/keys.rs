//! `claviger keys`: which keys there are, and their successors. Older keys go on opening and verifying.

use clap::{Args, Subcommand};
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    Refused,
    output::{answer, table},
};
use crate::{
    app::{self, App},
    audit::{Action, Actor, Record, Subject},
    config::{Config, MasterKeySource},
    crypto::Purpose,
    types::Entropy,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show which keys there are; no key is ever shown itself
    Status {
        /// Print one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Make successors of keys: of all derived keys, or of what is named
    Rotate(Rotate),
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct Which {
    /// Only the derived key of this purpose (see `keys status`)
    #[arg(long, value_parser = purpose)]
    purpose: Option<Purpose>,
    /// The keys that sign tokens
    #[arg(long)]
    signing: bool,
    /// The master key, where it is in a file; servers use it once they are started again
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
            Self::Status { json } => {
                status(&app, json);
                Ok(())
            }
            Self::Rotate(rotate) => rotate.run(&app).await,
        }
    }

    /// What needs no database, and must not be done with one at hand: the keys derived from a new master key
    /// come with the next start.
    pub(super) fn without_database(&self, config: &Config) -> Option<Result<(), Refused>> {
        match self {
            Self::Rotate(Rotate { which, json }) if which.master => Some(rotate_master(config, *json)),
            _ => None,
        }
    }
}

fn status(app: &App, json: bool) {
    let derived = app.keyring.status();
    let signing = app.authority.signing.status();
    let value = json!({
        "derived": derived.iter().map(|key| json!({
            "id": key.id.0,
            "purpose": key.purpose.name(),
            "master_key": key.master_key_id,
            "active_from": moment(key.active_from),
            "current": key.current,
        })).collect::<Vec<_>>(),
        "signing": signing.iter().map(|key| json!({
            "kid": key.kid,
            "alg": format!("{:?}", key.algorithm),
            "signs_from": moment(key.signs_from),
            "signs_until": key.signs_until.map(moment),
        })).collect::<Vec<_>>(),
    });
    answer(json, &value, || {
        let derived = table(
            ["derived key", "purpose", "master key", "active from", ""],
            derived.iter().map(|key| {
                [
                    key.id.0.to_string(),
                    key.purpose.name().to_owned(),
                    key.master_key_id.clone(),
                    moment(key.active_from),
                    if key.current { "in use" } else { "" }.to_owned(),
                ]
            }),
        );
        let signing = table(
            ["signing key", "alg", "signs from", "until"],
            signing.iter().map(|key| {
                [
                    key.kid.clone(),
                    format!("{:?}", key.algorithm),
                    moment(key.signs_from),
                    key.signs_until.map(moment).unwrap_or_default(),
                ]
            }),
        );
        format!("{derived}\n\n{signing}")
    });
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
        let mut transaction = app.db.begin().await?;
        for purpose in &purposes {
            let version = app.keyring.rotate(&mut transaction, *purpose).await?;
            Record::done(
                app.clock.now(),
                Actor::Operator,
                Action::KeyRotated,
                Subject::Key(purpose.name().to_owned()),
            )
            .detail("version", version)
            .write(&mut transaction)
            .await?;
        }
        transaction.commit().await?;
        let names: Vec<_> = purposes.iter().map(|purpose| purpose.name()).collect();
        answer(self.json, &json!({ "rotated": names }), || {
            format!(
                "Rotated {}: the new keys are in use in 30 seconds, and what the old ones sealed is sealed anew \
                 by a job",
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
             between, and start the servers again"
                .to_owned(),
        ));
    }
    let keys = app::master_key_file(config)
        .rotate(&Entropy::system())
        .map_err(|error| Refused::Because(error.to_string()))?;
    let ids: Vec<_> = keys.ids().collect();
    answer(json, &json!({ "rotated": "master", "master_keys": ids }), || {
        "Made a new master key. Give the file to every server, back it up, and start all servers again: from \
         then on new keys are derived from it"
            .to_owned()
    });
    Ok(())
}
