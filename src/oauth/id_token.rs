//! ID tokens (OpenID Connect Core §2).

use serde_json::{Map, Value, json};

use super::{Authority, clients::Client};
use crate::{
    config::SigningAlgorithm,
    crypto::{JwtType, digest, encode_base64url},
    types::{Fault, SessionId, UserId},
};

/// What an ID token tells of a sign-in.
pub(super) struct SignIn<'s> {
    pub(super) user: UserId,
    pub(super) session: SessionId,
    /// Seconds since 1970.
    pub(super) authenticated_at: i64,
    pub(super) nonce: Option<&'s str>,
    /// What the request wants to be told of the person here rather than by the userinfo endpoint.
    pub(super) claims: Map<String, Value>,
}

/// Signs an ID token for `client`, as it registered.
pub(super) fn mint(
    authority: &Authority,
    client: &Client,
    sign_in: SignIn<'_>,
    access_token: &str,
) -> Result<String, Fault> {
    let now = authority.clock.unix();
    let lifetime =
        i64::try_from(authority.config.lifetimes.id_token.duration().as_secs()).unwrap_or(i64::MAX);
    let mut claims = sign_in.claims;
    claims.insert("iss".into(), json!(&*authority.issuer));
    claims.insert("sub".into(), json!(sign_in.user));
    claims.insert("aud".into(), json!(client.id));
    claims.insert("azp".into(), json!(client.id));
    claims.insert("iat".into(), json!(now));
    claims.insert("exp".into(), json!(now.saturating_add(lifetime)));
    claims.insert("auth_time".into(), json!(sign_in.authenticated_at));
    claims.insert("sid".into(), json!(sign_in.session));
    claims.insert("acr".into(), json!(ACR));
    claims.insert("amr".into(), json!(["pwd"]));
    claims.insert(
        "at_hash".into(),
        json!(at_hash(client.registration.id_token_alg, access_token)),
    );
    if let Some(nonce) = sign_in.nonce {
        claims.insert("nonce".into(), json!(nonce));
    }
    let payload = serde_json::to_vec(&claims).map_err(Fault::internal)?;
    authority
        .signing
        .sign(client.registration.id_token_alg, JwtType::IdToken, &payload)
}

/// One factor, no more is claimed.
pub(super) const ACR: &str = "1";

/// The left half of the access token's hash (OIDC Core §3.1.3.6). The hash is that of the signature's algorithm:
/// SHA-256 for ES256 and RS256, SHA-512 for Ed25519 (as RFC 8032 §5.1 uses it, and other servers do).
fn at_hash(algorithm: SigningAlgorithm, access_token: &str) -> String {
    use sha2::Digest as _;

    let hash = match algorithm {
        SigningAlgorithm::ES256 | SigningAlgorithm::RS256 => digest(access_token.as_bytes()).to_vec(),
        SigningAlgorithm::EdDSA => sha2::Sha512::digest(access_token.as_bytes()).to_vec(),
    };
    encode_base64url(hash.get(..hash.len() / 2).unwrap_or_default())
}
