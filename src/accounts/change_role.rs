//! Another role for a member, and ownership handed over.

use diesel_async::AsyncPgConnection;

use super::{
    members::{MemberError, hold, hold_to_manage, keep_an_owner, role_of_member},
    model::{Account, Permission, Role},
    store,
};
use crate::{
    audit::{Action, Actor, By, Subject},
    types::{AccountId, Clock, UserId},
};

/// Gives a member another role. What they could do before and cannot now ends with the transaction: each request asks for
/// the role anew, and invitations that they sent lead nowhere once they may send none. Says whether it is another one.
///
/// # Errors
///
/// [`MemberError`]; nobody deals with what is above their own role.
pub async fn change_role(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    account: AccountId,
    member: UserId,
    to: Role,
    by: By<'_>,
) -> Result<bool, MemberError> {
    let (account, own) = hold_to_manage(connection, account, by).await?;
    let from = role_of_member(connection, &account, member).await?;
    if !own.may_change(Some(from), Some(to)) {
        return Err(MemberError::Forbidden);
    }
    if from == to {
        return Ok(false);
    }
    keep_an_owner(connection, &account, member, (Some(from), Some(to))).await?;
    set(connection, clock, &account, member, (from, to), by).await?;
    Ok(true)
}

/// Makes a member an owner, and the owner who does it an admin. Says whether the member was none before.
///
/// # Errors
///
/// [`MemberError`].
pub async fn hand_over(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    account: AccountId,
    to: UserId,
    by: By<'_>,
) -> Result<bool, MemberError> {
    let (account, own) = hold(connection, account, by).await?;
    let Actor::User(user) = by.actor else {
        return Err(MemberError::Forbidden);
    };
    if own != Role::Owner {
        return Err(MemberError::Forbidden);
    }
    if account.personal {
        return Err(MemberError::PersonalOwner);
    }
    if user == to {
        return Err(MemberError::NoMember);
    }
    let was = role_of_member(connection, &account, to).await?;
    if was != Role::Owner {
        set(connection, clock, &account, to, (was, Role::Owner), by).await?;
    }
    keep_an_owner(connection, &account, user, (Some(Role::Owner), Some(Role::Admin))).await?;
    set(connection, clock, &account, user, (Role::Owner, Role::Admin), by).await?;
    Ok(was != Role::Owner)
}

async fn set(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    account: &Account,
    member: UserId,
    (from, to): (Role, Role),
    by: By<'_>,
) -> Result<(), MemberError> {
    store::set_role(connection, account.id, member, to).await?;
    if !to.may(Permission::ManageMembers) {
        store::delete_invitations_by(connection, account.id, member).await?;
    }
    by.done(clock.now(), Action::MemberRoleChanged, Subject::User(member))
        .account(account.id)
        .detail("account", account.name.as_str())
        .detail("from", from.name())
        .detail("role", to.name())
        .write(connection)
        .await?;
    Ok(())
}
