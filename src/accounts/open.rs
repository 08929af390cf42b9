//! An account of one's own: opened with each person, with a first app in it.

use diesel_async::AsyncPgConnection;

use super::{
    model::{Account, App, Role},
    store,
};
use crate::{
    audit::{Action, By, Subject},
    types::{AccountId, AppId, Clock, DisplayName, Entropy, Fault, UserId},
};

/// What was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    pub account_id: AccountId,
    pub app_id: AppId,
}

const FIRST_APP: &str = "My first app";

/// Opens the personal account of `user` with a first app, in the transaction that makes the person.
///
/// # Errors
///
/// If the database is out of reach, or that person has a personal account already.
pub async fn open_personal_account(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    entropy: &Entropy,
    user: UserId,
    name: &DisplayName,
    by: By<'_>,
) -> Result<Opened, Fault> {
    let now = clock.now();
    let account = Account {
        id: AccountId::new(clock, entropy),
        name: name.to_string(),
        personal: true,
        monthly_limit: None,
        created_at: now,
    };
    let app = App {
        id: AppId::new(clock, entropy),
        account_id: account.id,
        name: FIRST_APP.to_owned(),
        created_at: now,
    };
    store::insert_account(connection, &account, Some(user)).await?;
    store::insert_member(connection, account.id, user, Role::Owner, now).await?;
    store::insert_app(connection, &app).await?;
    by.done(now, Action::AppCreated, Subject::App(app.id))
        .account(account.id)
        .detail("name", app.name.as_str())
        .write(connection)
        .await?;
    Ok(Opened {
        account_id: account.id,
        app_id: app.id,
    })
}
