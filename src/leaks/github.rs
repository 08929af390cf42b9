//! GitHub's secret scanning partner programme: its reports are signed with ECDSA over P-256 and SHA-256, over the body as it
//! came (docs.github.com, "Secret scanning partner program").

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

/// Characters of a name of a key; GitHub's have 64.
const LONGEST_ID: usize = 128;

impl Leaks {
    /// Whether GitHub has signed this body.
    ///
    /// # Errors
    ///
    /// [`Fault::Unavailable`] if its keys cannot be had now: then it cannot be known.
    pub async fn is_from_github(&self, signature: Signature<'_>, body: &[u8]) -> Result<bool, Fault> {
        let is_good = self.verify(signature, body).await?;
        if !is_good {
            self.tally.report(super::report::GITHUB, Fate::Unsigned);
        }
        Ok(is_good)
    }

    async fn verify(
        &self,
        Signature { key_id, signature }: Signature<'_>,
        body: &[u8],
    ) -> Result<bool, Fault> {
        // What cannot be a signature is not worth asking for a key.
        let is_name = (1..=LONGEST_ID).contains(&key_id.len())
            && key_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let (true, Ok(signature)) = (is_name, STANDARD.decode(signature)) else {
            return Ok(false);
        };
        let key = self.github.key(key_id).await?;
        Ok(key.is_some_and(|key| key.verify_sig(body, &signature).is_ok()))
    }
}
