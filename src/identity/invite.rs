//! Invitations: operators send them, whether sign-up is open or by invitation only.

use super::{Identity, User, letters, model::LinkPurpose, store};
use crate::{
    audit::{self, Action, Actor, Record},
    types::{ClientContext, Email, Fault},
};

/// Why nobody was invited.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    #[error("not an operator")]
    Forbidden,
    #[error("There is an account with this address.")]
    Taken,
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Identity {
    /// Sends `email` a link to sign up, and makes earlier ones to that address void.
    ///
    /// # Errors
    ///
    /// [`InviteError`].
    pub async fn invite(
        &self,
        operator: &User,
        email: &Email,
        context: &ClientContext,
    ) -> Result<(), InviteError> {
        if !operator.operator {
            return Err(InviteError::Forbidden);
        }
        let mut transaction = self.db.begin().await?;
        if store::is_email_taken(&mut transaction, email).await? {
            return Err(InviteError::Taken);
        }
        store::delete_invitations(&mut transaction, email).await?;
        let link = self
            .make_link(&mut transaction, LinkPurpose::Invitation, None, Some(email))
            .await?;
        Record::done(
            self.clock.now(),
            Actor::User(operator.id),
            Action::InvitationSent,
            audit::Subject::Server,
        )
        .from(context)
        .write(&mut transaction)
        .await?;
        transaction.commit().await?;
        let good_for = self.link_lifetime(LinkPurpose::Invitation);
        self.mailer
            .send(letters::invitation(email, &operator.name, &link, good_for));
        Ok(())
    }
}
