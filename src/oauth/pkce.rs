//! Proof Key for Code Exchange (RFC 7636), `S256` alone.

use crate::crypto::{decode_base64url, digest, same};

/// Reads a `code_challenge`: 43 characters of base64url that hold a SHA-256 (RFC 7636 §4.2).
#[must_use]
pub fn challenge(text: &str) -> Option<[u8; 32]> {
    if text.len() != 43 {
        return None;
    }
    decode_base64url(text)?.try_into().ok()
}

/// Whether `text` can be a `code_verifier`: 43 to 128 unreserved characters (RFC 7636 §4.1).
#[must_use]
pub fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
}

/// Whether `verifier` is the one behind `challenge` (RFC 7636 §4.6).
#[must_use]
pub fn proves(verifier: &str, challenge: &[u8; 32]) -> bool {
    is_verifier(verifier) && same(&digest(verifier.as_bytes()), challenge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_holds() {
        // RFC 7636, appendix B
        let challenge = challenge("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").expect("a challenge");
        assert!(proves("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", &challenge));
        assert!(!proves("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl", &challenge));
    }

    #[test]
    fn other_shapes_are_refused() {
        for bad in [
            "",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM",
        ] {
            assert_eq!(challenge(bad), None, "{bad}");
        }
        assert!(
            !is_verifier(&"a".repeat(42)) && !is_verifier(&"a".repeat(129)) && !is_verifier(&"é".repeat(30))
        );
        assert!(is_verifier(&"~".repeat(128)));
    }
}
