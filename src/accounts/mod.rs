//! Accounts: who owns apps and is billed, which people belong to them and what each of those may do.
//!
//! Offers the acts on accounts, members and apps, for callers that compose them into their own transactions, and
//! [`app_seen_by`] with [`Role::may`] to whoever decides about a request.

mod apps;
mod change_role;
mod cleanup;
mod house;
mod invite;
mod limit;
mod members;
mod model;
mod open;
mod remove_member;
mod store;
mod team;

pub use apps::{AppError, create_app, delete_app, rename_app};
pub use change_role::{change_role, hand_over};
pub use cleanup::cleanup;
pub use house::house_account;
pub use invite::{
    NewLink, accept_invitation, add_member, invitations_of, invite, look_at_invitation, renew_invitation,
    void_invitations_by, withdraw_invitation,
};
pub use limit::set_monthly_limit;
pub use members::MemberError;
pub use model::{Account, App, Invitation, Member, Membership, Permission, Role, UnknownRole};
pub use open::{Opened, open_personal_account};
pub use remove_member::{leave, remove_member};
pub use team::{close_team, open_team, rename_account};

use diesel_async::AsyncPgConnection;

use crate::{
    audit::{Actor, By},
    types::{AccountId, AppId, Fault, UserId},
};

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

/// An account by id.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn account(connection: &mut AsyncPgConnection, id: AccountId) -> Result<Option<Account>, Fault> {
    store::account(connection, id).await
}

/// Every account, oldest first.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn all_accounts(connection: &mut AsyncPgConnection) -> Result<Vec<Account>, Fault> {
    store::accounts(connection).await
}

/// What `user` is in an account; none for strangers.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn role_in(
    connection: &mut AsyncPgConnection,
    account: AccountId,
    user: UserId,
) -> Result<Option<Role>, Fault> {
    store::role(connection, user, account).await
}

/// The same for an act: nobody loses their role in the middle of one, for it is held until the transaction ends.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn held_role_in(
    connection: &mut AsyncPgConnection,
    account: AccountId,
    user: UserId,
) -> Result<Option<Role>, Fault> {
    store::held_role(connection, user, account).await
}

/// Whether whoever acts may still do that to what belongs to an account. Operators, keys and clients act by what they have
/// shown already, and not as members.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn still_may(
    connection: &mut AsyncPgConnection,
    account: AccountId,
    permission: Permission,
    by: By<'_>,
) -> Result<bool, Fault> {
    let Actor::User(user) = by.actor else {
        return Ok(true);
    };
    let role = held_role_in(connection, account, user).await?;
    Ok(by.operator || role.is_some_and(|role| role.may(permission)))
}

/// Everybody in an account, in the order in which they came.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn members_of(
    connection: &mut AsyncPgConnection,
    account: AccountId,
) -> Result<Vec<Member>, Fault> {
    store::members(connection, account).await
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

/// Holds several in one order, so that two who hold some of the same do not wait for each other.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn hold_apps(connection: &mut AsyncPgConnection, ids: &[AppId]) -> Result<(), Fault> {
    store::hold_apps(connection, ids).await
}

/// The owners and admins of some accounts.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn admins_of(
    connection: &mut AsyncPgConnection,
    accounts: &[AccountId],
) -> Result<Vec<(AccountId, UserId)>, Fault> {
    store::admins(connection, accounts).await
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
