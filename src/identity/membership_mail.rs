//! Mail to people of whose place in an account others have decided, and to whoever invited somebody who has joined. The act
//! is done when it is sent, so nothing that goes wrong here undoes it.

use super::{Identity, User, letters, store};
use crate::{
    accounts::{Account, Role},
    types::{Fault, UserId},
};

impl Identity {
    /// Tells a member that `by` has made them something else in an account, or, with no role, nothing.
    pub async fn tell_member(&self, account: &Account, member: UserId, role: Option<Role>, by: &str) {
        self.mail_to(member, |user| match role {
            Some(role) => letters::role_changed(user, &account.name, role.name(), by),
            None => letters::member_removed(user, &account.name, by),
        })
        .await;
    }

    /// Tells whoever invited somebody that they have joined.
    pub(super) async fn tell_inviter(&self, inviter: UserId, joined: &User, account: &Account, role: Role) {
        self.mail_to(inviter, |user| {
            letters::invitation_accepted(user, joined, &account.name, role.name())
        })
        .await;
    }

    async fn mail_to(&self, id: UserId, letter: impl FnOnce(&User) -> super::Letter) {
        match self.person(id).await {
            Ok(Some(user)) if !user.blocked => self.mailer.send(letter(&user)),
            Ok(_) => {}
            Err(fault) => tracing::warn!(%fault, user = %id, "a member is not told by mail"),
        }
    }

    async fn person(&self, id: UserId) -> Result<Option<User>, Fault> {
        store::user(&*self.db.connection().await?, id).await
    }
}
