use std::sync::Arc;

use super::mail::Mailer;
use crate::{
    audit::{self, Action, Actor, Record},
    config::Config,
    crypto::{Keyring, PasswordHasher},
    db::Db,
    revocation::Revocations,
    types::{AccountId, ClientContext, Clock, Entropy, UserId},
};

/// What every act of this folder needs. Built once, by `app`.
#[derive(Clone, Debug)]
pub struct Identity {
    pub db: Db,
    pub clock: Clock,
    pub entropy: Entropy,
    pub keyring: Keyring,
    pub hasher: PasswordHasher,
    pub mailer: Mailer,
    pub revocations: Revocations,
    pub config: Arc<Config>,
}

impl Identity {
    /// What a person did to themselves, for the trail; their account is where they read it.
    pub(super) fn own_act(
        &self,
        user: UserId,
        account: Option<AccountId>,
        action: Action,
        context: &ClientContext,
    ) -> Record {
        Record::done(
            self.clock.now(),
            Actor::User(user),
            action,
            audit::Subject::User(user),
        )
        .account(account)
        .from(context)
    }
}
