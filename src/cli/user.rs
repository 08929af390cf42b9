//! `claviger user`: people made, blocked and let in again by whoever has the server.

use std::io::Read as _;

use clap::{Args, Subcommand};
use secrecy::SecretString;
use serde_json::json;

use super::{Refused, output::answer};
use crate::{
    app::App,
    audit::Actor,
    identity::{self, NewUser, Problems, SignUpError},
    oauth,
    types::InvalidEmail,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a person's account; the address counts as verified
    Create(Create),
    /// Shut a person out: their sessions and their apps' tokens end at once
    Block(Who),
    /// Let a blocked person in again
    Unblock(Who),
}

#[derive(Debug, Args)]
pub(super) struct Who {
    /// The e-mail address of the person
    email: String,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    #[arg(long, value_name = "ADDRESS")]
    email: String,
    /// Read the password from standard input
    #[arg(long, required = true)]
    password_stdin: bool,
    /// What people call themselves; without it, what stands before the @
    #[arg(long)]
    name: Option<String>,
    /// Make this person an operator, who runs the server
    #[arg(long)]
    operator: bool,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) async fn run(self, app: App) -> Result<(), Refused> {
        match self {
            Self::Create(create) => create.run(app).await,
            Self::Block(who) => who.set_blocked(app, true).await,
            Self::Unblock(who) => who.set_blocked(app, false).await,
        }
    }
}

impl Who {
    async fn set_blocked(self, app: App, blocked: bool) -> Result<(), Refused> {
        let unknown = || Refused::Because(format!("nobody has the address {}", self.email));
        let email = self.email.parse().map_err(|InvalidEmail| unknown())?;
        let user = identity::user_by_email(&mut *app.db.connection().await?, &email)
            .await?
            .ok_or_else(unknown)?;
        let changed = if blocked {
            oauth::block_user(&app.authority, user.id, Actor::Operator).await?
        } else {
            oauth::unblock_user(&app.authority, user.id, Actor::Operator).await?
        };
        if !changed {
            let was = if blocked {
                "is blocked already"
            } else {
                "is not blocked"
            };
            return Err(Refused::Because(format!("{email} {was}")));
        }
        answer(
            self.json,
            &json!({ "user_id": user.id, "blocked": blocked }),
            || {
                if blocked {
                    format!("Blocked {email}: nothing that they or their apps hold is good any more")
                } else {
                    format!("{email} can sign in again")
                }
            },
        );
        Ok(())
    }
}

impl Create {
    async fn run(self, app: App) -> Result<(), Refused> {
        let name = self
            .name
            .or_else(|| self.email.split('@').next().map(str::to_owned))
            .unwrap_or_default();
        let new = NewUser {
            name,
            email: self.email,
            password: password_from_stdin()?,
        };
        let created = app
            .identity
            .create_user(new, self.operator)
            .await
            .map_err(|error| match error {
                SignUpError::Fault(fault) => Refused::Fault(fault),
                SignUpError::Problems(problems) => Refused::Because(in_words(&problems)),
                other => Refused::Because(other.to_string()),
            })?;
        let (user, account) = (created.user, created.opened.account_id);
        answer(
            self.json,
            &json!({
                "user_id": user.id,
                "email": user.email.as_str(),
                "account_id": account,
            }),
            || {
                let role = if user.operator { "operator" } else { "user" };
                format!(
                    "Made the {role} {} ({}), with the account {account}",
                    user.email, user.id
                )
            },
        );
        Ok(())
    }
}

/// The first line; what shells and editors put after it is not part of it.
fn password_from_stdin() -> Result<SecretString, Refused> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Refused::Because("no password came on standard input".to_owned()));
    }
    Ok(line.to_owned().into())
}

fn in_words(problems: &Problems) -> String {
    [
        ("name", &problems.name),
        ("e-mail address", &problems.email),
        ("password", &problems.password),
    ]
    .into_iter()
    .filter_map(|(field, problem)| problem.as_ref().map(|problem| format!("{field}: {problem}")))
    .collect::<Vec<_>>()
    .join(" ")
}
