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

/// What refresh tokens begin with.
pub(super) const PREFIX: &str = "rt_";

impl RefreshToken {
    /// The text of this token under a key.
    ///
    /// # Errors
    ///
    /// If that key is retired, or none.
    pub fn encode(&self, keyring: &Keyring, key_id: KeyId) -> Result<Token, Fault> {
        let message = self.message(key_id);
        let mac = keyring
            .mac_with(Purpose::RefreshToken, key_id, &message)
            .ok_or_else(|| Fault::unavailable("the key of a refresh token was retired while it was made"))?;
        Ok(Token::from(format!(
            "{PREFIX}{}",
            encode_base64url(&[message.as_slice(), &mac.tag].concat())
        )))
    }

    /// Reads a token that this server made; none for anything else.
    ///
    /// # Errors
    ///
    /// If this node lacks the key that it names.
    pub fn decode(keyring: &Keyring, text: &str) -> Result<Option<Self>, Fault> {
        match Self::parts(text) {
            Some((token, key_id, tag)) => {
                keyring.can_tell(key_id)?;
                let mac = keyring.mac_with(Purpose::RefreshToken, key_id, &token.message(key_id));
                Ok(mac.is_some_and(|mac| same(&tag, &mac.tag)).then_some(token))
            }
            None => Ok(None),
        }
    }

    /// What the text says, and what is to prove it.
    fn parts(text: &str) -> Option<(Self, KeyId, Vec<u8>)> {
        let bytes = decode_base64url(text.strip_prefix(PREFIX)?)?;
        let (key_id, rest) = bytes.split_first_chunk::<4>()?;
        let (grant, rest) = rest.split_first_chunk::<16>()?;
        let (generation, tag) = rest.split_first_chunk::<4>()?;
        let key_id = KeyId::from_bytes(*key_id);
        let token = Self {
            grant_id: GrantId::from_uuid(Uuid::from_bytes(*grant)),
            generation: i32::from_be_bytes(*generation),
        };
        Some((token, key_id, tag.to_vec()))
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
