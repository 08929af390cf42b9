use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::types::Entropy;

/// A bearer secret in its text form. It shows itself only when it is asked to.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// 256 random bits in base64url, after a prefix that tells scanners and people what it is.
    #[must_use]
    pub fn random(prefix: &str, entropy: &Entropy) -> Self {
        let random = Zeroizing::new(entropy.bytes::<32>());
        Self(Zeroizing::new(format!(
            "{prefix}{}",
            encode_base64url(random.as_slice())
        )))
    }

    /// What somebody presents as a token.
    #[must_use]
    pub fn presented(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the text: enough at rest for what has 256 random bits.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        digest(self.0.as_bytes())
    }
}

impl From<String> for Token {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// SHA-256.
#[must_use]
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Whether two strings of bytes are the same, in a time that tells only their lengths.
#[must_use]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    subtle::ConstantTimeEq::ct_eq(one, other).into()
}

/// Hexadecimal digits, in lower case.
#[must_use]
pub fn encode_hex(bytes: &[u8]) -> String {
    use fmt::Write as _;

    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Base64url without padding (RFC 4648 §5).
#[must_use]
pub fn encode_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads base64url without padding; none for anything else, stray trailing bits too.
#[must_use]
pub fn decode_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
