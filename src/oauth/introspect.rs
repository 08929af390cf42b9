//! Token introspection (RFC 7662). A live access token that this node issued is answered from memory, and so is an API key
//! that this node has seen before: a resource server needs one client for both.

use std::time::Instant;

use serde::Serialize;

use super::{
    Authority, EndpointError,
    access_token::{self, AccessToken, Principal},
    clients::{ClientKind, Presented, authenticate},
    grants::{self, Grant},
    refresh_token::RefreshToken,
};
use crate::{
    keys::{Keys, LiveKey, Refusal, Seen, Wanted},
    types::{
        AccountId, ApiKeyId, AppId, ClientContext, ClientId, Environment, Fault, ScopeSet, SessionId, TokenId,
    },
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
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<ClientId>,
    scope: ScopeSet,
    token_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<TokenId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    key: Option<OfKey>,
}

/// What is said of an API key beyond what is said of tokens.
#[derive(Debug, Serialize)]
struct OfKey {
    key_id: ApiKeyId,
    app_id: AppId,
    account_id: AccountId,
    environment: Environment,
}

/// Tells an authenticated confidential client, or an API key with the scope `tokens:introspect`, whether a token or a key is
/// good now, and for what.
///
/// # Errors
///
/// See [`EndpointError`]. Of a token that is not good nothing is told, whatever the reason.
pub async fn introspect(
    authority: &Authority,
    keys: &Keys,
    authorization: Option<&str>,
    form: &Parameters,
    context: &ClientContext,
) -> Result<Introspection, EndpointError> {
    let bearer = authorization.and_then(|header| {
        let (scheme, credential) = header.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(credential)
    });
    match bearer {
        Some(key) => ask_by_key(keys, key, context).await?,
        None => ask_by_client(authority, authorization, form, context).await?,
    }
    if let Some(repeated) = form.repeated() {
        return Err(repeated.into());
    }
    let token = form
        .one("token")?
        .ok_or_else(|| EndpointError::InvalidRequest("token is missing".into()))?;
    if keys.formats.begins(token) {
        let now = authority.clock.now();
        let key = keys.find(token).await?;
        let live = key.filter(|key| key.expires_at.is_none_or(|end| end > now));
        return Ok(live.map_or_else(Introspection::default, |key| of_key(authority, &key)));
    }
    Ok(match RefreshToken::decode(&authority.keyring, token)? {
        Some(refresh_token) => of_refresh_token(authority, refresh_token).await?,
        None => access_token::inspect(authority, token)
            .await?
            .map_or_else(Introspection::default, |token| of_access_token(authority, token)),
    })
}

async fn ask_by_client(
    authority: &Authority,
    authorization: Option<&str>,
    form: &Parameters,
    context: &ClientContext,
) -> Result<(), EndpointError> {
    let asker = authenticate(authority, &Presented::read(authorization, form)?, context).await?;
    if asker.registration.kind == ClientKind::Public {
        return Err(EndpointError::InvalidClient {
            challenge: authorization.is_some(),
            description: "introspection is for clients that authenticate",
        });
    }
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "measures how long it took")]
async fn ask_by_key(keys: &Keys, presented: &str, context: &ClientContext) -> Result<(), EndpointError> {
    let started = Instant::now();
    let needed: ScopeSet = "tokens:introspect".parse().map_err(Fault::internal)?;
    let wanted = Wanted {
        scope: Some(&needed),
        environment: None,
        address: Some(context.address),
        cost: 1,
    };
    let judgement = keys.judge(presented, wanted).await?;
    let (answer, status) = match &judgement.result {
        Ok(_) => (Ok(()), 200),
        Err(Refusal::RateLimited { retry_after, .. }) => (Err(EndpointError::Throttled(*retry_after)), 429),
        Err(
            Refusal::NotFound
            | Refusal::Expired
            | Refusal::WrongEnvironment { .. }
            | Refusal::AddressNotAllowed
            | Refusal::InsufficientScope { .. },
        ) => (Err(EndpointError::InvalidToken), 401),
    };
    let seen = Seen {
        route: "/oauth/introspect",
        status,
        user_agent: &context.user_agent,
        latency: started.elapsed(),
        request_id: &context.request_id,
    };
    keys.count(&judgement, wanted, seen);
    answer
}

fn of_key(authority: &Authority, key: &LiveKey) -> Introspection {
    let active = Active {
        iss: authority.issuer.to_string(),
        sub: key.app_id.to_string(),
        aud: authority.issuer.to_string(),
        client_id: None,
        scope: key.scopes.clone(),
        token_type: "api_key",
        iat: None,
        nbf: None,
        exp: key.expires_at.map(time::OffsetDateTime::unix_timestamp),
        jti: None,
        sid: None,
        auth_time: None,
        key: Some(OfKey {
            key_id: key.id,
            app_id: key.app_id,
            account_id: key.account_id,
            environment: key.environment,
        }),
    };
    Introspection {
        active: true,
        token: Some(active),
    }
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
        client_id: Some(token.client_id),
        scope: token.scopes,
        token_type: "Bearer",
        iat: Some(token.issued_at),
        nbf: Some(token.issued_at),
        exp: Some(token.expires_at),
        jti: Some(token.id),
        sid,
        auth_time,
        key: None,
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
        client_id: Some(grant.client_id),
        scope: grant.scopes,
        token_type: "refresh_token",
        iat: Some(grant.rotated_at.unix_timestamp()),
        nbf: Some(grant.rotated_at.unix_timestamp()),
        exp: Some(grant.expires_at.unix_timestamp()),
        jti: None,
        sid: Some(grant.session_id),
        auth_time: Some(grant.authenticated_at.unix_timestamp()),
        key: None,
    };
    Ok(Introspection {
        active: true,
        token: Some(active),
    })
}
