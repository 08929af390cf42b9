//! Apps: made, renamed and deleted by members whose role allows it. Each act runs in the caller's
//! transaction: whoever deletes an app first takes back what its clients hold, in the same one.

use diesel_async::AsyncPgConnection;

use super::{
    model::{App, Permission},
    store,
};
use crate::{
    audit::{Action, Actor, By, Subject},
    types::{AccountId, AppId, Clock, DisplayName, Fault},
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
    #[error(
        "the account has {0} apps already, the most that limits.apps_per_account allows: delete one, or raise it"
    )]
    TooMany(u32),
    /// That app was made already; this is the same one again.
    #[error("it was made already")]
    Again,
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Adds an app to an account that may have so many, under an id that is new, or was meant for this one app. After an error
/// the transaction is void.
///
/// # Errors
///
/// [`AppError`]; for an account that is not this person's to see, [`AppError::NotFound`].
pub async fn create_app(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    id: AppId,
    (account_id, most): (AccountId, u32),
    name: &DisplayName,
    by: By<'_>,
) -> Result<App, AppError> {
    // Held, so that of two who add the last one at once, one does.
    store::hold_account(connection, account_id)
        .await?
        .ok_or(AppError::NotFound)?;
    permit(connection, by, account_id, Permission::WriteApps).await?;
    let app = App {
        id,
        account_id,
        name: name.to_string(),
        created_at: clock.now(),
    };
    if !store::insert_app(connection, &app).await? {
        return Err(AppError::Again);
    }
    if store::count_apps(connection, account_id).await? > i64::from(most) {
        return Err(AppError::TooMany(most));
    }
    by.done(app.created_at, Action::AppCreated, Subject::App(app.id))
        .account(account_id)
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
    by: By<'_>,
) -> Result<App, AppError> {
    let app = permitted(connection, by, id, Permission::WriteApps).await?;
    store::rename_app(connection, id, name.as_str()).await?;
    by.done(clock.now(), Action::AppRenamed, Subject::App(id))
        .account(app.account_id)
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
    by: By<'_>,
) -> Result<App, AppError> {
    let app = permitted(connection, by, id, Permission::Delete).await?;
    store::delete_app(connection, id).await?;
    by.done(clock.now(), Action::AppDeleted, Subject::App(id))
        .account(app.account_id)
        .detail("name", app.name.as_str())
        .write(connection)
        .await?;
    Ok(app)
}

async fn permit(
    connection: &mut AsyncPgConnection,
    by: By<'_>,
    account: AccountId,
    permission: Permission,
) -> Result<(), AppError> {
    let user = match by.actor {
        Actor::User(user) => user,
        // Whoever has the command line has the database too.
        Actor::Operator => return Ok(()),
        Actor::Client(_) | Actor::Key(_) | Actor::Anonymous | Actor::System => {
            return Err(AppError::Forbidden);
        }
    };
    match store::held_role(connection, user, account).await? {
        None => Err(AppError::NotFound),
        Some(role) if role.may(permission) => Ok(()),
        Some(_) => Err(AppError::Forbidden),
    }
}

async fn permitted(
    connection: &mut AsyncPgConnection,
    by: By<'_>,
    id: AppId,
    permission: Permission,
) -> Result<App, AppError> {
    let app = store::app(connection, id).await?.ok_or(AppError::NotFound)?;
    permit(connection, by, app.account_id, permission).await?;
    Ok(app)
}
