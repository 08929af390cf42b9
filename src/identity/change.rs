//! What people change about themselves: their name and their password.

use secrecy::SecretString;

use super::{
    Identity, User,
    http::SignedIn,
    letters, password,
    sessions::Started,
    sign_in::SignInError,
    store::{self, Which},
};
use crate::{
    accounts,
    audit::Action,
    revocation::Reason,
    types::{ClientContext, DisplayName, Fault},
};

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The present password, asked for once more, is another.
    #[error("That is not your password.")]
    WrongPassword,
    /// The new value cannot be taken.
    #[error("{0}")]
    BadValue(String),
    /// Too many failures lately.
    #[error("too many tries")]
    Delayed(std::time::Duration),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<SignInError> for ChangeError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Refused => Self::WrongPassword,
            SignInError::Delayed(wait) => Self::Delayed(wait),
            SignInError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl Identity {
    /// Gives a person another name.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn rename(
        &self,
        user: &User,
        name: &DisplayName,
        context: &ClientContext,
    ) -> Result<(), Fault> {
        let mut transaction = self.db.begin().await?;
        store::set_name(&mut transaction, user.id, name.as_str()).await?;
        let account = accounts::personal_account_of(&mut transaction, user.id).await?;
        self.own_act(user.id, account, Action::UserRenamed, context)
            .write(&mut transaction)
            .await?;
        transaction.commit().await
    }

    /// Sets a new password and ends all other sessions; that is true everywhere when this returns. This
    /// session goes on under a new cookie.
    ///
    /// # Errors
    ///
    /// [`ChangeError`].
    pub async fn change_password(
        &self,
        signed_in: &SignedIn,
        present: SecretString,
        new_password: SecretString,
        context: &ClientContext,
    ) -> Result<Started, ChangeError> {
        let user = &signed_in.user;
        self.judge(&new_password, password::about(&user.name, user.email.as_str()))
            .await?
            .map_err(|bad| ChangeError::BadValue(bad.0))?;
        let own = self.prove_again(user, present, context).await?;
        let hash = self.hasher.hash(new_password).await?;
        let now = self.clock.now();
        let mut transaction = self.db.begin().await?;
        if !store::set_password(&mut transaction, &own.user, &hash, now).await? {
            return Err(ChangeError::WrongPassword);
        }
        let user = &User {
            password_set_at: now,
            ..user.clone()
        };
        self.own_act(user.id, own.account_id, Action::PasswordChanged, context)
            .write(&mut transaction)
            .await?;
        let mut started = self
            .start_session(&mut transaction, user, own.account_id, Some(signed_in), context)
            .await?;
        let (_, recorded) = self
            .end_in(
                &mut transaction,
                user,
                Which::AllBut(started.session_id),
                Reason::PasswordChanged,
                context,
            )
            .await?;
        started.recorded = recorded;
        transaction.commit().await?;
        self.mailer.send(letters::password_changed(user, context));
        Ok(self.settled(started).await)
    }
}
