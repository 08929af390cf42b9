//! `claviger account`: accounts, their ceilings and their members, for whoever has the server.

use std::str::FromStr;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Refused,
    output::{answer, table},
};
use crate::{
    accounts::{self, Account, MemberError, Role, UnknownRole},
    app::App,
    audit::By,
    identity::{self, User},
    types::{AccountId, Email, UserId},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List all accounts
    List {
        /// Print one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Show an account with its apps and members
    Show(One),
    /// Set how many requests a month all API keys of an account may make together
    Limit(Limit),
    /// Add, remove or change members
    #[command(subcommand)]
    Member(Member),
}

#[derive(Debug, Args)]
pub(super) struct One {
    #[arg(value_name = "ACCOUNT_ID")]
    id: AccountId,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Limit {
    #[arg(value_name = "ACCOUNT_ID")]
    id: AccountId,
    /// Requests a calendar month (UTC); `none` leaves it to the configuration
    #[arg(long, value_name = "NUMBER|none")]
    monthly: Monthly,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug)]
struct Monthly(Option<u64>);

impl FromStr for Monthly {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        if text == "none" {
            return Ok(Self(None));
        }
        match text.parse() {
            Ok(number) if (1..=i64::MAX.unsigned_abs()).contains(&number) => Ok(Self(Some(number))),
            _ => Err("a number from 1 on, or none"),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Member {
    /// Make somebody a member, without asking them
    Add(WithRole),
    /// Remove a member
    Remove(Who),
    /// Give a member another role
    Role(WithRole),
}

#[derive(Debug, Args)]
pub(super) struct Who {
    #[arg(value_name = "ACCOUNT_ID")]
    id: AccountId,
    /// The e-mail address of the person
    email: String,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct WithRole {
    #[command(flatten)]
    who: Who,
    /// owner, admin, developer or viewer
    #[arg(long, value_parser = role)]
    role: Role,
}

fn role(text: &str) -> Result<Role, UnknownRole> {
    text.parse()
}

impl Command {
    pub(super) async fn run(self, app: App) -> Result<(), Refused> {
        match self {
            Self::List { json } => list(&app, json).await,
            Self::Show(one) => show(&app, &one).await,
            Self::Limit(limit) => limit.run(&app).await,
            Self::Member(Member::Add(new)) => new.add(&app).await,
            Self::Member(Member::Role(new)) => new.change(&app).await,
            Self::Member(Member::Remove(who)) => who.remove(&app).await,
        }
    }
}

fn unknown(id: AccountId) -> Refused {
    Refused::Because(format!("there is no account {id}"))
}

fn as_json(account: &Account) -> Value {
    json!({
        "account_id": account.id,
        "name": account.name,
        "personal": account.personal,
        "monthly_limit": account.monthly_limit,
    })
}

fn limit_in_words(limit: Option<u64>) -> String {
    limit.map_or_else(|| "as configured".to_owned(), |limit| limit.to_string())
}

async fn list(app: &App, json: bool) -> Result<(), Refused> {
    let all = accounts::all_accounts(&mut *app.db.connection().await?).await?;
    answer(json, &all.iter().map(as_json).collect(), || {
        table(
            ["account", "kind", "requests a month", "name"],
            all.iter().map(|account| {
                [
                    account.id.to_string(),
                    if account.personal { "personal" } else { "team" }.to_owned(),
                    limit_in_words(account.monthly_limit),
                    account.name.clone(),
                ]
            }),
        )
    });
    Ok(())
}

async fn show(app: &App, one: &One) -> Result<(), Refused> {
    let mut connection = app.db.connection().await?;
    let account = accounts::account(&mut connection, one.id)
        .await?
        .ok_or_else(|| unknown(one.id))?;
    let apps = accounts::apps_of(&mut connection, one.id).await?;
    let members = accounts::members_of(&mut connection, one.id).await?;
    let ids: Vec<UserId> = members.iter().map(|member| member.user_id).collect();
    let people = identity::users(&mut connection, &ids).await?;
    let email = |id: UserId| {
        let user = people.iter().find(|user| user.id == id);
        user.map_or_else(String::new, |user| user.email.to_string())
    };
    let mut value = as_json(&account);
    if let Value::Object(fields) = &mut value {
        let apps = apps
            .iter()
            .map(|app| json!({ "app_id": app.id, "name": app.name }));
        fields.insert("apps".to_owned(), apps.collect());
        let members = members.iter().map(|member| {
            json!({
                "user_id": member.user_id,
                "email": email(member.user_id),
                "role": member.role.name(),
            })
        });
        fields.insert("members".to_owned(), members.collect());
    }
    answer(one.json, &value, || {
        let head = format!(
            "{} ({}), requests a month: {}, apps: {}",
            account.name,
            account.id,
            limit_in_words(account.monthly_limit),
            apps.len(),
        );
        let rows = members.iter().map(|member| {
            [
                email(member.user_id),
                member.role.name().to_owned(),
                member.user_id.to_string(),
            ]
        });
        format!("{head}\n{}", table(["member", "role", "id"], rows))
    });
    Ok(())
}

impl Limit {
    async fn run(self, app: &App) -> Result<(), Refused> {
        let Monthly(limit) = self.monthly;
        let found = accounts::set_monthly_limit(
            &app.db,
            &app.revocations,
            &app.clock,
            self.id,
            limit,
            By::OPERATOR,
        )
        .await?;
        if !found {
            return Err(unknown(self.id));
        }
        answer(
            self.json,
            &json!({ "account_id": self.id, "monthly_limit": limit }),
            || format!("Requests a month of {}: {}", self.id, limit_in_words(limit)),
        );
        Ok(())
    }
}

impl Who {
    async fn user(&self, app: &App) -> Result<User, Refused> {
        let nobody = || Refused::Because(format!("nobody has the address {}", self.email));
        let email: Email = self.email.parse().map_err(|_error| nobody())?;
        let mut connection = app.db.connection().await?;
        identity::user_by_email(&mut connection, &email)
            .await?
            .ok_or_else(nobody)
    }

    fn done(&self, user: &User, role: Option<Role>) {
        answer(
            self.json,
            &json!({ "account_id": self.id, "user_id": user.id, "role": role.map(Role::name) }),
            || match role {
                Some(role) => format!("{} is {} in {}", user.email, role.name(), self.id),
                None => format!("{} is not a member of {} any more", user.email, self.id),
            },
        );
    }

    fn refused(&self, error: MemberError) -> Refused {
        match error {
            MemberError::Fault(fault) => Refused::Fault(fault),
            MemberError::NotFound => unknown(self.id),
            other => Refused::Because(other.to_string()),
        }
    }

    async fn remove(self, app: &App) -> Result<(), Refused> {
        let user = self.user(app).await?;
        let mut transaction = app.db.begin().await?;
        accounts::remove_member(&mut transaction, &app.clock, self.id, user.id, By::OPERATOR)
            .await
            .map_err(|error| self.refused(error))?;
        transaction.commit().await?;
        self.done(&user, None);
        Ok(())
    }
}

impl WithRole {
    async fn add(self, app: &App) -> Result<(), Refused> {
        let user = self.who.user(app).await?;
        if !user.email_verified {
            return Err(Refused::Because(format!(
                "nobody has shown yet that the address {} is theirs",
                user.email
            )));
        }
        let mut transaction = app.db.begin().await?;
        let new = (user.id, self.role);
        accounts::add_member(&mut transaction, &app.clock, self.who.id, new, By::OPERATOR)
            .await
            .map_err(|error| self.who.refused(error))?;
        transaction.commit().await?;
        self.who.done(&user, Some(self.role));
        Ok(())
    }

    async fn change(self, app: &App) -> Result<(), Refused> {
        let user = self.who.user(app).await?;
        let mut transaction = app.db.begin().await?;
        accounts::change_role(
            &mut transaction,
            &app.clock,
            self.who.id,
            user.id,
            self.role,
            By::OPERATOR,
        )
        .await
        .map_err(|error| self.who.refused(error))?;
        transaction.commit().await?;
        self.who.done(&user, Some(self.role));
        Ok(())
    }
}
