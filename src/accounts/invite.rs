//! Invitations to an account: sent, sent again, withdrawn, accepted. Of the link only the digest is at rest; whoever sends
//! the mail made it.

use diesel_async::AsyncPgConnection;
use time::OffsetDateTime;

use super::{
    members::{MemberError, hold_to_manage},
    model::{Account, Invitation, Role},
    store,
};
use crate::{
    audit::{Action, Actor, By, Record, Subject},
    types::{AccountId, Clock, Email, Fault, LinkId, UserId},
};

/// The link of an invitation, as far as it is known here.
#[derive(Clone, Copy, Debug)]
pub struct NewLink {
    /// The SHA-256 of its token.
    pub token_hash: [u8; 32],
    pub expires_at: OffsetDateTime,
}

/// Invites `email` to be a member, in the place of an earlier invitation to the same address. With those who are
/// invited, an account has `most` members at the most.
///
/// # Errors
///
/// [`MemberError`]; nobody is invited to be an owner.
pub async fn invite(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    account: AccountId,
    (id, link): (LinkId, NewLink),
    (email, role, most): (&Email, Role, u32),
    by: By<'_>,
) -> Result<Account, MemberError> {
    let (account, _) = hold_to_manage(connection, account, by).await?;
    let Actor::User(sender) = by.actor else {
        return Err(MemberError::Forbidden);
    };
    if !Role::INVITED.contains(&role) {
        return Err(MemberError::Forbidden);
    }
    let now = clock.now();
    let invitation = Invitation {
        id,
        email: email.clone(),
        role,
        invited_by: sender,
        sent_at: now,
        expires_at: link.expires_at,
    };
    store::put_invitation(connection, account.id, &invitation, &link.token_hash).await?;
    let all = store::count_members(connection, account.id).await?
        + store::count_invitations(connection, account.id, now).await?;
    if all > i64::from(most) {
        return Err(MemberError::TooMany(most));
    }
    record(now, Action::MemberInvited, &account, &invitation, by)
        .write(connection)
        .await?;
    Ok(account)
}

/// Gives an invitation that is out another link and sender; the earlier link is void.
///
/// # Errors
///
/// [`MemberError`].
pub async fn renew_invitation(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    account: AccountId,
    (id, link): (LinkId, NewLink),
    by: By<'_>,
) -> Result<(Account, Invitation), MemberError> {
    let (account, _) = hold_to_manage(connection, account, by).await?;
    let Actor::User(sender) = by.actor else {
        return Err(MemberError::Forbidden);
    };
    let now = clock.now();
    let invitation = store::invitation(connection, account.id, id, now)
        .await?
        .ok_or(MemberError::NoInvitation)?;
    let invitation = Invitation {
        invited_by: sender,
        sent_at: now,
        expires_at: link.expires_at,
        ..invitation
    };
    store::put_invitation(connection, account.id, &invitation, &link.token_hash).await?;
    record(now, Action::MemberInvited, &account, &invitation, by)
        .detail("again", true)
        .write(connection)
        .await?;
    Ok((account, invitation))
}

/// Makes an invitation void.
///
/// # Errors
///
/// [`MemberError`].
pub async fn withdraw_invitation(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    account: AccountId,
    id: LinkId,
    by: By<'_>,
) -> Result<(), MemberError> {
    let (account, _) = hold_to_manage(connection, account, by).await?;
    let invitation = store::delete_invitation(connection, account.id, id)
        .await?
        .ok_or(MemberError::NoInvitation)?;
    record(
        clock.now(),
        Action::MemberInvitationWithdrawn,
        &account,
        &invitation,
        by,
    )
    .write(connection)
    .await?;
    Ok(())
}

/// Makes all invitations void that somebody has sent, from whatever account: nobody who is shut out comes back by one.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn void_invitations_by(connection: &mut AsyncPgConnection, sender: UserId) -> Result<(), Fault> {
    store::delete_all_invitations_by(connection, sender).await
}

/// What became of an invitation that was accepted.
#[derive(Debug)]
pub struct Accepted {
    pub account: Account,
    pub invitation: Invitation,
    /// Whether they were no member before.
    pub is_new: bool,
}

/// Makes `user` the member that the invitation with that link speaks of. `email` is theirs, as they have shown. Whoever is
/// a member by now stays what they are; the invitation is used up all the same.
///
/// # Errors
///
/// [`MemberError`]; [`MemberError::NoInvitation`] too if it was sent to another address.
pub async fn accept_invitation(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    token_hash: &[u8; 32],
    (user, email): (UserId, &Email),
    by: By<'_>,
) -> Result<Accepted, MemberError> {
    let now = clock.now();
    let (account, _) = store::invitation_by_link(connection, token_hash, now)
        .await?
        .ok_or(MemberError::NoInvitation)?;
    // Before the invitation, as everybody else does.
    let account = store::hold_account(connection, account)
        .await?
        .ok_or(MemberError::NoInvitation)?;
    let invitation = store::consume_invitation(connection, token_hash, email, now)
        .await?
        .ok_or(MemberError::NoInvitation)?;
    let is_new = store::insert_member(connection, account.id, user, invitation.role, now).await?;
    if is_new {
        joined(now, &account, (user, invitation.role), by)
            .detail("invited_by", invitation.invited_by.to_string())
            .write(connection)
            .await?;
    }
    Ok(Accepted {
        account,
        invitation,
        is_new,
    })
}

/// Makes somebody a member without asking them: for whoever runs the server.
///
/// # Errors
///
/// [`MemberError`].
pub async fn add_member(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    account: AccountId,
    (user, role): (UserId, Role),
    by: By<'_>,
) -> Result<(), MemberError> {
    let (account, _) = hold_to_manage(connection, account, by).await?;
    if by.actor != Actor::Operator {
        return Err(MemberError::Forbidden);
    }
    let now = clock.now();
    super::members::keep_an_owner(connection, &account, user, (None, Some(role))).await?;
    if !store::insert_member(connection, account.id, user, role, now).await? {
        return Err(MemberError::Already);
    }
    joined(now, &account, (user, role), by).write(connection).await?;
    Ok(())
}

/// The invitation with that link, if it is good now, and the account that it is to.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn look_at_invitation(
    connection: &mut AsyncPgConnection,
    token_hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<(Account, Invitation)>, Fault> {
    let Some((account, invitation)) = store::invitation_by_link(connection, token_hash, now).await? else {
        return Ok(None);
    };
    let account = store::account(connection, account).await?;
    Ok(account.map(|account| (account, invitation)))
}

/// The invitations of an account that are good now, the last sent first.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn invitations_of(
    connection: &mut AsyncPgConnection,
    account: AccountId,
    now: OffsetDateTime,
) -> Result<Vec<Invitation>, Fault> {
    store::invitations(connection, account, now).await
}

fn record(
    now: OffsetDateTime,
    action: Action,
    account: &Account,
    invitation: &Invitation,
    by: By<'_>,
) -> Record {
    by.done(now, action, Subject::Account(account.id))
        .account(account.id)
        .detail("account", account.name.as_str())
        .detail("email", invitation.email.as_str())
        .detail("role", invitation.role.name())
}

fn joined(now: OffsetDateTime, account: &Account, (user, role): (UserId, Role), by: By<'_>) -> Record {
    by.done(now, Action::MemberJoined, Subject::User(user))
        .account(account.id)
        .detail("account", account.name.as_str())
        .detail("role", role.name())
}
