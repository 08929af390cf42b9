//! Token introspection (RFC 7662). A live access token that this node issued is answered from memory.

use serde::Serialize;

use super::{
    Authority, EndpointError,
    access_token::{self, AccessToken, Principal},
    clients::{ClientKind, Presented, authenticate},
    grants::{self, Grant},
    refresh_token::RefreshToken,
};
use crate::{
    types::{ClientContext, ClientId, Fault, ScopeSet, SessionId, TokenId},
    web::Parameters,
};

/// The answer (RFC 7662 §2.2). Inactive is `{"active": false}` and nothing else.
#[derive(Debug, Default, Serialize)]
pub struct Introspection {
    active: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    token: Option<Active>,
}

#[derive(Debug, Serialize)]
struct Active {
    iss: String,
    sub: String,
    aud: String,
    client_id: ClientId,
    scope: ScopeSet,
    token_type: &'static str,
    iat: i64,
    nbf: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<TokenId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
}

/// Tells an authenticated confidential client whether a token is good now, and for what.
///
/// # Errors
///
/// See [`EndpointError`]. Of a token that is not good nothing is told, whatever the reason.
pub async fn introspect(
    authority: &Authority,
    authorization: Option<&str>,
    form: &Parameters,
    context: &ClientContext,
) -> Result<Introspection, EndpointError> {
    let asker = authenticate(authority, &Presented::read(authorization, form)?, context).await?;
    if asker.registration.kind == ClientKind::Public {
        return Err(EndpointError::InvalidClient {
            challenge: authorization.is_some(),
            description: "introspection is for clients that authenticate",
        });
    }
    if let Some(repeated) = form.repeated() {
        return Err(repeated.into());
    }
    let token = form
        .one("token")?
        .ok_or_else(|| EndpointError::InvalidRequest("token is missing".into()))?;
    Ok(match RefreshToken::decode(&authority.keyring, token)? {
        Some(refresh_token) => of_refresh_token(authority, refresh_token).await?,
        None => access_token::inspect(authority, token)
            .await?
            .map_or_else(Introspection::default, |token| of_access_token(authority, token)),
    })
}

fn of_access_token(authority: &Authority, token: AccessToken) -> Introspection {
    let (sid, auth_time) = match token.principal {
        Principal::User {
            session,
            authenticated_at,
            ..
        } => (Some(session), Some(authenticated_at)),
        Principal::Client => (None, None),
    };
    let active = Active {
        iss: authority.issuer.to_string(),
        sub: token.subject(),
        aud: authority.issuer.to_string(),
        client_id: token.client_id,
        scope: token.scopes,
        token_type: "Bearer",
        iat: token.issued_at,
        nbf: token.issued_at,
        exp: token.expires_at,
        jti: Some(token.id),
        sid,
        auth_time,
    };
    Introspection {
        active: true,
        token: Some(active),
    }
}

/// A refresh token is active while it would be taken: it is the current generation of a live grant of a client
/// that is not shut out.
async fn of_refresh_token(authority: &Authority, token: RefreshToken) -> Result<Introspection, Fault> {
    let grant = grants::find(&mut *authority.db.connection().await?, token.grant_id).await?;
    let good = |grant: &Grant| grant.generation == token.generation && grant.is_live(authority.clock.now());
    let Some(grant) = grant.filter(good) else {
        return Ok(Introspection::default());
    };
    let client = authority.clients.get(grant.client_id).await?;
    if client.is_none_or(|client| client.is_disabled()) {
        return Ok(Introspection::default());
    }
    let active = Active {
        iss: authority.issuer.to_string(),
        sub: grant.user_id.to_string(),
        aud: authority.issuer.to_string(),
        client_id: grant.client_id,
        scope: grant.scopes,
        token_type: "refresh_token",
        iat: grant.rotated_at.unix_timestamp(),
        nbf: grant.rotated_at.unix_timestamp(),
        exp: grant.expires_at.unix_timestamp(),
        jti: None,
        sid: Some(grant.session_id),
        auth_time: Some(grant.authenticated_at.unix_timestamp()),
    };
    Ok(Introspection {
        active: true,
        token: Some(active),
    })
}
