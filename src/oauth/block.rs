//! Shutting a person out: their sign-in sessions and all that apps hold for them end together, on every node.

use super::{
    Authority,
    grants::{self, RevokedReason, Which},
};
use crate::{
    accounts,
    audit::{Action, Actor, Record, Subject},
    identity,
    revocation::{self, Reason},
    types::{Fault, UserId},
};

/// Blocks a person. Nothing that they or their apps hold is good when this returns, and nothing new is given. Says
/// whether they were there and not blocked before.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn block_user(authority: &Authority, user: UserId, actor: Actor) -> Result<bool, Fault> {
    let now = authority.clock.now();
    let mut transaction = authority.db.begin().await?;
    // First the person: a redemption that runs beside this one holds the row, and its grant is seen below.
    let Some(sessions) = identity::block(&mut transaction, user, now).await? else {
        authority.settle_others(transaction).await?;
        return Ok(false);
    };
    accounts::void_invitations_by(&mut transaction, user).await?;
    let revoked = grants::revoke(
        authority,
        &mut transaction,
        Which::Of(user),
        RevokedReason::Blocked,
        now,
    )
    .await?;
    let account = accounts::personal_account_of(&mut transaction, user).await?;
    Record::done(now, actor, Action::UserBlocked, Subject::User(user))
        .account(account)
        .detail("sessions", sessions.len())
        .detail("grants", revoked.len())
        .write(&mut transaction)
        .await?;
    let subjects: Vec<_> = [revocation::Subject::User(user)]
        .into_iter()
        .chain(sessions.into_iter().map(revocation::Subject::Session))
        .chain(revoked.into_iter().map(revocation::Subject::Grant))
        .collect();
    authority.commit(transaction, &subjects, Reason::Blocked).await?;
    Ok(true)
}

/// Lets a blocked person in again. What was ended stays ended. Says whether they were blocked.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn unblock_user(authority: &Authority, user: UserId, actor: Actor) -> Result<bool, Fault> {
    let now = authority.clock.now();
    let mut transaction = authority.db.begin().await?;
    if !identity::unblock(&mut transaction, user).await? {
        return Ok(false);
    }
    let account = accounts::personal_account_of(&mut transaction, user).await?;
    Record::done(now, actor, Action::UserUnblocked, Subject::User(user))
        .account(account)
        .write(&mut transaction)
        .await?;
    transaction.commit().await?;
    Ok(true)
}
