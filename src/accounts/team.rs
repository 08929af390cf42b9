//! Team accounts: opened, renamed, closed.

use diesel_async::AsyncPgConnection;

use super::{
    members::{MemberError, hold, hold_to_manage},
    model::{Account, Role},
    store,
};
use crate::{
    audit::{Action, By, Subject},
    types::{AccountId, Clock, DisplayName, Fault, UserId},
};

/// Opens a team account, under an id that is new, or was meant for this one account. Its maker is its owner, and owns
/// `most` at the most. After an error the transaction is void.
///
/// # Errors
///
/// [`MemberError`].
pub async fn open_team(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    id: AccountId,
    (owner, most): (UserId, u32),
    name: &DisplayName,
    by: By<'_>,
) -> Result<Account, MemberError> {
    // Everybody has one. Held, so that of two who open the last team at once, one does.
    let personal = store::personal_account(connection, owner)
        .await?
        .ok_or_else(|| Fault::internal(format!("{owner} has no personal account")))?;
    store::hold_account(connection, personal).await?;
    let account = Account {
        id,
        name: name.to_string(),
        personal: false,
        monthly_limit: None,
        created_at: clock.now(),
    };
    if !store::insert_account(connection, &account, None).await? {
        return Err(MemberError::Again);
    }
    store::insert_member(connection, id, owner, Role::Owner, account.created_at).await?;
    if store::count_teams(connection, owner).await? > i64::from(most) {
        return Err(MemberError::TooMany(most));
    }
    by.done(account.created_at, Action::AccountOpened, Subject::Account(id))
        .account(id)
        .detail("name", account.name.as_str())
        .write(connection)
        .await?;
    Ok(account)
}

/// Gives an account another name.
///
/// # Errors
///
/// [`MemberError`].
pub async fn rename_account(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    id: AccountId,
    name: &DisplayName,
    by: By<'_>,
) -> Result<(), MemberError> {
    let (account, _) = hold_to_manage(connection, id, by).await?;
    store::rename_account(connection, id, name.as_str()).await?;
    by.done(clock.now(), Action::AccountRenamed, Subject::Account(id))
        .account(id)
        .detail("from", account.name.as_str())
        .detail("name", name.as_str())
        .write(connection)
        .await?;
    Ok(())
}

/// Closes a team account that has no apps any more; its members and invitations go with it.
///
/// # Errors
///
/// [`MemberError`]; a personal account ends with its person.
pub async fn close_team(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    id: AccountId,
    by: By<'_>,
) -> Result<(), MemberError> {
    let (account, role) = hold(connection, id, by).await?;
    if role != Role::Owner {
        return Err(MemberError::Forbidden);
    }
    if account.personal {
        return Err(MemberError::PersonalOwner);
    }
    if store::count_apps(connection, id).await? > 0 {
        return Err(MemberError::HasApps);
    }
    store::delete_account(connection, id).await?;
    by.done(clock.now(), Action::AccountClosed, Subject::Account(id))
        .account(id)
        .detail("name", account.name.as_str())
        .write(connection)
        .await?;
    Ok(())
}
