//! A forgotten password: a one-time link to the address, 15 minutes, ends all sessions. Whoever asks learns nothing, by
//! words or time, about whether the address has an account.
//!
//! Whoever uses the link reads the mail of that address. If nobody had shown that before, a stranger may have signed up
//! with it: then all that was given to apps in the account so far is taken back in the same transaction.

use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;
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
    revocation::{Reason, Revocation},
    types::{AuthorizationRequestId, ClientContext, Email, Fault, UserId},
};

/// What apps hold of people. It is OAuth's, above this folder, which gives this hook to the application's data as
/// `Data<dyn HeldByApps>`.
pub trait HeldByApps: Send + Sync {
    /// Takes back every consent and grant of a person in the caller's transaction, with its records, and says what
    /// goes to the revocation log. Their sessions have ended before, in the same transaction.
    fn take_back<'a>(
        &'a self,
        connection: &'a mut AsyncPgConnection,
        user: UserId,
        context: &'a ClientContext,
    ) -> BoxFuture<'a, Result<Vec<Revocation>, Fault>>;
}

/// What came of a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    pub user: UserId,
    /// Whether it was the first proof that the address is this person's: apps hold nothing of them any more.
    pub first_proof: bool,
}

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
    /// Asks for a link. What depends on whether there is such an account happens after the answer. `request` waits in
    /// the browser that asks, and goes on behind the link.
    ///
    /// # Errors
    ///
    /// [`LinkError::Delayed`] if too many were asked for lately, for this address or from this place.
    pub async fn ask_for_reset(
        &self,
        email: &Email,
        request: Option<AuthorizationRequestId>,
        context: &ClientContext,
    ) -> Result<(), LinkError> {
        self.begin_try(&[
            Subject::MailTo(email.as_str()),
            Subject::MailFrom(context.address),
        ])
        .await??;
        let (identity, email, context) = (self.clone(), email.clone(), context.clone());
        self.mailer
            .write_later(async move { identity.write_reset(&email, request, &context).await });
        Ok(())
    }

    async fn write_reset(
        &self,
        email: &Email,
        request: Option<AuthorizationRequestId>,
        context: &ClientContext,
    ) -> Result<Option<Letter>, Fault> {
        let mut transaction = self.db.begin().await?;
        let Some(own) = store::credentials(&mut transaction, Whose::Email(email)).await? else {
            return Ok(None);
        };
        if own.user.blocked {
            return Ok(None);
        }
        let purpose = LinkPurpose::ResetPassword;
        store::delete_links(&mut transaction, own.user.id, &[purpose]).await?;
        let link = self
            .make_link(
                &mut transaction,
                purpose,
                Some(own.user.id),
                Some(&own.user.email),
            )
            .await?;
        // Its id is of use to the browser that began it, and to no other.
        let link = match request {
            Some(request) => format!("{link}&request={request}"),
            None => link,
        };
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
        Ok(Some(letters::reset_password(&own.user, &link, good_for)))
    }

    /// Sets a new password by link, ends every session of its person, and voids their other links and a change of
    /// address that is under way. If the address was not verified before, it is now, and `held` takes back what apps
    /// hold. All of that is true everywhere when this returns.
    ///
    /// # Errors
    ///
    /// [`ResetError`]. A password that cannot be taken leaves the link good.
    pub async fn reset_password(
        &self,
        token: &Token,
        new_password: SecretString,
        held: &dyn HeldByApps,
        context: &ClientContext,
    ) -> Result<Reset, ResetError> {
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
        let link = store::consume_link(&mut transaction, LinkPurpose::ResetPassword, &token.digest(), now)
            .await?
            .ok_or(ResetError::BadLink)?;
        // In the order in which other acts by link take them: links, the change of address, the person.
        store::delete_every_link(&mut transaction, id).await?;
        store::delete_email_change(&mut transaction, id).await?;
        if !store::set_password(&mut transaction, &own.user, &hash, now).await? {
            return Err(ResetError::BadLink);
        }
        let first_proof = match &link.email {
            Some(email) => store::verify_email(&mut transaction, id, email, now).await?,
            None => false,
        };
        self.forget_failures_of(&mut transaction, own.user.email.as_str())
            .await?;
        let record = |action| self.own_act(id, own.account_id, action, context);
        record(Action::PasswordReset).write(&mut transaction).await?;
        let mut ended = self
            .delete_in(
                &mut transaction,
                &own.user,
                Which::All,
                Reason::PasswordChanged,
                context,
            )
            .await?;
        if first_proof {
            record(Action::EmailVerified).write(&mut transaction).await?;
            // After the sessions: whatever a stranger was about to allow in one of them is seen here, or is refused.
            ended.extend(held.take_back(&mut transaction, id, context).await?);
        }
        let recorded = self.revocations.record(&mut transaction, now, &ended).await?;
        transaction.commit().await?;
        self.revocations.settle(recorded).await;
        self.mailer.send(letters::password_changed(&own.user, context));
        Ok(Reset {
            user: id,
            first_proof,
        })
    }
}
