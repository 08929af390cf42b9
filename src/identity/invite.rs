//! Invitations: operators send them, whether sign-up is open or by invitation only, see which are out, and withdraw them.

use super::{
    Identity, User, letters,
    model::{Invitation, LinkPurpose},
    store,
};
use crate::{
    audit::{self, Action, Actor, Record},
    types::{ClientContext, Email, Fault, LinkId},
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
        self.of_invitation(operator, Action::InvitationSent, context)
            .write(&mut transaction)
            .await?;
        transaction.commit().await?;
        let good_for = self.link_lifetime(LinkPurpose::Invitation);
        self.mailer
            .send(letters::invitation(email, &operator.name, &link, good_for));
        Ok(())
    }

    /// Makes an invitation void. False if it was used or void already, or if who asks is no operator.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn withdraw_invitation(
        &self,
        operator: &User,
        id: LinkId,
        context: &ClientContext,
    ) -> Result<bool, Fault> {
        if !operator.operator {
            return Ok(false);
        }
        let mut transaction = self.db.begin().await?;
        if !store::delete_invitation(&mut transaction, id).await? {
            return Ok(false);
        }
        self.of_invitation(operator, Action::InvitationWithdrawn, context)
            .write(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    fn of_invitation(&self, operator: &User, action: Action, context: &ClientContext) -> Record {
        Record::done(
            self.clock.now(),
            Actor::User(operator.id),
            action,
            audit::Subject::Server,
        )
        .from(context)
    }

    /// The invitations that nobody has used yet, the last sent first.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn invitations(&self) -> Result<Vec<Invitation>, Fault> {
        let mut connection = self.db.connection().await?;
        store::invitations(&mut connection, self.clock.now()).await
    }
}
