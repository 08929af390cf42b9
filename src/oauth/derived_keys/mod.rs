//! The end of derived keys: what still hangs on each, when one is retired by itself, and how an operator ends one that
//! has leaked. (How they begin: [`crate::crypto::Keyring`].)

mod retire;
mod store;

use std::time::Duration;

use time::OffsetDateTime;

use super::Authority;
use crate::{
    config::Config,
    crypto::{KeyState, KeyStatus, Purpose},
    identity::KNOWN_FOR,
    keys::IDEMPOTENT_FOR,
    types::Fault,
};

pub(super) use retire::retire_due;
pub use retire::{
    Leaving, RetireError, Retired, leave_old_masters, of_old_masters, retirable, retire, rotate,
};

/// A key, and what would be lost with it.
#[derive(Clone, Debug)]
pub struct KeyUse {
    pub key: KeyStatus,
    /// Live refresh tokens that it made, client secrets that it digested, or rows that it sealed.
    pub hanging: i64,
    /// Until when it serves at the least; none while it has no successor.
    pub needed_until: Option<OffsetDateTime>,
}

/// Clocks of nodes differ by less, and no request takes as long.
const MARGIN: Duration = Duration::from_mins(5);
/// How long a page may be open before its form is sent.
const FORM: Duration = Duration::from_hours(24);

/// How long what a key of this purpose makes is good without a row that names the key.
fn lifetime(purpose: Purpose, config: &Config) -> Duration {
    let lifetimes = &config.lifetimes;
    match purpose {
        Purpose::AuthorizationCode => lifetimes.authorization_code.duration(),
        // Their grants name the key. But a copy of one that was used must be known as such for as long as it could
        // have been good.
        Purpose::RefreshToken => lifetimes.refresh_token.duration(),
        Purpose::Csrf => FORM.max(lifetimes.authorization_request.duration()),
        Purpose::KnownBrowser => KNOWN_FOR,
        // How long the same request finds the key that it made.
        Purpose::ApiKeyBody => IDEMPOTENT_FOR,
        // Rows name the key; of fingerprints, only those under the current key are ever compared.
        Purpose::ClientSecret
        | Purpose::SigningKey
        | Purpose::ClientContext
        | Purpose::Fingerprint
        | Purpose::ApiKey
        | Purpose::WebhookSecret => Duration::ZERO,
    }
}

impl KeyUse {
    /// Whether nothing can need it any more.
    fn is_done(&self, now: OffsetDateTime) -> bool {
        self.key.state == KeyState::Serving
            && self.key.retired_at.is_none()
            && self.hanging == 0
            && self.needed_until.is_some_and(|until| until <= now)
    }

    /// Whether rows are sealed with it that would be lost.
    const fn seals_rows(&self) -> bool {
        self.hanging > 0
            && matches!(
                self.key.purpose,
                Purpose::SigningKey | Purpose::ClientContext | Purpose::WebhookSecret
            )
    }
}

/// All derived keys, oldest first.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn overview(authority: &Authority) -> Result<Vec<KeyUse>, Fault> {
    let mut connection = authority.db.connection().await?;
    authority.keyring.reload(&mut connection).await?;
    let hanging = store::hanging(&mut connection, authority.clock.now()).await?;
    Ok(authority
        .keyring
        .status()
        .into_iter()
        .map(|key| KeyUse {
            hanging: hanging.get(&key.id).copied().unwrap_or_default(),
            needed_until: key
                .superseded_at
                .map(|at| at + lifetime(key.purpose, &authority.config) + MARGIN),
            key,
        })
        .collect())
}
