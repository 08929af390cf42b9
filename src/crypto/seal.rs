use std::fmt::Display;

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use zeroize::Zeroizing;

use super::{KeyId, Keyring, Purpose};
use crate::types::Fault;

/// Where a sealed value lives. It is authenticated with the value, so that one moved elsewhere does not open.
#[derive(Clone, Debug)]
pub struct Place(String);

impl Place {
    /// A column of a row.
    #[must_use]
    pub fn column(table: &str, column: &str, row: impl Display) -> Self {
        Self(format!("{table}/{column}/{row}"))
    }

    /// A value that travels, such as an authorization code.
    #[must_use]
    pub fn wire(kind: &str) -> Self {
        Self(format!("wire/{kind}"))
    }
}

/// What was sealed; wiped when dropped.
pub type Unsealed = Zeroizing<Vec<u8>>;

impl Keyring {
    /// AES-256-GCM under the current key of `purpose`: key id (4 bytes), nonce (12), ciphertext, tag (16).
    ///
    /// # Errors
    ///
    /// As [`Keyring::current_id`].
    pub fn seal(&self, purpose: Purpose, place: &Place, plaintext: &[u8]) -> Result<Vec<u8>, Fault> {
        let key = self.current(purpose)?;
        let nonce: [u8; NONCE_LEN] = self.entropy.bytes();
        let mut sealed = Vec::with_capacity(KeyId::to_bytes(key.id).len() + NONCE_LEN + plaintext.len() + 16);
        sealed.extend(key.id.to_bytes());
        sealed.extend(nonce);
        let mut body = plaintext.to_vec();
        key.aead
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.0.as_bytes()),
                &mut body,
            )
            .map_err(Fault::internal)?;
        sealed.append(&mut body);
        Ok(sealed)
    }

    /// Opens what [`Keyring::seal`] made for the same purpose and place; none for anything else.
    #[must_use]
    pub fn open(&self, purpose: Purpose, place: &Place, sealed: &[u8]) -> Option<Unsealed> {
        let (id, rest) = sealed.split_first_chunk::<4>()?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>()?;
        let key = self.by_id(purpose, KeyId::from_bytes(*id))?;
        let mut body = Zeroizing::new(body.to_vec());
        let length = key
            .aead
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(place.0.as_bytes()),
                &mut body,
            )
            .ok()?
            .len();
        body.truncate(length);
        Some(body)
    }
}
