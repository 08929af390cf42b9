//! Signatures of Standard Webhooks: HMAC-SHA256 over id, time and body, under the bytes that a secret stands for.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::{crypto::Token, types::Entropy};

/// What a secret begins with.
pub(super) const PREFIX: &str = "whsec_";

/// A new secret: 256 random bits.
pub(super) fn new_secret(entropy: &Entropy) -> Token {
    let random = Zeroizing::new(entropy.bytes::<32>());
    Token::from(format!("{PREFIX}{}", STANDARD.encode(random.as_slice())))
}

/// The signature of a body; none if `secret` is no secret.
pub(super) fn sign(secret: &str, id: &str, timestamp: i64, body: &str) -> Option<String> {
    let key = Zeroizing::new(STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?);
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_slice());
    let tag = hmac::sign(&key, format!("{id}.{timestamp}.{body}").as_bytes());
    Some(format!("v1,{}", STANDARD.encode(tag.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calculated apart from this code, by `openssl dgst -sha256 -mac HMAC`.
    #[test]
    fn a_signature_is_what_others_make_of_the_same() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let signature = sign(
            secret,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(
            signature.as_deref(),
            Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
        );
        assert_eq!(sign("sk_live_x", "msg_1", 1, "{}"), None);
        assert_eq!(sign("whsec_*", "msg_1", 1, "{}"), None);
    }

    #[test]
    fn a_new_secret_stands_for_32_bytes() {
        let secret = new_secret(&Entropy::system());
        let text = secret.expose().strip_prefix(PREFIX).unwrap();
        assert_eq!(STANDARD.decode(text).unwrap().len(), 32);
    }
}
