//! GitHub's secret scanning partner programme: its reports are signed with ECDSA over P-256 and SHA-256, over the body as it
//! came (docs.github.com, "Secret scanning partner program").

use std::sync::Arc;

use aws_lc_rs::signature::ParsedPublicKey;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Leaks, tally::Fate};
use crate::types::Fault;

/// What a report says of who signed it.
#[derive(Clone, Copy, Debug)]
pub struct Signature<'s> {
    /// `Github-Public-Key-Identifier`
    pub key_id: &'s str,
    /// `Github-Public-Key-Signature`
    pub signature: &'s str,
}

/// What a body must have been signed with, to be GitHub's.
pub struct Signed {
    key: Arc<ParsedPublicKey>,
    signature: Vec<u8>,
}

/// Characters of a name of a key; GitHub's have 64.
const LONGEST_ID: usize = 128;
/// Characters of a signature: 72 bytes at the most.
const LONGEST_SIGNATURE: usize = 96;

impl Leaks {
    /// Whether a report can be GitHub's, as far as that can be known before its body is there: none if it is not.
    ///
    /// # Errors
    ///
    /// [`Fault::Unavailable`] if GitHub's keys cannot be had now: then it cannot be known.
    pub async fn signed(&self, signature: Signature<'_>) -> Result<Option<Signed>, Fault> {
        let signed = self.read_signature(signature).await?;
        if signed.is_none() {
            self.count_unsigned();
        }
        Ok(signed)
    }

    async fn read_signature(
        &self,
        Signature { key_id, signature }: Signature<'_>,
    ) -> Result<Option<Signed>, Fault> {
        // What cannot be a signature is not worth asking for a key.
        let is_name = (1..=LONGEST_ID).contains(&key_id.len())
            && key_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_name || signature.len() > LONGEST_SIGNATURE {
            return Ok(None);
        }
        let Ok(signature) = STANDARD.decode(signature) else {
            return Ok(None);
        };
        let key = self.github.key(key_id).await?;
        Ok(key.map(|key| Signed { key, signature }))
    }

    /// Whether GitHub has signed this body.
    #[must_use]
    pub fn is_from_github(&self, signed: &Signed, body: &[u8]) -> bool {
        let is_good = signed.key.verify_sig(body, &signed.signature).is_ok();
        if !is_good {
            self.count_unsigned();
        }
        is_good
    }

    fn count_unsigned(&self) {
        self.tally.report(super::report::GITHUB, Fate::Unsigned);
    }
}
