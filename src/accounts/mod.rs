//! Accounts: who owns apps and is billed, which people belong to them and what each of those may do.
//!
//! Offers the acts on accounts and apps, for callers that compose them into their own transactions, and
//! [`app_seen_by`] with [`Role::may`] to whoever decides about a request.

mod apps;
mod house;
mod model;
mod open;
mod store;

pub use apps::{AppError, create_app, delete_app, rename_app};
pub use house::house_account;
pub use model::{Account, App, Membership, Permission, Role};
pub use open::{Opened, open_personal_account};

use diesel_async::AsyncPgConnection;

use crate::types::{AccountId, AppId, Fault, UserId};

/// The accounts that `user` belongs to, their own personal one first.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn memberships_of(
    connection: &mut AsyncPgConnection,
    user: UserId,
) -> Result<Vec<Membership>, Fault> {
    store::memberships(connection, user).await
}

/// The people who own an account.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn owners_of(connection: &mut AsyncPgConnection, account: AccountId) -> Result<Vec<UserId>, Fault> {
    store::members_with(connection, account, Role::Owner).await
}

/// The account that was opened with `user`.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn personal_account_of(
    connection: &mut AsyncPgConnection,
    user: UserId,
) -> Result<Option<AccountId>, Fault> {
    store::personal_account(connection, user).await
}

/// What an account is called.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn account_name(
    connection: &mut AsyncPgConnection,
    id: AccountId,
) -> Result<Option<String>, Fault> {
    store::account_name(connection, id).await
}

/// The apps of an account, oldest first.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn apps_of(connection: &mut AsyncPgConnection, account: AccountId) -> Result<Vec<App>, Fault> {
    store::apps(connection, account).await
}

/// One app.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn app(connection: &mut AsyncPgConnection, id: AppId) -> Result<Option<App>, Fault> {
    store::app(connection, id).await
}

/// Holds an app until the transaction ends, so that nothing is added to it meanwhile; says whether it is there.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn lock_app(connection: &mut AsyncPgConnection, id: AppId) -> Result<bool, Fault> {
    store::lock_app(connection, id).await
}

/// One app and what `user` is in its account; none for strangers too, who learn nothing of it.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn app_seen_by(
    connection: &mut AsyncPgConnection,
    user: UserId,
    id: AppId,
) -> Result<Option<(App, Role)>, Fault> {
    let Some(app) = store::app(connection, id).await? else {
        return Ok(None);
    };
    let role = store::role(connection, user, app.account_id).await?;
    Ok(role.map(|role| (app, role)))
}
