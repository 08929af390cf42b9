use std::sync::Arc;

use super::mail::Mailer;
use crate::{
    config::Config,
    crypto::{Keyring, PasswordHasher},
    db::Db,
    revocation::Revocations,
    types::{Clock, Entropy},
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
