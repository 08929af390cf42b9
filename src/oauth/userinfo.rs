//! What a client may know of a person (OpenID Connect Core §5.3, §5.4).

use serde_json::{Map, Value, json};

use super::{
    Authority,
    access_token::{self, Principal},
};
use crate::{
    identity::{self, User},
    types::{Fault, ScopeSet},
};

/// Why the endpoint tells nothing (RFC 6750 §3.1).
#[derive(Debug, thiserror::Error)]
pub enum UserinfoError {
    #[error("the access token is missing")]
    NoToken,
    #[error("the access token expired or was revoked, or is not one of this server")]
    InvalidToken,
    #[error("the access token does not have the scope openid")]
    InsufficientScope,
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The claims that scopes give.
pub(super) fn claims(user: &User, scopes: &ScopeSet) -> Map<String, Value> {
    let mut claims = Map::new();
    if scopes.contains("profile") {
        claims.insert("name".into(), json!(user.name));
    }
    if scopes.contains("email") {
        claims.insert("email".into(), json!(user.email.as_str()));
        claims.insert("email_verified".into(), json!(user.email_verified));
    }
    claims
}

/// The scope that gives a claim.
pub(super) fn scope_of(claim: &str) -> Option<&'static str> {
    match claim {
        "name" => Some("profile"),
        "email" | "email_verified" => Some("email"),
        _ => None,
    }
}

/// Answers for the person that an access token speaks for.
///
/// # Errors
///
/// See [`UserinfoError`].
pub async fn userinfo(
    authority: &Authority,
    token: Option<&str>,
) -> Result<Map<String, Value>, UserinfoError> {
    let token = token.ok_or(UserinfoError::NoToken)?;
    let token = access_token::inspect(authority, token)
        .await?
        .ok_or(UserinfoError::InvalidToken)?;
    let Principal::User { user, .. } = token.principal else {
        return Err(UserinfoError::InsufficientScope);
    };
    if !token.scopes.contains("openid") {
        return Err(UserinfoError::InsufficientScope);
    }
    let user = identity::user(&*authority.db.connection().await?, user)
        .await?
        .filter(|user| !user.blocked)
        .ok_or(UserinfoError::InvalidToken)?;
    let mut claims = claims(&user, &token.scopes);
    claims.insert("sub".into(), json!(user.id));
    Ok(claims)
}
