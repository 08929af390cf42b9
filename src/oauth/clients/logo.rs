use crate::{
    crypto::{digest, encode_base64url},
    types::ClientId,
};

/// A picture that stands beside a client's name. It is kept and served here, so that a consent page tells
/// no other server who is looking at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo {
    pub content_type: &'static str,
    pub bytes: Vec<u8>,
}

/// Why a file cannot be a logo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLogo {
    #[error("a logo is at most 64 KiB")]
    TooLarge,
    #[error("a logo is a PNG, JPEG or WebP picture")]
    Format,
}

impl Logo {
    pub const LARGEST: usize = 64 * 1024;
    pub const LARGEST_IN_WORDS: &str = "64 KiB";

    /// Takes a file for what it is, whatever its name says. SVG is left out: it can hold scripts.
    ///
    /// # Errors
    ///
    /// If it is too large, or no picture of a known kind.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, InvalidLogo> {
        if bytes.len() > Self::LARGEST {
            return Err(InvalidLogo::TooLarge);
        }
        let content_type = match bytes.as_slice() {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "image/png",
            [0xff, 0xd8, 0xff, ..] => "image/jpeg",
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
            _ => return Err(InvalidLogo::Format),
        };
        Ok(Self { content_type, bytes })
    }

    /// Names this picture and no other; the last part of its address.
    #[must_use]
    pub fn digest(&self) -> String {
        Self::digest_of(&self.bytes)
    }

    pub(super) fn known_type(content_type: &str) -> Option<&'static str> {
        ["image/png", "image/jpeg", "image/webp"]
            .into_iter()
            .find(|known| *known == content_type)
    }

    pub(super) fn digest_of(bytes: &[u8]) -> String {
        let digest = digest(bytes);
        encode_base64url(digest.get(..16).unwrap_or_default())
    }

    /// The address changes with the picture, so that caches may keep it for good.
    #[must_use]
    pub fn path(client: ClientId, digest: &str) -> String {
        format!("/oauth/clients/{client}/logo/{digest}")
    }
}
