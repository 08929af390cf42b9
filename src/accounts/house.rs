//! What the command line makes for nobody in particular: an account of the house, and apps in any account.

use diesel_async::AsyncPgConnection;

use super::{
    model::{Account, App},
    store,
};
use crate::{
    audit::{Action, Actor, Record, Subject},
    types::{AccountId, AppId, Clock, DisplayName, Entropy, Fault},
};

/// The name of the account that nobody is a member of.
const HOUSE: &str = "Operator";

/// The account of the house, for what belongs to no person; made where there is none yet.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn house_account(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    entropy: &Entropy,
) -> Result<AccountId, Fault> {
    store::lock_house(connection).await?;
    if let Some(account) = store::account_without_members(connection, HOUSE).await? {
        return Ok(account);
    }
    let account = Account {
        id: AccountId::new(clock, entropy),
        name: HOUSE.to_owned(),
        personal: false,
        created_at: clock.now(),
    };
    store::insert_account(connection, &account, None).await?;
    Ok(account.id)
}

/// Adds an app to an account, as whoever has the command line.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn create_app_for(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    entropy: &Entropy,
    account_id: AccountId,
    name: &DisplayName,
) -> Result<App, Fault> {
    let app = App {
        id: AppId::new(clock, entropy),
        account_id,
        name: name.to_string(),
        created_at: clock.now(),
    };
    store::insert_app(connection, &app).await?;
    Record::done(
        app.created_at,
        Actor::Operator,
        Action::AppCreated,
        Subject::App(app.id),
    )
    .account(account_id)
    .detail("name", app.name.as_str())
    .write(connection)
    .await?;
    Ok(app)
}
