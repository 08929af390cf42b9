//! Sessions: begun with each sign-in, listed, ended one by one, all others, or all.

use diesel_async::AsyncPgConnection;
use time::OffsetDateTime;

use super::{
    Identity, Session, User,
    http::SignedIn,
    store::{self, Sealed, Which},
};
use crate::{
    accounts,
    audit::{self, Action, Actor, Record},
    crypto::{Origin, Place, Token},
    revocation::{Reason, Recorded, Revocation, Subject},
    types::{AccountId, ClientContext, Fault, SessionId, UserId},
};

/// Somebody has signed in: what goes into the cookie.
#[derive(Debug)]
pub struct Started {
    pub session_id: SessionId,
    pub user_id: UserId,
    pub token: Token,
    /// Of the password by which they did.
    pub(super) password_set_at: OffsetDateTime,
    /// To be settled after the commit: the session that this one takes the place of.
    pub(super) recorded: Recorded,
}

/// A session as its person sees it.
#[derive(Clone, Debug)]
pub struct ListedSession {
    pub session: Session,
    /// Where it was signed in from; none if that was sealed under a key that is gone.
    pub origin: Option<Origin>,
}

pub(super) fn context_place(id: SessionId) -> Place {
    Place::column("sessions", "context_sealed", id)
}

impl Identity {
    fn seal(&self, id: SessionId, token: &Token, context: &ClientContext) -> Result<Sealed, Fault> {
        Ok(Sealed {
            token_hash: token.digest(),
            context: self
                .keyring
                .seal_origin(&context_place(id), &Origin::from(context))?,
        })
    }

    /// Signs `user` in, in the caller's transaction, as its last statement. Whoever was signed in here keeps
    /// their session, under a new cookie, if they are the same person; another person's session ends.
    pub(super) async fn start_session(
        &self,
        connection: &mut AsyncPgConnection,
        user: &User,
        account: Option<AccountId>,
        current: Option<&SignedIn>,
        context: &ClientContext,
    ) -> Result<Started, Fault> {
        let now = self.clock.now();
        let token = Token::random("", &self.entropy);
        let session = |id| Session {
            id,
            user_id: user.id,
            authenticated_at: now,
            last_seen_at: now,
            expires_at: Session::expiry(&self.config.lifetimes, now, now),
        };
        let mut session_id = None;
        if let Some(current) = current
            && current.user.id == user.id
        {
            let id = current.session.id;
            let sealed = self.seal(id, &token, context)?;
            if store::renew_session(connection, &session(id), &current.token_digest, &sealed).await? {
                session_id = Some(id);
            }
        }
        let renewed = session_id.is_some();
        let id = session_id.unwrap_or_else(|| SessionId::new(&self.clock, &self.entropy));
        if !renewed {
            let sealed = self.seal(id, &token, context)?;
            store::insert_session(connection, &session(id), &sealed).await?;
        }
        Record::done(
            now,
            Actor::User(user.id),
            Action::SessionStarted,
            audit::Subject::Session(id),
        )
        .account(account)
        .from(context)
        .detail("renewed", renewed)
        .write(connection)
        .await?;
        let recorded = match current {
            Some(other) if other.user.id != user.id => {
                self.end_in(
                    connection,
                    &other.user,
                    Which::One(other.session.id),
                    Reason::SignedOut,
                    context,
                )
                .await?
                .1
            }
            _ => Recorded::nothing(),
        };
        Ok(Started {
            session_id: id,
            user_id: user.id,
            token,
            password_set_at: user.password_set_at,
            recorded,
        })
    }

    /// Ends sessions in the caller's transaction, as its last statement.
    pub(super) async fn end_in(
        &self,
        connection: &mut AsyncPgConnection,
        user: &User,
        which: Which,
        reason: Reason,
        context: &ClientContext,
    ) -> Result<(usize, Recorded), Fault> {
        let ended = self.delete_in(connection, user, which, reason, context).await?;
        let recorded = self
            .revocations
            .record(connection, self.clock.now(), &ended)
            .await?;
        Ok((ended.len(), recorded))
    }

    /// The same, but for the revocation log: says what is to be recorded there.
    pub(super) async fn delete_in(
        &self,
        connection: &mut AsyncPgConnection,
        user: &User,
        which: Which,
        reason: Reason,
        context: &ClientContext,
    ) -> Result<Vec<Revocation>, Fault> {
        let now = self.clock.now();
        let ended = store::delete_sessions(connection, user.id, which).await?;
        let account = accounts::personal_account_of(connection, user.id).await?;
        for id in &ended {
            Record::done(
                now,
                Actor::User(user.id),
                Action::SessionEnded,
                audit::Subject::Session(*id),
            )
            .account(account)
            .from(context)
            .detail("reason", reason_words(reason))
            .write(connection)
            .await?;
        }
        Ok(ended
            .into_iter()
            .map(|id| Revocation {
                subject: Subject::Session(id),
                reason,
                until: self.nothing_of_a_session_lives_after(now),
            })
            .collect())
    }

    /// The last access token of a session that ends now comes of a code that was under way.
    fn nothing_of_a_session_lives_after(&self, now: OffsetDateTime) -> OffsetDateTime {
        let lifetimes = &self.config.lifetimes;
        now + lifetimes.authorization_code.duration() + lifetimes.access_token.duration()
    }

    /// Ends sessions; it is true everywhere when this returns. How many there were.
    async fn end(&self, user: &User, which: Which, context: &ClientContext) -> Result<usize, Fault> {
        let mut transaction = self.db.begin().await?;
        let (ended, recorded) = self
            .end_in(&mut transaction, user, which, Reason::SignedOut, context)
            .await?;
        transaction.commit().await?;
        self.revocations.settle(recorded).await;
        Ok(ended)
    }

    /// Ends this session.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn sign_out(&self, signed_in: &SignedIn, context: &ClientContext) -> Result<(), Fault> {
        self.end(&signed_in.user, Which::One(signed_in.session.id), context)
            .await?;
        Ok(())
    }

    /// Ends one of a person's sessions; false if it is none of theirs.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn end_session(
        &self,
        signed_in: &SignedIn,
        id: SessionId,
        context: &ClientContext,
    ) -> Result<bool, Fault> {
        Ok(self.end(&signed_in.user, Which::One(id), context).await? == 1)
    }

    /// Ends all of a person's sessions but this one. How many there were.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn end_other_sessions(
        &self,
        signed_in: &SignedIn,
        context: &ClientContext,
    ) -> Result<usize, Fault> {
        self.end(&signed_in.user, Which::AllBut(signed_in.session.id), context)
            .await
    }

    /// A person's live sessions, the last used first.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn sessions(&self, user: UserId) -> Result<Vec<ListedSession>, Fault> {
        let mut connection = self.db.connection().await?;
        let sessions = store::sessions(&mut connection, user, self.clock.now()).await?;
        Ok(sessions
            .into_iter()
            .map(|(session, sealed)| ListedSession {
                origin: self.keyring.open_origin(&context_place(session.id), &sealed),
                session,
            })
            .collect())
    }
}

const fn reason_words(reason: Reason) -> &'static str {
    match reason {
        Reason::PasswordChanged => "password changed",
        Reason::Blocked => "blocked",
        _ => "signed out",
    }
}
