//! A forgotten password: a one-time link to the verified address, 15 minutes, ends all sessions. Whoever asks
//! learns nothing, by words or time, about whether the address has an account.

use secrecy::SecretString;

use super::{
    Identity, letters,
    mail::Letter,
    model::LinkPurpose,
    password,
    store::{self, Which, Whose},
    throttle::Subject,
    verify_email::LinkError,
};
use crate::{
    audit::{self, Action, Actor, Record},
    crypto::Token,
    revocation::Reason,
    types::{ClientContext, Email, Fault, UserId},
};

/// Why the password is the same as before.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// Used up, too old, or never ours: all alike.
    #[error("the link is not good")]
    BadLink,
    #[error("{0}")]
    BadPassword(String),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Identity {
    /// Asks for a link. What depends on whether there is such an account happens after the answer.
    ///
    /// # Errors
    ///
    /// [`LinkError::Delayed`] if too many were asked for lately, for this address or from this place.
    pub async fn ask_for_reset(&self, email: &Email, context: &ClientContext) -> Result<(), LinkError> {
        self.begin_try(&[
            Subject::MailTo(email.as_str()),
            Subject::MailFrom(context.address),
        ])
        .await??;
        let (identity, email, context) = (self.clone(), email.clone(), context.clone());
        self.mailer
            .write_later(async move { identity.write_reset(&email, &context).await });
        Ok(())
    }

    async fn write_reset(&self, email: &Email, context: &ClientContext) -> Result<Option<Letter>, Fault> {
        let mut transaction = self.db.begin().await?;
        let Some(own) = store::credentials(&mut transaction, Whose::Email(email)).await? else {
            return Ok(None);
        };
        if own.user.blocked {
            return Ok(None);
        }
        // An address that nobody proved to be theirs resets nothing: a stranger may have signed up with it.
        let purpose = if own.user.email_verified {
            LinkPurpose::ResetPassword
        } else {
            LinkPurpose::VerifyEmail
        };
        store::delete_links(&mut transaction, own.user.id, &[purpose]).await?;
        let link = self
            .make_link(
                &mut transaction,
                purpose,
                Some(own.user.id),
                Some(&own.user.email),
            )
            .await?;
        Record::done(
            self.clock.now(),
            Actor::Anonymous,
            Action::PasswordResetRequested,
            audit::Subject::User(own.user.id),
        )
        .account(own.account_id)
        .from(context)
        .write(&mut transaction)
        .await?;
        transaction.commit().await?;
        let good_for = self.link_lifetime(purpose);
        Ok(Some(if own.user.email_verified {
            letters::reset_password(&own.user, &link, good_for)
        } else {
            letters::verify_before_reset(&own.user, &link, good_for)
        }))
    }

    /// Sets a new password by link, and ends every session of its person, whom it returns; that is true
    /// everywhere when this returns.
    ///
    /// # Errors
    ///
    /// [`ResetError`]. A password that cannot be taken leaves the link good.
    pub async fn reset_password(
        &self,
        token: &Token,
        new_password: SecretString,
        context: &ClientContext,
    ) -> Result<UserId, ResetError> {
        let link = self
            .look_at_link(LinkPurpose::ResetPassword, token)
            .await?
            .ok_or(ResetError::BadLink)?;
        let id = link
            .user_id
            .ok_or_else(|| Fault::internal("a link to reset a password without a person"))?;
        let own = store::credentials(&mut *self.db.connection().await?, Whose::Id(id))
            .await?
            .filter(|own| !own.user.blocked)
            .ok_or(ResetError::BadLink)?;
        self.judge(
            &new_password,
            password::about(&own.user.name, own.user.email.as_str()),
        )
        .await?
        .map_err(|bad| ResetError::BadPassword(bad.0))?;
        let hash = self.hasher.hash(new_password).await?;
        let now = self.clock.now();
        let mut transaction = self.db.begin().await?;
        store::consume_link(&mut transaction, LinkPurpose::ResetPassword, &token.digest(), now)
            .await?
            .ok_or(ResetError::BadLink)?;
        if !store::set_password(&mut transaction, id, &own.password_hash, &hash).await? {
            return Err(ResetError::BadLink);
        }
        store::delete_links(&mut transaction, id, &[LinkPurpose::ResetPassword]).await?;
        self.drop_email_change(&mut transaction, id).await?;
        self.forget_failures_of(&mut transaction, own.user.email.as_str())
            .await?;
        Record::done(
            now,
            Actor::User(id),
            Action::PasswordReset,
            audit::Subject::User(id),
        )
        .account(own.account_id)
        .from(context)
        .write(&mut transaction)
        .await?;
        let (_, recorded) = self
            .end_in(
                &mut transaction,
                &own.user,
                Which::All,
                Reason::PasswordChanged,
                context,
            )
            .await?;
        transaction.commit().await?;
        self.revocations.settle(recorded).await;
        self.mailer.send(letters::password_changed(&own.user, context));
        Ok(id)
    }
}
