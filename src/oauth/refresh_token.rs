//! Refresh tokens (RFC 6749 §6) are derived, not stored: key id ‖ grant ‖ generation ‖ MAC. So the successor of
//! a generation has one value, and a forged or foreign token dies before the database hears of it.

use uuid::Uuid;

use crate::{
    crypto::{KeyId, Keyring, Purpose, Token, decode_base64url, encode_base64url, same},
    types::{Fault, GrantId},
};

/// What a genuine refresh token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    pub grant_id: GrantId,
    pub generation: i32,
}

const PREFIX: &str = "rt_";

impl RefreshToken {
    /// The text of this token under the current key.
    ///
    /// # Errors
    ///
    /// If there is no key.
    pub fn encode(&self, keyring: &Keyring) -> Result<Token, Fault> {
        let key_id = keyring.current_id(Purpose::RefreshToken)?;
        let message = self.message(key_id);
        let mac = keyring
            .mac_with(Purpose::RefreshToken, key_id, &message)
            .ok_or_else(|| Fault::internal("the current refresh key is gone"))?;
        Ok(Token::from(format!(
            "{PREFIX}{}",
            encode_base64url(&[message.as_slice(), &mac.tag].concat())
        )))
    }

    /// Reads a token that this server made; none for anything else.
    #[must_use]
    pub fn decode(keyring: &Keyring, text: &str) -> Option<Self> {
        let bytes = decode_base64url(text.strip_prefix(PREFIX)?)?;
        let (key_id, rest) = bytes.split_first_chunk::<4>()?;
        let (grant, rest) = rest.split_first_chunk::<16>()?;
        let (generation, tag) = rest.split_first_chunk::<4>()?;
        let key_id = KeyId::from_bytes(*key_id);
        let token = Self {
            grant_id: GrantId::from_uuid(Uuid::from_bytes(*grant)),
            generation: i32::from_be_bytes(*generation),
        };
        let mac = keyring.mac_with(Purpose::RefreshToken, key_id, &token.message(key_id))?;
        same(tag, &mac.tag).then_some(token)
    }

    fn message(&self, key_id: KeyId) -> Vec<u8> {
        [
            key_id.to_bytes().as_slice(),
            self.grant_id.uuid().as_bytes(),
            &self.generation.to_be_bytes(),
        ]
        .concat()
    }
}
