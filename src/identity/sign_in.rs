//! Sign-in: a wrong password, an unknown address and a blocked person get the same answer in the same time.

use secrecy::SecretString;

use super::{
    Identity, User,
    http::SignedIn,
    letters,
    model::Credentials,
    sessions::Started,
    store::{self, Whose},
    throttle::{Delayed, Subject, Try},
};
use crate::{
    audit::{self, Action, Actor, Record},
    crypto::Token,
    types::{ClientContext, Email, Fault},
};

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Address and password do not go together, for whichever reason.
    #[error("e-mail address and password do not match")]
    Refused,
    /// Too many failures lately; nothing was looked at.
    #[error("too many failures")]
    Delayed(std::time::Duration),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<Delayed> for SignInError {
    fn from(Delayed(wait): Delayed) -> Self {
        Self::Delayed(wait)
    }
}

impl Identity {
    /// Signs somebody in with address and password. `current` is who is signed in in this browser, `known` its cookie of
    /// an earlier time.
    ///
    /// # Errors
    ///
    /// [`SignInError`].
    pub async fn sign_in(
        &self,
        email: &str,
        password: SecretString,
        current: Option<&SignedIn>,
        known: Option<&Token>,
        context: &ClientContext,
    ) -> Result<Started, SignInError> {
        let counted = self.counted_as(email, current, known).await?;
        let (credentials, tried) = self.prove(email, password.clone(), counted, context).await?;
        let password_hash = &credentials.password_hash;
        let better_hash = if self.hasher.is_outdated(password_hash) {
            Some(self.hasher.hash(password).await?)
        } else {
            None
        };
        let mut transaction = self.db.begin().await?;
        // Hashing takes a while: a reset or an operator in between has ended all sessions, and this one must not come
        // after that.
        if !store::hold_password(&mut transaction, &credentials.user).await? {
            drop(transaction);
            self.refuse(Some(credentials), &tried, context).await?;
            return Err(SignInError::Refused);
        }
        self.end_try_well(&mut transaction, &tried).await?;
        let user = &credentials.user;
        if let Some(better) = better_hash {
            store::rehash_password(&mut transaction, user.id, password_hash, &better).await?;
        }
        let started = self
            .start_session(&mut transaction, user, credentials.account_id, current, context)
            .await?;
        transaction.commit().await?;
        Ok(self.settled(started).await)
    }

    /// What a wrong password is counted of: the account, unless its person is or was signed in in this browser.
    async fn counted_as<'e>(
        &self,
        email: &'e str,
        current: Option<&SignedIn>,
        known: Option<&Token>,
    ) -> Result<Subject<'e>, Fault> {
        let account = Subject::Account(email);
        let Ok(parsed) = email.parse::<Email>() else {
            return Ok(account);
        };
        if let Some(current) = current
            && current.user.email.key() == parsed.key()
        {
            return Ok(Subject::SignedIn(current.user.id));
        }
        let Some(known) = known.and_then(|cookie| self.recognise(cookie)) else {
            return Ok(account);
        };
        let user = store::user_by_email(&mut *self.db.connection().await?, &parsed).await?;
        Ok(match user {
            Some(user) if known.is_of(&user) => Subject::Known(known),
            Some(_) | None => account,
        })
    }

    /// Whether `password` is that of whoever is signed in, asked before something sensitive. Failures delay as those
    /// of sign-in do, and are counted of those who are signed in as that person.
    pub(super) async fn prove_again(
        &self,
        user: &User,
        password: SecretString,
        context: &ClientContext,
    ) -> Result<Credentials, SignInError> {
        let counted = Subject::SignedIn(user.id);
        let (credentials, tried) = self
            .prove(user.email.as_str(), password, counted, context)
            .await?;
        self.end_try_well(&mut *self.db.connection().await?, &tried)
            .await?;
        Ok(credentials)
    }

    /// Whose address and password these are. What it does is the same for everybody, but for the record
    /// and the letter at the end; the costly part, the hash, is computed for those who do not exist, too.
    async fn prove(
        &self,
        email: &str,
        password: SecretString,
        counted: Subject<'_>,
        context: &ClientContext,
    ) -> Result<(Credentials, Try), SignInError> {
        let tried = self
            .begin_try(&[counted, Subject::Address(context.address)])
            .await??;
        let credentials = match email.parse::<Email>() {
            Ok(email) => store::credentials(&mut *self.db.connection().await?, Whose::Email(&email)).await?,
            Err(_) => None,
        };
        let hash = credentials.as_ref().map(|own| own.password_hash.clone());
        let matches = self.hasher.verify(password, hash).await?;
        match credentials {
            Some(credentials) if matches && !credentials.user.blocked => Ok((credentials, tried)),
            other => {
                self.refuse(other, &tried, context).await?;
                Err(SignInError::Refused)
            }
        }
    }

    async fn refuse(
        &self,
        credentials: Option<Credentials>,
        tried: &Try,
        context: &ClientContext,
    ) -> Result<(), Fault> {
        let subject = credentials
            .as_ref()
            .map_or(audit::Subject::Server, |own| audit::Subject::User(own.user.id));
        Record::refused(
            self.clock.now(),
            Actor::Anonymous,
            Action::SessionRefused,
            subject,
        )
        .account(credentials.as_ref().and_then(|own| own.account_id))
        .from(context)
        .write(&mut *self.db.connection().await?)
        .await?;
        // Told when delays begin, and then ever more rarely.
        let failures = tried.failures.first().copied().unwrap_or_default();
        let first = i64::from(self.config.limits.sign_in_free_failures.max(1));
        if let Some(own) = credentials
            && [first, first * 4, first * 16].contains(&i64::from(failures))
        {
            self.mailer
                .send(letters::sign_in_failures(&own.user, failures, context));
        }
        Ok(())
    }

    /// Waits until the session that this one replaced is over everywhere.
    pub(super) async fn settled(&self, mut started: Started) -> Started {
        let recorded = std::mem::replace(&mut started.recorded, crate::revocation::Recorded::nothing());
        self.revocations.settle(recorded).await;
        started
    }
}
