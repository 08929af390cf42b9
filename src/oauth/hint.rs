//! `id_token_hint` (OpenID Connect Core §3.1.2.1): an ID token that a client got earlier, to say whom it means.

use jsonwebtoken::{Validation, decode, decode_header};
use serde::Deserialize;

use super::Authority;
use crate::{
    crypto::JwtType,
    types::{ClientId, UserId},
};

#[derive(Deserialize)]
struct Hint {
    sub: UserId,
}

impl Authority {
    /// The person that an ID token of ours for this client speaks of, expired or not; none for anything else.
    pub(super) fn subject_of_hint(&self, hint: &str, client: ClientId) -> Option<UserId> {
        let header = decode_header(hint).ok()?;
        if header
            .typ
            .as_deref()
            .is_some_and(|typ| typ != JwtType::IdToken.name())
        {
            return None;
        }
        let (algorithm, key) = self.signing.verifier(header.kid.as_deref()?)?;
        let mut validation = Validation::new(algorithm);
        validation.validate_exp = false;
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[client.to_string()]);
        decode::<Hint>(hint, &key, &validation)
            .ok()
            .map(|token| token.claims.sub)
    }
}
