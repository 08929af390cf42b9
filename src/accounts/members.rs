//! What the acts on members share: the account, held while they look at who belongs to it, and why they refuse. Whoever
//! changes who belongs to an account holds its row, so these acts come one after the other, and each sees what the one
//! before has left.

use diesel_async::AsyncPgConnection;

use super::{
    model::{Account, Permission, Role},
    store,
};
use crate::{
    audit::{Actor, By},
    types::{AccountId, Fault, UserId},
};

/// Why nothing was changed of an account, or of who belongs to it.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// There is no such account, or it is not this person's to see.
    #[error("no such account")]
    NotFound,
    /// Their role does not reach so far.
    #[error("not allowed")]
    Forbidden,
    /// Whoever is to be dealt with is no member.
    #[error("that person is not a member of the account")]
    NoMember,
    #[error("that person is a member of the account already")]
    Already,
    #[error("the invitation was used or gone already")]
    NoInvitation,
    #[error("an account has at least one owner: make somebody else an owner first")]
    LastOwner,
    #[error("a personal account has its person as its one owner")]
    PersonalOwner,
    #[error("there is room for {0}, the most that the configuration allows")]
    TooMany(u32),
    #[error("the account has apps: delete them first")]
    HasApps,
    /// That account was opened already; this is the same one again.
    #[error("it was opened already")]
    Again,
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// An account until the transaction ends, and what whoever acts is in it. The command line may all that an owner may.
pub(super) async fn hold(
    connection: &mut AsyncPgConnection,
    id: AccountId,
    by: By<'_>,
) -> Result<(Account, Role), MemberError> {
    let account = store::hold_account(connection, id)
        .await?
        .ok_or(MemberError::NotFound)?;
    let role = match by.actor {
        Actor::User(user) => store::role(connection, user, id)
            .await?
            .ok_or(MemberError::NotFound)?,
        Actor::Operator => Role::Owner,
        Actor::Client(_) | Actor::Key(_) | Actor::Anonymous | Actor::System => {
            return Err(MemberError::Forbidden);
        }
    };
    Ok((account, role))
}

/// The same for whoever may deal with members.
pub(super) async fn hold_to_manage(
    connection: &mut AsyncPgConnection,
    id: AccountId,
    by: By<'_>,
) -> Result<(Account, Role), MemberError> {
    let (account, role) = hold(connection, id, by).await?;
    if role.may(Permission::ManageMembers) {
        Ok((account, role))
    } else {
        Err(MemberError::Forbidden)
    }
}

/// What a member of a held account is in it.
pub(super) async fn role_of_member(
    connection: &mut AsyncPgConnection,
    account: &Account,
    member: UserId,
) -> Result<Role, MemberError> {
    store::role(connection, member, account.id)
        .await?
        .ok_or(MemberError::NoMember)
}

/// Refuses what would leave a held account without an owner who can sign in, or a personal one with another than its
/// person.
pub(super) async fn keep_an_owner(
    connection: &mut AsyncPgConnection,
    account: &Account,
    member: UserId,
    (from, to): (Option<Role>, Option<Role>),
) -> Result<(), MemberError> {
    let of_owner = |role: Option<Role>| i64::from(role == Some(Role::Owner));
    if account.personal && of_owner(from) != of_owner(to) {
        return Err(MemberError::PersonalOwner);
    }
    let comes_or_steps_down = from.is_none_or(|from| from == Role::Owner);
    if comes_or_steps_down
        && store::count_other_owners(connection, account.id, member).await? + of_owner(to) < 1
    {
        return Err(MemberError::LastOwner);
    }
    Ok(())
}
