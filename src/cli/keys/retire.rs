use clap::Args;
use serde_json::json;

use super::{
    super::{Refused, output::answer},
    list::hanging,
    moment,
};
use crate::{
    app::App,
    audit::Actor,
    crypto::{KeyId, KeyState, Purpose},
    oauth::derived_keys::{self, KeyUse, RetireError},
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Retire {
    /// The id of a derived key, or the kid of a signing key (see `keys list`)
    #[arg(
        required_unless_present = "old_masters",
        conflicts_with = "old_masters",
        allow_hyphen_values = true
    )]
    id: Option<String>,
    /// All that come from another master key than the newest
    #[arg(long)]
    old_masters: bool,
    /// Do it: without, it only says what would stop working
    #[arg(long)]
    yes: bool,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

impl From<RetireError> for Refused {
    fn from(error: RetireError) -> Self {
        match error {
            RetireError::Fault(fault) => Self::Fault(fault),
            RetireError::Unknown(_) | RetireError::Already(_) | RetireError::StillSeals { .. } => {
                Self::Because(error.to_string())
            }
        }
    }
}

impl Retire {
    pub(super) async fn run(self, app: &App) -> Result<(), Refused> {
        match &self.id {
            Some(id) => match id.parse() {
                Ok(id) => self.one(app, KeyId(id)).await,
                Err(_) => self.signing(app, id).await,
            },
            None => self.old_masters(app).await,
        }
    }

    async fn signing(&self, app: &App, kid: &str) -> Result<(), Refused> {
        let unknown = || {
            Refused::Because(format!(
                "there is no signing key {kid}: `claviger keys list` shows which there are"
            ))
        };
        let signing = &app.authority.signing;
        if !signing.status().iter().any(|key| key.kid == kid) {
            return Err(unknown());
        }
        self.ask(&[format!(
            "access tokens and ID tokens that key {kid} signed (clients get new ones when they refresh)"
        )])?;
        let at = signing.retire(kid, Actor::Operator).await?.ok_or_else(unknown)?;
        answer(self.json, &json!({ "retired": [kid], "at": moment(at) }), || {
            format!(
                "Signing key {kid} ends at {}, on every server. Resource servers that keep a copy of the key set \
                 believe it until they read that anew",
                moment(at)
            )
        });
        Ok(())
    }

    async fn one(&self, app: &App, id: KeyId) -> Result<(), Refused> {
        let own = derived_keys::retirable(&app.authority, id).await?;
        self.ask(&[stops(&own)])?;
        let retired = derived_keys::retire(&app.authority, id, Actor::Operator).await?;
        let value = json!({ "retired": [id.0], "at": moment(retired.at), "hanging": retired.was.hanging });
        answer(self.json, &value, || {
            let successor = if own.key.state == KeyState::Current {
                "; its successor takes over in that moment"
            } else {
                ""
            };
            format!(
                "Derived key {} ends at {}, on every server{successor}",
                id.0,
                moment(retired.at)
            )
        });
        Ok(())
    }

    async fn old_masters(&self, app: &App) -> Result<(), Refused> {
        let leaving = derived_keys::of_old_masters(&app.authority).await?;
        if leaving.ends.is_empty() && leaving.stays.is_empty() {
            answer(
                self.json,
                &json!({ "retired": [], "left_to_the_job": [] }),
                || "Every derived key comes from the newest master key: there is nothing to do".to_owned(),
            );
            return Ok(());
        }
        self.ask(&leaving.ends.iter().map(stops).collect::<Vec<_>>())?;
        let left = derived_keys::leave_old_masters(&app.authority, Actor::Operator).await?;
        let value = json!({ "retired": ids(&left.ends), "left_to_the_job": ids(&left.stays) });
        answer(self.json, &value, || {
            format!(
                "Retired {} derived keys: they end in 30 seconds, on every server. {} more protect what is stored, and \
                 are retired when that has moved to new keys: see `claviger keys list`",
                left.ends.len(),
                left.stays.len()
            )
        });
        Ok(())
    }

    /// Says what stops working, and goes on only with `--yes`.
    fn ask(&self, stops: &[String]) -> Result<(), Refused> {
        if self.yes {
            return Ok(());
        }
        Err(Refused::Because(format!(
            "this stops working: {}. Say --yes to do it",
            stops.join("; ")
        )))
    }
}

fn ids(keys: &[KeyUse]) -> Vec<i32> {
    keys.iter().map(|own| own.key.id.0).collect()
}

fn stops(own: &KeyUse) -> String {
    let consequence = match own.key.purpose {
        Purpose::RefreshToken => "people will connect these apps again",
        Purpose::ClientSecret => "these clients need new secrets",
        Purpose::AuthorizationCode => "logins that are under way begin again",
        Purpose::KnownBrowser => "their people wait as strangers do when somebody guesses at their account",
        Purpose::Csrf => "whoever sends one must load its page again",
        Purpose::Fingerprint => "they begin anew",
        Purpose::ApiKey => "these keys must be made anew",
        Purpose::ApiKeyBody => "whoever repeats one must begin a new one",
        Purpose::SigningKey | Purpose::ClientContext | Purpose::WebhookSecret => "nothing hangs on it",
    };
    format!("{} (key {}: {consequence})", hanging(own), own.key.id.0)
}
