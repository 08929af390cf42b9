//! Sign-up: a person, their personal account and their first app, in one transaction. Open, by invitation or
//! closed, as the configuration says. The same for whoever the command line or a first-operator link makes.

use diesel_async::AsyncPgConnection;
use secrecy::SecretString;

use super::{
    Identity, User,
    http::SignedIn,
    letters,
    model::LinkPurpose,
    password::{self, BadPassword},
    sessions::Started,
    store,
    throttle::{Delayed, Subject},
};
use crate::{
    accounts::{self, Opened},
    audit::{self, Action, Actor, Record},
    config::SignUpMode,
    crypto::Token,
    types::{ClientContext, DisplayName, Email, Fault, UserId},
};

/// What somebody filled in.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub name: String,
    pub email: String,
    pub password: SecretString,
}

/// What was wrong with which field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    pub name: Option<String>,
    pub email: Option<String>,
    pub password: Option<String>,
}

/// Why nobody was signed up.
#[derive(Debug, thiserror::Error)]
pub enum SignUpError {
    /// By configuration.
    #[error("sign-up is closed")]
    Closed,
    /// None was given, or it is used up, too old, or was never ours.
    #[error("an invitation is needed")]
    NoInvitation,
    /// The one-time link is used up, too old, or was never ours.
    #[error("the link is not good")]
    BadLink,
    #[error("some fields must be mended")]
    Problems(Problems),
    /// Too many tries at taken addresses, or sign-ups, from the same place.
    #[error("too many tries")]
    Delayed(std::time::Duration),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<Delayed> for SignUpError {
    fn from(Delayed(wait): Delayed) -> Self {
        Self::Delayed(wait)
    }
}

const TAKEN: &str = "There is an account with this address. Sign in instead.";

/// Fields that make sense.
struct Sound {
    name: DisplayName,
    email: Email,
    password: SecretString,
}

/// Who makes the person, and what they are to be.
struct Making<'a> {
    actor: Option<Actor>,
    email_verified: bool,
    operator: bool,
    context: Option<&'a ClientContext>,
}

/// Whoever was made.
#[derive(Clone, Debug)]
pub struct Created {
    pub user: User,
    pub opened: Opened,
}

impl Identity {
    /// Signs somebody up and in. With an invitation the address is the invited one, and counts as verified.
    ///
    /// # Errors
    ///
    /// [`SignUpError`].
    pub async fn sign_up(
        &self,
        mut new: NewUser,
        invitation: Option<&Token>,
        current: Option<&SignedIn>,
        context: &ClientContext,
    ) -> Result<Started, SignUpError> {
        let invited = match (self.config.sign_up.mode, invitation) {
            (SignUpMode::Closed, _) => return Err(SignUpError::Closed),
            (SignUpMode::Invitation, None) => return Err(SignUpError::NoInvitation),
            (SignUpMode::Open, None) => None,
            (SignUpMode::Open | SignUpMode::Invitation, Some(token)) => {
                let link = self.look_at_link(LinkPurpose::Invitation, token).await?;
                let email = link
                    .and_then(|link| link.email)
                    .ok_or(SignUpError::NoInvitation)?;
                new.email = email.to_string();
                Some(token)
            }
        };
        if invited.is_some() {
            return self.sign_up_as(new, invited, current, context).await;
        }
        // Counted ahead, so that many at once are held back as many one after the other.
        let counted = self
            .begin_try_after(
                self.config.limits.sign_ups_per_address,
                &[Subject::SignUp(context.address)],
            )
            .await??;
        let signed_up = self.sign_up_as(new, None, current, context).await;
        if signed_up.is_err() {
            self.withdraw_try(&counted).await?;
        }
        signed_up
    }

    async fn sign_up_as(
        &self,
        new: NewUser,
        invited: Option<&Token>,
        current: Option<&SignedIn>,
        context: &ClientContext,
    ) -> Result<Started, SignUpError> {
        let tried = self.begin_try(&[Subject::Probe(context.address)]).await??;
        let (sound, hash) = match self.read_and_hash(new, false).await {
            Ok(ready) => ready,
            Err(error) => {
                self.withdraw_try(&tried).await?;
                return Err(error);
            }
        };
        let now = self.clock.now();
        let mut transaction = self.db.begin().await?;
        if let Some(token) = invited {
            store::consume_link(&mut transaction, LinkPurpose::Invitation, &token.digest(), now)
                .await?
                .ok_or(SignUpError::NoInvitation)?;
        }
        let making = Making {
            actor: None,
            email_verified: invited.is_some(),
            operator: false,
            context: Some(context),
        };
        let Created { user, opened } = self.create_in(&mut transaction, &sound, &hash, &making).await?;
        let link = if user.email_verified {
            None
        } else {
            Some(
                self.make_link(
                    &mut transaction,
                    LinkPurpose::VerifyEmail,
                    Some(user.id),
                    Some(&user.email),
                )
                .await?,
            )
        };
        let started = self
            .start_session(&mut transaction, &user, Some(opened.account_id), current, context)
            .await?;
        transaction.commit().await?;
        self.withdraw_try(&tried).await?;
        if let Some(link) = link {
            let good_for = self.link_lifetime(LinkPurpose::VerifyEmail);
            self.mailer.send(letters::verify_email(&user, &link, good_for));
        }
        Ok(self.settled(started).await)
    }

    /// Makes the first operator of a fresh server by the link that was printed at its start, and signs them
    /// in. Their address counts as verified: whoever reads the server's output owns it.
    ///
    /// # Errors
    ///
    /// [`SignUpError`]; [`SignUpError::BadLink`] too if there is an operator by now.
    pub async fn set_up(
        &self,
        token: &Token,
        new: NewUser,
        current: Option<&SignedIn>,
        context: &ClientContext,
    ) -> Result<Started, SignUpError> {
        if self
            .look_at_link(LinkPurpose::FirstOperator, token)
            .await?
            .is_none()
        {
            return Err(SignUpError::BadLink);
        }
        let (sound, hash) = self.read_and_hash(new, false).await?;
        let mut transaction = self.db.begin().await?;
        let now = self.clock.now();
        if !store::consume_first_operator_links(&mut transaction, &token.digest(), now).await?
            || store::has_operator(&mut transaction).await?
        {
            return Err(SignUpError::BadLink);
        }
        let making = Making {
            actor: None,
            email_verified: true,
            operator: true,
            context: Some(context),
        };
        let Created { user, opened } = self.create_in(&mut transaction, &sound, &hash, &making).await?;
        let started = self
            .start_session(&mut transaction, &user, Some(opened.account_id), current, context)
            .await?;
        transaction.commit().await?;
        Ok(self.settled(started).await)
    }

    /// Makes a person by the command line: whoever has it answers for the address, which counts as verified,
    /// and for the strength of the password, of which only the length is checked.
    ///
    /// # Errors
    ///
    /// [`SignUpError`].
    pub async fn create_user(&self, new: NewUser, operator: bool) -> Result<Created, SignUpError> {
        let (sound, hash) = self.read_and_hash(new, true).await?;
        let mut transaction = self.db.begin().await?;
        let making = Making {
            actor: Some(Actor::Operator),
            email_verified: true,
            operator,
            context: None,
        };
        let created = self.create_in(&mut transaction, &sound, &hash, &making).await?;
        transaction.commit().await?;
        Ok(created)
    }

    /// The link that makes the first operator, if the server has none; a new one at each start.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn first_operator_link(&self) -> Result<Option<String>, Fault> {
        let mut transaction = self.db.begin().await?;
        if store::has_operator(&mut transaction).await? {
            return Ok(None);
        }
        let link = self
            .make_link(&mut transaction, LinkPurpose::FirstOperator, None, None)
            .await?;
        transaction.commit().await?;
        Ok(Some(link))
    }

    async fn read_and_hash(&self, new: NewUser, any_strength: bool) -> Result<(Sound, String), SignUpError> {
        let judged = if any_strength {
            password::check_length(&new.password)
        } else {
            self.judge(&new.password, password::about(&new.name, &new.email))
                .await?
        };
        let sound = read(new, judged).map_err(SignUpError::Problems)?;
        let hash = self.hasher.hash(sound.password.clone()).await?;
        Ok((sound, hash))
    }

    async fn create_in(
        &self,
        connection: &mut AsyncPgConnection,
        sound: &Sound,
        hash: &str,
        making: &Making<'_>,
    ) -> Result<Created, SignUpError> {
        let now = self.clock.now();
        let user = User {
            id: UserId::new(&self.clock, &self.entropy),
            email: sound.email.clone(),
            email_verified: making.email_verified,
            name: sound.name.to_string(),
            password_set_at: now,
            operator: making.operator,
            blocked: false,
            created_at: now,
        };
        if !store::insert_user(connection, &user, hash).await? {
            return Err(SignUpError::Problems(Problems {
                email: Some(TAKEN.to_owned()),
                ..Problems::default()
            }));
        }
        // Whoever has an account needs none of them any more.
        store::delete_invitations(connection, &user.email).await?;
        let actor = making.actor.unwrap_or(Actor::User(user.id));
        let opened = accounts::open_personal_account(
            connection,
            &self.clock,
            &self.entropy,
            user.id,
            &sound.name,
            audit::By {
                actor,
                context: making.context,
                operator: false,
            },
        )
        .await?;
        let record = |action| {
            Record::done(now, actor, action, audit::Subject::User(user.id))
                .account(opened.account_id)
                .from(making.context)
        };
        record(Action::UserCreated).write(connection).await?;
        if user.operator {
            record(Action::OperatorAppointed).write(connection).await?;
        }
        Ok(Created { user, opened })
    }
}

fn read(new: NewUser, judged: Result<(), BadPassword>) -> Result<Sound, Problems> {
    let name = new.name.parse::<DisplayName>();
    let email = new.email.parse::<Email>();
    match (name, email, judged) {
        (Ok(name), Ok(email), Ok(())) => Ok(Sound {
            name,
            email,
            password: new.password,
        }),
        (name, email, judged) => Err(Problems {
            name: name.err().map(|error| error.to_string()),
            email: email.err().map(|error| error.to_string()),
            password: judged.err().map(|error| error.to_string()),
        }),
    }
}
