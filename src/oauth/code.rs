//! Authorization codes (RFC 6749 §4.1.2): sealed with all that they bind, and at rest nowhere.

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, UtcDateTime};

use super::Authority;
use crate::{
    crypto::{KeyId, Place, Purpose, decode_base64url, encode_base64url},
    types::{ClientId, CodeId, Fault, ScopeSet, SessionId, UserId},
};

/// What a code says. Times are in microseconds since 1970, as the database keeps them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    pub id: CodeId,
    pub client_id: ClientId,
    pub user_id: UserId,
    pub session_id: SessionId,
    /// Where it was sent, and whether the request named that place (RFC 6749 §4.1.3).
    pub redirect_uri: String,
    pub redirect_uri_was_sent: bool,
    /// `S256` of the verifier, decoded (RFC 7636 §4.2).
    pub challenge: [u8; 32],
    pub scopes: ScopeSet,
    pub nonce: Option<String>,
    /// Claims that the request wants in the ID token (OIDC Core §5.5).
    pub id_token_claims: Vec<String>,
    authenticated_at: i64,
    consented_at: i64,
    expires_at: i64,
}

/// What a code binds beside its own id and times.
#[derive(Clone, Debug)]
pub struct Binding {
    pub client_id: ClientId,
    pub user_id: UserId,
    pub session_id: SessionId,
    pub redirect_uri: String,
    pub redirect_uri_was_sent: bool,
    pub code_challenge: [u8; 32],
    pub scopes: ScopeSet,
    pub nonce: Option<String>,
    pub id_token_claims: Vec<String>,
    pub authenticated_at: OffsetDateTime,
    /// When the consent that it comes of was first given: one that was withdrawn and given again is another.
    pub consented_at: OffsetDateTime,
}

fn micros(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000).unwrap_or_default()
}

fn time_of(micros: i64) -> OffsetDateTime {
    UtcDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
        .map_or(OffsetDateTime::UNIX_EPOCH, OffsetDateTime::from)
}

fn place() -> Place {
    Place::wire("authorization-code")
}

impl Code {
    /// Seals a new code.
    ///
    /// # Errors
    ///
    /// If there is no key to seal it with.
    pub fn issue(authority: &Authority, binding: Binding) -> Result<String, Fault> {
        let now = authority.clock.now();
        let code = Self {
            id: CodeId::new(&authority.clock, &authority.entropy),
            client_id: binding.client_id,
            user_id: binding.user_id,
            session_id: binding.session_id,
            redirect_uri: binding.redirect_uri,
            redirect_uri_was_sent: binding.redirect_uri_was_sent,
            challenge: binding.code_challenge,
            scopes: binding.scopes,
            nonce: binding.nonce,
            id_token_claims: binding.id_token_claims,
            authenticated_at: micros(binding.authenticated_at),
            consented_at: micros(binding.consented_at),
            expires_at: micros(now + authority.config.lifetimes.authorization_code.duration()),
        };
        let plain = postcard::to_stdvec(&code).map_err(Fault::internal)?;
        Ok(encode_base64url(&authority.keyring.seal(
            Purpose::AuthorizationCode,
            &place(),
            &plain,
        )?))
    }

    /// Opens a code, expired or not; none for anything that this server did not seal.
    ///
    /// # Errors
    ///
    /// If this node lacks the key that sealed it.
    pub fn open(authority: &Authority, text: &str) -> Result<Option<Self>, Fault> {
        let Some(sealed) = decode_base64url(text) else {
            return Ok(None);
        };
        if let Some(key_id) = sealed.first_chunk::<4>() {
            authority.keyring.can_tell(KeyId::from_bytes(*key_id))?;
        }
        let plain = authority
            .keyring
            .open(Purpose::AuthorizationCode, &place(), &sealed);
        Ok(plain.and_then(|plain| postcard::from_bytes(&plain).ok()))
    }

    #[must_use]
    pub fn is_expired(&self, now: OffsetDateTime) -> bool {
        now >= time_of(self.expires_at)
    }

    #[must_use]
    pub fn consented_at(&self) -> OffsetDateTime {
        time_of(self.consented_at)
    }

    #[must_use]
    pub fn authenticated_at(&self) -> OffsetDateTime {
        time_of(self.authenticated_at)
    }
}
