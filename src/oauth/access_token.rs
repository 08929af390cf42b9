//! Access tokens (RFC 9068): JWTs that live in memory only. The node that issued one knows it by look-up, others
//! by signature, and both ask the revocation log.

use std::time::Duration;

use jsonwebtoken::{Validation, decode, decode_header};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Authority, live_tokens::LiveToken};
use crate::{
    config::Config,
    crypto::{JwtType, Token},
    revocation::Subject,
    types::{ClientId, Fault, GrantId, Scope, ScopeSet, SessionId, TokenId, UserId},
};

/// Whom a token speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A person, through a grant that they gave in a session.
    User {
        user: UserId,
        grant: GrantId,
        session: SessionId,
        authenticated_at: i64,
        /// Whether the token dies with the session: there is no refresh token that could outlive it.
        ends_with_session: bool,
    },
    /// The client itself.
    Client,
}

/// An access token that is good now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    pub id: TokenId,
    pub client_id: ClientId,
    pub principal: Principal,
    pub scopes: ScopeSet,
    /// Seconds since 1970.
    pub issued_at: i64,
    /// Seconds since 1970.
    pub expires_at: i64,
}

impl AccessToken {
    /// The first of these scopes that it does not name. None implies another, as those of API keys do: people have allowed
    /// what they read, and no more.
    #[must_use]
    pub fn lacks<'r>(&self, required: &'r ScopeSet) -> Option<&'r Scope> {
        required
            .iter()
            .find(|scope| !self.scopes.contains(scope.as_str()))
    }

    /// The `sub` claim: the person, or the client where there is none (RFC 9068 §2.2).
    #[must_use]
    pub fn subject(&self) -> String {
        match self.principal {
            Principal::User { user, .. } => user.to_string(),
            Principal::Client => self.client_id.to_string(),
        }
    }
}

/// The claims of RFC 9068 §2.2, and `grant_id` and `ends_with_session`, by which other nodes know what a
/// revocation is about.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: i64,
    iat: i64,
    nbf: i64,
    jti: TokenId,
    client_id: ClientId,
    scope: ScopeSet,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant_id: Option<GrantId>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ends_with_session: bool,
}

/// Mints a token and keeps it in this node's memory while it lives.
///
/// # Errors
///
/// If there is no key to sign with.
pub fn mint(
    authority: &Authority,
    client_id: ClientId,
    principal: Principal,
    scopes: &ScopeSet,
) -> Result<(Token, AccessToken), Fault> {
    let issued_at = authority.clock.unix();
    let token = AccessToken {
        id: TokenId::new(&authority.clock, &authority.entropy),
        client_id,
        principal,
        scopes: scopes.clone(),
        issued_at,
        expires_at: issued_at.saturating_add(lifetime(authority)),
    };
    let (sid, auth_time, grant_id, ends_with_session) = match principal {
        Principal::User {
            grant,
            session,
            authenticated_at,
            ends_with_session,
            ..
        } => (
            Some(session),
            Some(authenticated_at),
            Some(grant),
            ends_with_session,
        ),
        Principal::Client => (None, None, None, false),
    };
    let claims = Claims {
        iss: authority.issuer.to_string(),
        sub: token.subject(),
        aud: authority.issuer.to_string(),
        exp: token.expires_at,
        iat: issued_at,
        nbf: issued_at,
        jti: token.id,
        client_id,
        scope: scopes.clone(),
        sid,
        auth_time,
        grant_id,
        ends_with_session,
    };
    let payload = serde_json::to_vec(&claims).map_err(Fault::internal)?;
    let text = Token::from(authority.signing.sign(
        authority.config.oauth.access_token_alg,
        JwtType::AccessToken,
        &payload,
    )?);
    authority.live.insert(&text, LiveToken::from(&token));
    Ok((text, token))
}

/// What a presented access token is good for now; none for anything else: foreign, expired, revoked, of a
/// client or a person that is shut out.
///
/// # Errors
///
/// [`Fault::Unavailable`] if this node is out of touch with the revocation log.
pub async fn inspect(authority: &Authority, text: &str) -> Result<Option<AccessToken>, Fault> {
    let Some(token) = known(authority, text) else {
        return Ok(None);
    };
    if is_revoked(authority, &token)? {
        return Ok(None);
    }
    let client = authority.clients.get(token.client_id).await?;
    Ok(client
        .is_some_and(|client| !client.is_disabled())
        .then_some(token))
}

/// A token of this server that has not expired, revoked or not.
pub(super) fn known(authority: &Authority, text: &str) -> Option<AccessToken> {
    issued(authority, text).filter(|token| authority.clock.unix() < token.expires_at)
}

/// A token of this server, for as long as the key that signed it is known.
pub(super) fn issued(authority: &Authority, text: &str) -> Option<AccessToken> {
    match authority.live.get(text) {
        Some(live) => Some(AccessToken::from(live)),
        None => verified(authority, text),
    }
}

pub(super) fn is_revoked(authority: &Authority, token: &AccessToken) -> Result<bool, Fault> {
    let view = authority.revocations.view()?;
    Ok(view.is_revoked(&Subject::Token(token.id))
        || match token.principal {
            // Not the person: whoever is blocked loses each grant by its name, and may be let in again.
            Principal::User {
                grant,
                session,
                ends_with_session,
                ..
            } => {
                view.is_revoked(&Subject::Grant(grant))
                    || (ends_with_session && view.is_revoked(&Subject::Session(session)))
            }
            Principal::Client => false,
        })
}

/// Reads a token of another node by its signature.
fn verified(authority: &Authority, text: &str) -> Option<AccessToken> {
    let header = decode_header(text).ok()?;
    if !header
        .typ
        .as_deref()
        .is_some_and(|typ| typ.eq_ignore_ascii_case(JwtType::AccessToken.name()))
    {
        return None;
    }
    let (algorithm, key) = authority.signing.verifier(header.kid.as_deref()?)?;
    let mut validation = Validation::new(algorithm);
    // The times are judged by our own clock, by the caller.
    validation.validate_exp = false;
    validation.set_issuer(&[&authority.issuer]);
    validation.set_audience(&[&authority.issuer]);
    let claims: Claims = decode(text, &key, &validation).ok()?.claims;
    let principal = match (claims.grant_id, claims.sid) {
        (Some(grant), Some(session)) => Principal::User {
            user: claims.sub.parse().ok()?,
            grant,
            session,
            authenticated_at: claims.auth_time?,
            ends_with_session: claims.ends_with_session,
        },
        (None, None) => Principal::Client,
        _ => return None,
    };
    Some(AccessToken {
        id: claims.jti,
        client_id: claims.client_id,
        principal,
        scopes: claims.scope,
        issued_at: claims.iat,
        // Whoever shortens the lifetime means the tokens that are out, too.
        expires_at: claims.exp.min(claims.iat.saturating_add(lifetime(authority))),
    })
}

/// Seconds.
fn lifetime(authority: &Authority) -> i64 {
    i64::try_from(authority.config.lifetimes.access_token.duration().as_secs()).unwrap_or(i64::MAX)
}

/// How much later than a revocation a token of what it revokes may be minted: by a refresh that won before it, and
/// was held up since, or by a node whose clock is ahead.
const LATE: Duration = Duration::from_mins(5);

/// How long what a node with this configuration gives in a session can live after it: the last access token comes of a
/// code that was under way.
#[must_use]
pub fn longest_life(config: &Config) -> Duration {
    let lifetimes = &config.lifetimes;
    lifetimes.authorization_code.duration() + lifetimes.access_token.duration() + LATE
}

/// When no access token that was issued until `now` can be alive any more: how long a revocation has to be
/// remembered.
#[must_use]
pub fn forgotten_after(authority: &Authority, now: OffsetDateTime) -> OffsetDateTime {
    now + authority.config.lifetimes.access_token.duration() + LATE
}

impl From<&AccessToken> for LiveToken {
    fn from(token: &AccessToken) -> Self {
        let (user, grant, session, authenticated_at, ends_with_session) = match token.principal {
            Principal::User {
                user,
                grant,
                session,
                authenticated_at,
                ends_with_session,
            } => (
                user.uuid(),
                grant.uuid(),
                session.uuid(),
                authenticated_at,
                ends_with_session,
            ),
            Principal::Client => (Uuid::nil(), Uuid::nil(), Uuid::nil(), 0, false),
        };
        Self {
            id: token.id.uuid(),
            client: token.client_id.uuid(),
            user,
            grant,
            session,
            scopes: token.scopes.clone(),
            authenticated_at,
            ends_with_session,
            issued_at: token.issued_at,
            expires_at: token.expires_at,
        }
    }
}

impl From<LiveToken> for AccessToken {
    fn from(live: LiveToken) -> Self {
        let principal = if live.grant.is_nil() {
            Principal::Client
        } else {
            Principal::User {
                user: UserId::from_uuid(live.user),
                grant: GrantId::from_uuid(live.grant),
                session: SessionId::from_uuid(live.session),
                authenticated_at: live.authenticated_at,
                ends_with_session: live.ends_with_session,
            }
        };
        Self {
            id: TokenId::from_uuid(live.id),
            client_id: ClientId::from_uuid(live.client),
            principal,
            scopes: live.scopes,
            issued_at: live.issued_at,
            expires_at: live.expires_at,
        }
    }
}
