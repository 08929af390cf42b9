use super::picture::Picture;
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
    #[error("a logo is at most 1024 pixels wide and high")]
    Sides,
    #[error("a logo does not move")]
    Animated,
}

impl Logo {
    pub const LARGEST: usize = 64 * 1024;
    pub const LARGEST_IN_WORDS: &str = "64 KiB";
    /// Pixels. A small file can unfold into a picture that takes a browser's memory.
    pub const LONGEST_SIDE: u32 = 1024;

    /// Takes a file for what it is, whatever its name says. SVG is left out: it can hold scripts.
    ///
    /// # Errors
    ///
    /// If it is too large, no picture of a known kind, or one that moves.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, InvalidLogo> {
        if bytes.len() > Self::LARGEST {
            return Err(InvalidLogo::TooLarge);
        }
        let picture = Picture::of(&bytes).ok_or(InvalidLogo::Format)?;
        let sides = 1..=Self::LONGEST_SIDE;
        if !sides.contains(&picture.width) || !sides.contains(&picture.height) {
            return Err(InvalidLogo::Sides);
        }
        if picture.animated {
            return Err(InvalidLogo::Animated);
        }
        Ok(Self {
            content_type: picture.content_type,
            bytes,
        })
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
