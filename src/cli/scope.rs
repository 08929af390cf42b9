//! `claviger scope`: the catalogue of what clients may ask for.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Refused,
    output::{answer, table},
};
use crate::{
    app::App,
    audit::Actor,
    oauth::scopes::{ScopeError, add_scope, remove_scope},
    scopes::{Audience, Entry, catalogue},
    types::{Description, Scope},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a scope, or change the one of that name
    Add(Add),
    /// List the scopes
    List {
        /// Print one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a scope: nobody can ask for it any more
    Remove {
        name: String,
        /// Print one line of JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Add {
    name: Scope,
    /// What it lets an app do, as a person reads it on the consent page
    #[arg(long)]
    description: Description,
    /// Mark it on the consent page
    #[arg(long)]
    sensitive: bool,
    /// Let publishable API keys have it
    #[arg(long)]
    publishable: bool,
    /// Which clients may ask for it: any, confidential or `first_party`
    #[arg(long, default_value = "any")]
    audience: Audience,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) async fn run(self, app: App) -> Result<(), Refused> {
        match self {
            Self::Add(add) => add.run(app).await,
            Self::List { json } => list(&app, json).await,
            Self::Remove { name, json } => {
                remove_scope(&app.authority, &name, Actor::Operator, None).await?;
                answer(json, &json!({ "name": name, "removed": true }), || {
                    format!("Removed the scope {name}")
                });
                Ok(())
            }
        }
    }
}

impl Add {
    async fn run(self, app: App) -> Result<(), Refused> {
        let entry = Entry {
            scope: self.name,
            description: self.description,
            sensitive: self.sensitive,
            publishable: self.publishable,
            audience: self.audience,
        };
        add_scope(&app.authority, &entry, Actor::Operator, None).await?;
        answer(self.json, &as_json(&entry), || {
            format!("The scope {} is in the catalogue", entry.scope)
        });
        Ok(())
    }
}

async fn list(app: &App, json: bool) -> Result<(), Refused> {
    let entries = catalogue(&mut *app.db.connection().await?).await?.0;
    answer(json, &entries.iter().map(as_json).collect(), || {
        table(
            ["scope", "for", "marks", "description"],
            entries.iter().map(|entry| {
                let marks: Vec<_> = [(entry.sensitive, "sensitive"), (entry.publishable, "publishable")]
                    .into_iter()
                    .filter_map(|(is, mark)| is.then_some(mark))
                    .collect();
                [
                    entry.scope.to_string(),
                    entry.audience.name().to_owned(),
                    marks.join(", "),
                    entry.description.to_string(),
                ]
            }),
        )
    });
    Ok(())
}

fn as_json(entry: &Entry) -> Value {
    json!({
        "name": entry.scope.as_str(),
        "description": entry.description.as_str(),
        "sensitive": entry.sensitive,
        "publishable": entry.publishable,
        "audience": entry.audience.name(),
    })
}

impl From<ScopeError> for Refused {
    fn from(error: ScopeError) -> Self {
        match error {
            ScopeError::Fault(fault) => Self::Fault(fault),
            other => Self::Because(other.to_string()),
        }
    }
}
