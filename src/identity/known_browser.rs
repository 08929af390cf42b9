//! Browsers in which a person was signed in before (device cookies, as OWASP calls them). Failures in one are counted
//! apart from those of everybody else, so that a stranger who keeps an account at its longest delay delays only strangers.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Identity, Started, User};
use crate::{
    crypto::{Place, Purpose, Token, decode_base64url, encode_base64url},
    types::{Fault, UserId},
};

/// What the cookie says: whose browser it is, and which. It signs nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KnownBrowser {
    pub(super) user: UserId,
    pub(super) id: Uuid,
    password: [u8; 8],
}

impl KnownBrowser {
    /// Whether it is this person's, by the password that they have now: whoever knew an earlier one may have collected
    /// as many cookies as they liked, each with a count of its own.
    pub(super) fn is_of(&self, user: &User) -> bool {
        self.user == user.id && self.password == version(user.password_set_at)
    }
}

/// The name under which [`crate::web::BrowserSettings`] keeps it.
pub(super) const COOKIE: &str = "known";
/// How long a browser is known after its last sign-in.
pub const KNOWN_FOR: Duration = Duration::from_hours(180 * 24);

fn place() -> Place {
    Place::wire("known-browser")
}

/// Names a password by when it was set, as exactly as the database keeps that: in microseconds.
fn version(set_at: OffsetDateTime) -> [u8; 8] {
    let micros = set_at.unix_timestamp_nanos().div_euclid(1_000);
    i64::try_from(micros).unwrap_or(i64::MAX).to_be_bytes()
}

impl Identity {
    /// The cookie for a browser in which somebody has just proved who they are. Each sign-in makes another: whoever had a
    /// copy of the last one shares no count with it.
    pub(super) fn remember_browser(&self, started: &Started) -> Result<Token, Fault> {
        let until = self.clock.unix() + i64::try_from(KNOWN_FOR.as_secs()).map_err(Fault::internal)?;
        let id = self.entropy.bytes::<16>();
        let plain = [
            started.user_id.uuid().as_bytes().as_slice(),
            &id,
            &version(started.password_set_at),
            &until.to_be_bytes(),
        ]
        .concat();
        let sealed = self.keyring.seal(Purpose::KnownBrowser, &place(), &plain)?;
        Ok(Token::from(encode_base64url(&sealed)))
    }

    /// What a browser presents, if we made it and it is not too old.
    pub(super) fn recognise(&self, cookie: &Token) -> Option<KnownBrowser> {
        let sealed = decode_base64url(cookie.expose())?;
        let plain = self.keyring.open(Purpose::KnownBrowser, &place(), &sealed)?;
        let (user, rest) = plain.split_first_chunk::<16>()?;
        let (id, rest) = rest.split_first_chunk::<16>()?;
        let (password, until) = rest.split_first_chunk::<8>()?;
        let until = i64::from_be_bytes(until.try_into().ok()?);
        (self.clock.unix() < until).then(|| KnownBrowser {
            user: UserId::from_uuid(Uuid::from_bytes(*user)),
            id: Uuid::from_bytes(*id),
            password: *password,
        })
    }
}
