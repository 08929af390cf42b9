//! Apps: made, renamed and deleted by members whose role allows it. Each act runs in the caller's
//! transaction: whoever deletes an app first takes back what its clients hold, in the same one.

use diesel_async::AsyncPgConnection;

use super::{
    model::{App, Permission},
    store,
};
use crate::{
    audit::{Action, Actor, Record, Subject},
    types::{AccountId, AppId, ClientContext, Clock, DisplayName, Entropy, Fault, UserId},
};

/// Why nothing was done to an app.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// There is none, or it is not this person's to see.
    #[error("no such app")]
    NotFound,
    /// The person sees it, but their role does not reach so far.
    #[error("not allowed")]
    Forbidden,
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Adds an app to an account.
///
/// # Errors
///
/// [`AppError`]; for an account that is not this person's to see, [`AppError::NotFound`].
pub async fn create_app(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    entropy: &Entropy,
    account_id: AccountId,
    name: &DisplayName,
    (user, context): (UserId, Option<&ClientContext>),
) -> Result<App, AppError> {
    permit(connection, user, account_id, Permission::WriteApps).await?;
    let app = App {
        id: AppId::new(clock, entropy),
        account_id,
        name: name.to_string(),
        created_at: clock.now(),
    };
    store::insert_app(connection, &app).await?;
    Record::done(
        app.created_at,
        Actor::User(user),
        Action::AppCreated,
        Subject::App(app.id),
    )
    .account(account_id)
    .from(context)
    .detail("name", app.name.as_str())
    .write(connection)
    .await?;
    Ok(app)
}

/// Gives an app another name.
///
/// # Errors
///
/// [`AppError`].
pub async fn rename_app(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    id: AppId,
    name: &DisplayName,
    (user, context): (UserId, Option<&ClientContext>),
) -> Result<App, AppError> {
    let app = permitted(connection, user, id, Permission::WriteApps).await?;
    store::rename_app(connection, id, name.as_str()).await?;
    Record::done(
        clock.now(),
        Actor::User(user),
        Action::AppRenamed,
        Subject::App(id),
    )
    .account(app.account_id)
    .from(context)
    .detail("from", app.name.as_str())
    .detail("name", name.as_str())
    .write(connection)
    .await?;
    Ok(App {
        name: name.to_string(),
        ..app
    })
}

/// Deletes an app with all rows that hang on it.
///
/// # Errors
///
/// [`AppError`].
pub async fn delete_app(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    id: AppId,
    (user, context): (UserId, Option<&ClientContext>),
) -> Result<App, AppError> {
    let app = permitted(connection, user, id, Permission::Delete).await?;
    store::delete_app(connection, id).await?;
    Record::done(
        clock.now(),
        Actor::User(user),
        Action::AppDeleted,
        Subject::App(id),
    )
    .account(app.account_id)
    .from(context)
    .detail("name", app.name.as_str())
    .write(connection)
    .await?;
    Ok(app)
}

async fn permit(
    connection: &mut AsyncPgConnection,
    user: UserId,
    account: AccountId,
    permission: Permission,
) -> Result<(), AppError> {
    match store::role(connection, user, account).await? {
        None => Err(AppError::NotFound),
        Some(role) if role.may(permission) => Ok(()),
        Some(_) => Err(AppError::Forbidden),
    }
}

async fn permitted(
    connection: &mut AsyncPgConnection,
    user: UserId,
    id: AppId,
    permission: Permission,
) -> Result<App, AppError> {
    let app = store::app(connection, id).await?.ok_or(AppError::NotFound)?;
    permit(connection, user, app.account_id, permission).await?;
    Ok(app)
}
