//! Verification of an address: by a link that was sent there when the person signed up, or asked again.

use super::{
    Identity, User, letters,
    model::LinkPurpose,
    store,
    throttle::{Delayed, Subject},
};
use crate::{
    accounts,
    audit::Action,
    crypto::Token,
    types::{ClientContext, Fault, UserId},
};

/// Why an act by link or mail was not done.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Used up, too old, or never ours: all alike.
    #[error("the link is not good")]
    BadLink,
    /// Too many mails lately.
    #[error("too many tries")]
    Delayed(std::time::Duration),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<Delayed> for LinkError {
    fn from(Delayed(wait): Delayed) -> Self {
        Self::Delayed(wait)
    }
}

impl Identity {
    /// Uses up the link that verifies an address, for `signed_in`: mail alone does not prove an account. Whoever reads
    /// the mail of an address with which somebody else signed up would confirm that stranger's account by a click;
    /// they choose a new password instead.
    ///
    /// # Errors
    ///
    /// [`LinkError`].
    pub async fn verify_email(
        &self,
        token: &Token,
        signed_in: UserId,
        context: &ClientContext,
    ) -> Result<(), LinkError> {
        let now = self.clock.now();
        let mut transaction = self.db.begin().await?;
        let link = store::consume_link(&mut transaction, LinkPurpose::VerifyEmail, &token.digest(), now)
            .await?
            .ok_or(LinkError::BadLink)?;
        let (Some(user), Some(email)) = (link.user_id, link.email) else {
            return Err(Fault::internal("a link to verify an address without person or address").into());
        };
        if user != signed_in {
            return Err(LinkError::BadLink);
        }
        if !store::verify_email(&mut transaction, user, &email, now).await? {
            return Err(LinkError::BadLink);
        }
        // A change that was begun before needed no word from this address: whoever signed up with somebody else's
        // could take the account away again after its owner has verified it.
        self.drop_email_change(&mut transaction, user, context).await?;
        let account = accounts::personal_account_of(&mut transaction, user).await?;
        self.own_act(user, account, Action::EmailVerified, context)
            .write(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Sends the link once more, and makes the earlier ones void.
    ///
    /// # Errors
    ///
    /// [`LinkError`].
    pub async fn resend_verification(&self, user: &User, context: &ClientContext) -> Result<(), LinkError> {
        if user.email_verified {
            return Ok(());
        }
        self.begin_try(&[
            Subject::MailTo(user.email.as_str()),
            Subject::MailFrom(context.address),
        ])
        .await??;
        let mut transaction = self.db.begin().await?;
        store::delete_links(&mut transaction, user.id, &[LinkPurpose::VerifyEmail]).await?;
        let link = self
            .make_link(
                &mut transaction,
                LinkPurpose::VerifyEmail,
                Some(user.id),
                Some(&user.email),
            )
            .await?;
        let account = accounts::personal_account_of(&mut transaction, user.id).await?;
        self.own_act(user.id, account, Action::VerificationSent, context)
            .write(&mut transaction)
            .await?;
        transaction.commit().await?;
        let good_for = self.link_lifetime(LinkPurpose::VerifyEmail);
        self.mailer.send(letters::verify_email(user, &link, good_for));
        Ok(())
    }
}
