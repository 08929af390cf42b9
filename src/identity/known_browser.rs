//! Browsers in which a person was signed in before (device cookies, as OWASP calls them). Failures in one are counted
//! apart from those of everybody else, so that a stranger who keeps an account at its longest delay delays only strangers.

use std::time::Duration;

use uuid::Uuid;

use super::Identity;
use crate::{
    crypto::{Place, Purpose, Token, decode_base64url, encode_base64url},
    types::{Fault, UserId},
};

/// What the cookie says: whose browser it is, and which. It signs nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KnownBrowser {
    pub(super) user: UserId,
    pub(super) id: Uuid,
}

/// The name under which [`crate::web::BrowserSettings`] keeps it.
pub(super) const COOKIE: &str = "known";
/// How long a browser is known after its last sign-in.
pub const KNOWN_FOR: Duration = Duration::from_hours(180 * 24);

fn place() -> Place {
    Place::wire("known-browser")
}

impl Identity {
    /// The cookie for a browser in which `user` has just proved who they are. Each sign-in makes another: whoever had a
    /// copy of the last one shares no count with it.
    pub(super) fn remember_browser(&self, user: UserId) -> Result<Token, Fault> {
        let until = self.clock.unix() + i64::try_from(KNOWN_FOR.as_secs()).map_err(Fault::internal)?;
        let id = self.entropy.bytes::<16>();
        let plain = [user.uuid().as_bytes().as_slice(), &id, &until.to_be_bytes()].concat();
        let sealed = self.keyring.seal(Purpose::KnownBrowser, &place(), &plain)?;
        Ok(Token::from(encode_base64url(&sealed)))
    }

    /// What a browser presents, if we made it and it is not too old.
    pub(super) fn recognise(&self, cookie: &Token) -> Option<KnownBrowser> {
        let sealed = decode_base64url(cookie.expose())?;
        let plain = self.keyring.open(Purpose::KnownBrowser, &place(), &sealed)?;
        let (user, rest) = plain.split_first_chunk::<16>()?;
        let (id, until) = rest.split_first_chunk::<16>()?;
        let until = i64::from_be_bytes(until.try_into().ok()?);
        (self.clock.unix() < until).then(|| KnownBrowser {
            user: UserId::from_uuid(Uuid::from_bytes(*user)),
            id: Uuid::from_bytes(*id),
        })
    }
}
