//! Members removed by others, or leaving by themselves.

use diesel_async::AsyncPgConnection;

use super::{
    members::{MemberError, hold, hold_to_manage, keep_an_owner, role_of_member},
    model::{Account, Role},
    store,
};
use crate::{
    audit::{Action, Actor, By, Subject},
    types::{AccountId, Clock, UserId},
};

/// Removes a member. All that they could do in the account ends with the transaction, and invitations that they sent lead
/// nowhere: nobody comes back by one of their own.
///
/// # Errors
///
/// [`MemberError`]; nobody deals with what is above their own role.
pub async fn remove_member(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    account: AccountId,
    member: UserId,
    by: By<'_>,
) -> Result<(), MemberError> {
    let (account, own) = hold_to_manage(connection, account, by).await?;
    let role = role_of_member(connection, &account, member).await?;
    if !own.may_change(Some(role), None) {
        return Err(MemberError::Forbidden);
    }
    end(
        connection,
        clock,
        &account,
        (member, role),
        Action::MemberRemoved,
        by,
    )
    .await
}

/// Ends one's own membership, whatever the role.
///
/// # Errors
///
/// [`MemberError`].
pub async fn leave(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    account: AccountId,
    by: By<'_>,
) -> Result<(), MemberError> {
    let (account, role) = hold(connection, account, by).await?;
    let Actor::User(user) = by.actor else {
        return Err(MemberError::Forbidden);
    };
    end(connection, clock, &account, (user, role), Action::MemberLeft, by).await
}

async fn end(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    account: &Account,
    (member, role): (UserId, Role),
    action: Action,
    by: By<'_>,
) -> Result<(), MemberError> {
    keep_an_owner(connection, account, member, (Some(role), None)).await?;
    store::delete_member(connection, account.id, member).await?;
    store::delete_invitations_by(connection, account.id, member).await?;
    by.done(clock.now(), action, Subject::User(member))
        .account(account.id)
        .detail("account", account.name.as_str())
        .detail("role", role.name())
        .write(connection)
        .await?;
    Ok(())
}
