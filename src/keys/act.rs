//! What every act on keys has: who asks, how far they reach, and what can be wrong.

use diesel_async::AsyncPgConnection;

use super::{
    Keys,
    model::{AppPolicy, KeyState},
    store,
};
use crate::{
    accounts::{self, Permission},
    audit::By,
    revocation::{Reason, Revocation, Subject},
    types::{AccountId, ApiKeyId, AppId, Fault, UserId},
};

/// How far somebody reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Whoever has the command line of the server.
    Everything,
    /// A person: as far as their role in each account says.
    Person(UserId),
    /// A key, or a client for itself: its own app. What it may do there its scopes have said already.
    App(AppId),
}

/// Who asks for an act.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'c> {
    pub by: By<'c>,
    pub reach: Reach,
}

impl Asker<'static> {
    pub const OPERATOR: Self = Self {
        by: By::OPERATOR,
        reach: Reach::Everything,
    };
}

impl Asker<'_> {
    /// Whether they may do what only operators may.
    pub(super) fn is_operator(&self) -> bool {
        self.reach == Reach::Everything || self.by.operator
    }

    /// How the trail and the key's own row name whoever made it.
    pub(super) fn name(&self) -> String {
        match self.by.actor {
            crate::audit::Actor::User(id) => id.to_string(),
            crate::audit::Actor::Client(id) => id.to_string(),
            crate::audit::Actor::Key(id) => id.to_string(),
            crate::audit::Actor::Operator => "operator".to_owned(),
            crate::audit::Actor::System => "system".to_owned(),
            crate::audit::Actor::Anonymous => "anonymous".to_owned(),
        }
    }
}

/// Why nothing was done to a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is none, or it is not the asker's to see.
    #[error("there is no such key")]
    NotFound,
    #[error("there is no such app")]
    NoApp,
    /// They see it, but may do nothing to it.
    #[error("your role does not reach so far: ask whoever owns the account")]
    Forbidden,
    #[error(
        "the app has {0} live keys already, the most that keys.per_app allows: revoke or rotate one of them, or raise it"
    )]
    TooMany(u32),
    #[error(
        "the app has {0} keys that are good already, with those that were rotated, twice what keys.per_app allows: \
         retire some that were rotated"
    )]
    TooManyOnTheirWayOut(u32),
    /// Something of what was asked for cannot stand; names the field.
    #[error("{problem}")]
    Unsound { field: &'static str, problem: String },
    #[error("the key is {0} already")]
    Over(&'static str),
    #[error("the key was rotated already: its successor is {0}")]
    Rotated(ApiKeyId),
    #[error("the key was not rotated: revoke it instead")]
    NotRotated,
    /// It still has traffic.
    #[error("the key was used in the last hour, so something still has it: wait, or say force")]
    InUse,
    /// It is not what the asker last saw.
    #[error("the key was changed meanwhile: read it again")]
    Changed,
    #[error("this Idempotency-Key came with another request before: use a new one")]
    OtherRequest,
    /// A form that was sent twice.
    #[error("it was made already")]
    Again,
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl KeyError {
    pub(super) fn unsound(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Unsound {
            field,
            problem: problem.into(),
        }
    }

    pub(super) const fn over(state: KeyState) -> Self {
        Self::Over(state.name())
    }
}

/// Whether the asker may do that to what belongs to this app.
pub(super) async fn permit(
    connection: &mut AsyncPgConnection,
    asker: &Asker<'_>,
    app: AppId,
    permission: Option<Permission>,
) -> Result<(), KeyError> {
    match asker.reach {
        Reach::Everything => Ok(()),
        Reach::App(own) if own == app => Ok(()),
        Reach::App(_) => Err(KeyError::NotFound),
        Reach::Person(user) => {
            let app = accounts::app(connection, app).await?.ok_or(KeyError::NotFound)?;
            let (role, enough) = match permission {
                None => (accounts::role_in(connection, app.account_id, user).await?, true),
                Some(permission) => {
                    let role = accounts::held_role_in(connection, app.account_id, user).await?;
                    (role, role.is_some_and(|role| role.may(permission)))
                }
            };
            match role {
                None => Err(KeyError::NotFound),
                Some(_) if enough => Ok(()),
                Some(_) => Err(KeyError::Forbidden),
            }
        }
    }
}

/// Whoever asked for an app and not for a key is told so.
pub(super) fn no_app(error: KeyError) -> KeyError {
    match error {
        KeyError::NotFound => KeyError::NoApp,
        other => other,
    }
}

/// Whoever asked for a key and not for its app is told so.
pub(super) fn no_key(error: KeyError) -> KeyError {
    match error {
        KeyError::NoApp => KeyError::NotFound,
        other => other,
    }
}

/// The app that keys are made in, held, if the asker may make them there.
pub(super) async fn held_app(
    connection: &mut AsyncPgConnection,
    asker: &Asker<'_>,
    app: AppId,
) -> Result<AppPolicy, KeyError> {
    let policy = store::held_policy(connection, app)
        .await?
        .ok_or(KeyError::NoApp)?;
    permit(connection, asker, app, Some(Permission::WriteKeys))
        .await
        .map_err(no_app)?;
    Ok(policy)
}

impl Keys {
    /// The account of an app that the asker reaches, if they may do that to what is the app's.
    ///
    /// # Errors
    ///
    /// [`KeyError::NoApp`] if it is not theirs to see, [`KeyError::Forbidden`].
    pub async fn account_of(
        &self,
        app: AppId,
        permission: Option<Permission>,
        asker: Asker<'_>,
    ) -> Result<AccountId, KeyError> {
        let mut connection = self.db.connection().await?;
        permit(&mut connection, &asker, app, permission)
            .await
            .map_err(no_app)?;
        let found = accounts::app(&mut connection, app).await?;
        found.map(|app| app.account_id).ok_or(KeyError::NoApp)
    }

    /// Ends an act that found all done as it was asked for. Whoever did it may still be waiting until every node knows, and
    /// nobody is told sooner that it is done.
    pub(super) async fn settle_others(&self, mut transaction: crate::db::Transaction) -> Result<(), Fault> {
        let others = self.revocations.recorded_so_far(&mut transaction).await?;
        transaction.commit().await?;
        self.revocations.settle(others).await;
        Ok(())
    }

    /// Ends an act that changed or revoked keys: when this returns, no node answers from an older copy.
    pub(super) async fn commit(
        &self,
        mut transaction: crate::db::Transaction,
        subjects: &[Subject],
        reason: Reason,
    ) -> Result<(), Fault> {
        let now = self.clock.now();
        // A key that was read from the database after this has the change in it, so an entry has nothing to outlive.
        let entries: Vec<Revocation> = subjects
            .iter()
            .map(|subject| Revocation {
                subject: *subject,
                reason,
                until: now,
            })
            .collect();
        let recorded = self.revocations.record(&mut transaction, now, &entries).await?;
        transaction.commit().await?;
        self.revocations.settle(recorded).await;
        Ok(())
    }
}
