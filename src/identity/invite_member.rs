//! Invitations to an account: what needs both its members and people's mail. The link goes to an address, and is good for
//! whoever is signed in and has shown that the address is theirs; whoever has no account signs up first.

use std::time::Duration;

use super::{
    Identity, User, letters,
    model::LinkPurpose,
    store,
    throttle::{Delayed, Subject, Try},
};
use crate::{
    accounts::{self, Account, Invitation, MemberError, NewLink, Role},
    audit::By,
    crypto::Token,
    types::{AccountId, ClientContext, Email, Fault, LinkId},
};

/// Why nobody was invited.
#[derive(Debug, thiserror::Error)]
pub enum InviteMemberError {
    #[error(transparent)]
    Refused(MemberError),
    /// Too many invitations lately, from this person or to that address.
    #[error("too many invitations")]
    Delayed(Duration),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<MemberError> for InviteMemberError {
    fn from(error: MemberError) -> Self {
        match error {
            MemberError::Fault(fault) => Self::Fault(fault),
            refused => Self::Refused(refused),
        }
    }
}

impl From<Delayed> for InviteMemberError {
    fn from(Delayed(wait): Delayed) -> Self {
        Self::Delayed(wait)
    }
}

/// Why an invitation was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Used, withdrawn, too old, or never ours: all alike. For whoever has another address, too.
    #[error("the link is not good")]
    BadLink,
    /// Nobody has shown that the address is theirs.
    #[error("the address is not verified")]
    Unverified,
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// An invitation as whoever opens its link sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberInvitation {
    pub account: String,
    /// Who sent it.
    pub by: String,
    pub role: Role,
    pub email: Email,
}

impl Identity {
    /// Invites `email` to an account; an earlier invitation to that address is void.
    ///
    /// # Errors
    ///
    /// [`InviteMemberError`].
    pub async fn invite_member(
        &self,
        sender: &User,
        account: AccountId,
        email: &Email,
        role: Role,
        context: &ClientContext,
    ) -> Result<(), InviteMemberError> {
        let counted = self.count_invitation(sender, email).await?;
        let (link, token) = self.invitation_link();
        let by = By::user(sender.id, context);
        match self.put_invitation(account, link, (email, role), by).await {
            Ok(name) => {
                self.mail_invitation(sender, &name, (email, role), &token);
                Ok(())
            }
            Err(error) => {
                self.withdraw_tries(&counted).await?;
                Err(error)
            }
        }
    }

    async fn put_invitation(
        &self,
        account: AccountId,
        link: NewLink,
        (email, role): (&Email, Role),
        by: By<'_>,
    ) -> Result<String, InviteMemberError> {
        let mut transaction = self.db.begin().await?;
        let invited = accounts::invite(
            &mut transaction,
            &self.clock,
            account,
            (LinkId::new(&self.clock, &self.entropy), link),
            (email, role, self.config.limits.members_per_account),
            by,
        )
        .await?;
        // The account is held: nobody joins it meanwhile.
        if let Some(user) = store::user_by_email(&mut transaction, email).await?
            && accounts::role_in(&mut transaction, account, user.id)
                .await?
                .is_some()
        {
            return Err(MemberError::Already.into());
        }
        transaction.commit().await?;
        Ok(invited.name)
    }

    /// Sends an invitation that is out once more; the earlier link is void.
    ///
    /// # Errors
    ///
    /// [`InviteMemberError`].
    pub async fn resend_member_invitation(
        &self,
        sender: &User,
        account: AccountId,
        id: LinkId,
        context: &ClientContext,
    ) -> Result<(), InviteMemberError> {
        let email = {
            let mut connection = self.db.connection().await?;
            accounts::invitations_of(&mut connection, account, self.clock.now())
                .await?
                .into_iter()
                .find(|invitation| invitation.id == id)
                .ok_or(MemberError::NoInvitation)?
                .email
        };
        let counted = self.count_invitation(sender, &email).await?;
        let (link, token) = self.invitation_link();
        let by = By::user(sender.id, context);
        match self.renew_invitation(account, (id, link), by).await {
            Ok((account, invitation)) => {
                let to = (&invitation.email, invitation.role);
                self.mail_invitation(sender, &account.name, to, &token);
                Ok(())
            }
            Err(error) => {
                self.withdraw_tries(&counted).await?;
                Err(error)
            }
        }
    }

    async fn renew_invitation(
        &self,
        account: AccountId,
        link: (LinkId, NewLink),
        by: By<'_>,
    ) -> Result<(Account, Invitation), InviteMemberError> {
        let mut transaction = self.db.begin().await?;
        let renewed = accounts::renew_invitation(&mut transaction, &self.clock, account, link, by).await?;
        transaction.commit().await?;
        Ok(renewed)
    }

    /// The invitation that a link leads to, if it is good now. It stays so: mail scanners open links, too.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn look_at_member_invitation(&self, token: &Token) -> Result<Option<MemberInvitation>, Fault> {
        let mut connection = self.db.connection().await?;
        let found = accounts::look_at_invitation(&mut connection, &token.digest(), self.clock.now()).await?;
        let Some((account, invitation)) = found else {
            return Ok(None);
        };
        let by = store::user(&connection, invitation.invited_by).await?;
        Ok(by.map(|by| MemberInvitation {
            account: account.name,
            by: by.name,
            role: invitation.role,
            email: invitation.email,
        }))
    }

    /// Uses an invitation up for `own`, who becomes a member.
    ///
    /// # Errors
    ///
    /// [`JoinError`].
    pub async fn accept_member_invitation(
        &self,
        own: &User,
        token: &Token,
        context: &ClientContext,
    ) -> Result<AccountId, JoinError> {
        let mut transaction = self.db.begin().await?;
        // As they are now, and not when the request came: an address that was given up proves nothing.
        let user = store::hold_person(&mut transaction, own.id)
            .await?
            .filter(|user| !user.blocked)
            .ok_or(JoinError::BadLink)?;
        if !user.email_verified {
            return Err(JoinError::Unverified);
        }
        let joined = accounts::accept_invitation(
            &mut transaction,
            &self.clock,
            &token.digest(),
            (user.id, &user.email),
            By::user(user.id, context),
        )
        .await;
        match joined {
            Ok(accepted) => {
                // One that was on its way when its sender was blocked.
                let sender = store::user(&transaction, accepted.invitation.invited_by).await?;
                if sender.is_none_or(|sender| sender.blocked) {
                    return Err(JoinError::BadLink);
                }
                transaction.commit().await?;
                if accepted.is_new {
                    let Invitation { invited_by, role, .. } = accepted.invitation;
                    self.tell_inviter(invited_by, &user, &accepted.account, role)
                        .await;
                }
                Ok(accepted.account.id)
            }
            Err(MemberError::Fault(fault)) => Err(fault.into()),
            Err(_) => Err(JoinError::BadLink),
        }
    }

    fn invitation_link(&self) -> (NewLink, Token) {
        let token = Token::random("", &self.entropy);
        let link = NewLink {
            token_hash: token.digest(),
            expires_at: self.clock.now() + self.link_lifetime(LinkPurpose::Invitation),
        };
        (link, token)
    }

    /// Those who get it did not ask for our mail: nobody sends much of it, and nobody gets much.
    async fn count_invitation(&self, sender: &User, email: &Email) -> Result<[Try; 2], InviteMemberError> {
        let free = self.config.limits.invitations_per_person;
        let sent = self
            .begin_try_after(free, &[Subject::Inviter(sender.id)])
            .await??;
        match self.begin_try(&[Subject::MailTo(email.as_str())]).await? {
            Ok(got) => Ok([sent, got]),
            Err(delayed) => {
                self.withdraw_try(&sent).await?;
                Err(delayed.into())
            }
        }
    }

    async fn withdraw_tries(&self, counted: &[Try; 2]) -> Result<(), Fault> {
        for tried in counted {
            self.withdraw_try(tried).await?;
        }
        Ok(())
    }

    fn mail_invitation(&self, sender: &User, account: &str, (email, role): (&Email, Role), token: &Token) {
        let link = format!(
            "{}/invitations/accept?token={}",
            self.config.issuer(),
            token.expose()
        );
        let good_for = self.link_lifetime(LinkPurpose::Invitation);
        self.mailer.send(letters::member_invitation(
            email,
            (&sender.name, account, role.name()),
            &link,
            good_for,
        ));
    }
}
