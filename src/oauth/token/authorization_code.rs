//! The authorization code grant (RFC 6749 §4.1.3, RFC 7636 §4.5). Redemption inserts the grant with the code's id
//! under a unique index: of two redemptions, on whichever nodes, one wins.

use std::borrow::Cow;

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::{TokenResponse, within_ceiling};
use crate::{
    audit::{Action, Record},
    crypto::{KeyId, Purpose, Token},
    identity,
    oauth::{
        Authority, EndpointError,
        access_token::{self, Principal},
        clients::{Client, GrantType},
        code::Code,
        grants::{self, Fingerprint, NewGrant},
        id_token, pkce,
        refresh_token::RefreshToken,
        refusal, replay, userinfo,
    },
    revocation,
    types::{ClientContext, Fault, GrantId, RedirectUri, ScopeSet},
};

pub(super) struct Redemption {
    pub(super) code: Token,
    pub(super) redirect_uri: Option<String>,
    pub(super) code_verifier: Token,
}

impl Redemption {
    /// Why the code is not to be redeemed by this, if anything that it binds is not as it was. To the client, all of
    /// that reads alike.
    fn misfit(&self, client: &Client, code: &Code) -> Option<&'static str> {
        if !pkce::is_verifier(self.code_verifier.expose()) {
            return Some(
                "code_verifier must be 43 to 128 characters of A-Z a-z 0-9 - . _ ~ (RFC 7636 section 4.1)",
            );
        }
        if code.client_id != client.id {
            return Some("code was issued to another client");
        }
        match &self.redirect_uri {
            Some(uri) if *uri != code.redirect_uri => {
                return Some("redirect_uri is not the one that the code was sent to");
            }
            None if code.redirect_uri_was_sent => {
                return Some(
                    "redirect_uri is missing: the authorization request had it (RFC 6749 section 4.1.3)",
                );
            }
            Some(_) | None => {}
        }
        (!pkce::proves(self.code_verifier.expose(), &code.challenge))
            .then_some("code_verifier does not fit the code_challenge of the authorization request")
    }
}

/// Whether a code also gives a refresh token: the client may have one, and the person was asked, or it is no
/// OpenID request, in which nobody could be asked by that name.
fn is_refreshable(client: &Client, scopes: &ScopeSet) -> bool {
    client.allows(GrantType::RefreshToken)
        && (scopes.contains("offline_access") || !scopes.contains("openid"))
}

/// Why a code is not good any more, if it is not. Whoever ends a session ends what it was about to give: a thief's code
/// must not outlive the theft.
fn code_is_over(
    authority: &Authority,
    code: &Code,
    now: OffsetDateTime,
) -> Result<Option<&'static str>, EndpointError> {
    let session = revocation::Subject::Session(code.session_id);
    Ok(if code.is_expired(now) {
        Some("code has expired")
    } else if authority.revocations.view()?.is_revoked(&session) {
        Some("the sign-in session in which the code was given has ended")
    } else {
        None
    })
}

pub(super) async fn redeem(
    authority: &Authority,
    client: &Client,
    redemption: Redemption,
    context: &ClientContext,
) -> Result<TokenResponse, EndpointError> {
    let now = authority.clock.now();
    let invalid = |because| EndpointError::InvalidGrant { because };
    let mut code = Code::open(authority, redemption.code.expose())?
        .ok_or_else(|| invalid("code is not one that this server made, or it was cut off"))?;
    if let Some(because) = redemption.misfit(client, &code) {
        refusal::of_code(authority, client, &code, because, context).await?;
        return Err(invalid(because));
    }
    if let Some(because) = code_is_over(authority, &code, now)? {
        if !replay::of_code(authority, client, code.id, context).await? {
            refusal::of_code(authority, client, &code, because, context).await?;
        }
        return Err(invalid(because));
    }
    if let Cow::Owned(left) = within_ceiling(client, &code.scopes)? {
        code.scopes = left;
    }
    let refreshable = is_refreshable(client, &code.scopes);
    let lifetimes = &authority.config.lifetimes;
    let lifetime = if refreshable {
        lifetimes.refresh_token
    } else {
        lifetimes.access_token
    };
    let ends_at = lifetimes.grant.map(|limit| now + limit.duration());
    let expires_at = now + lifetime.duration();
    let id = GrantId::new(&authority.clock, &authority.entropy);
    let refresh_key = refresh_key(authority, refreshable)?;
    let fingerprint = Fingerprint::of(&authority.keyring, id, context)?;
    let redirect_host = host_of(&code.redirect_uri);
    let grant = NewGrant {
        id,
        code_id: code.id,
        client_id: client.id,
        user_id: code.user_id,
        session_id: code.session_id,
        scopes: &code.scopes,
        redirect_host: &redirect_host,
        authenticated_at: code.authenticated_at(),
        fingerprint: &fingerprint,
        consented_at: code.consented_at(),
        now,
        expires_at: ends_at.map_or(expires_at, |end| end.min(expires_at)),
        ends_at,
        refresh_key,
    };
    let record = grants::record(
        Record::done,
        now,
        client,
        Action::GrantCreated,
        (id, code.user_id),
        context,
    )
    .detail("scope", code.scopes.to_string());
    let telling = grants::tell_created(authority, client, (id, code.user_id), &code.scopes, now)?;
    let told = told_in_id_token(authority, &code).await?;
    let mut connection = authority.db.connection().await?;
    let inserted = grants::insert(&mut connection, &grant, &record, &telling).await?;
    drop(connection);
    if !inserted {
        if replay::of_code(authority, client, code.id, context).await? {
            return Err(invalid("code was used before: its grant is revoked"));
        }
        let because = "the person has withdrawn consent or signed out, or is blocked";
        refusal::of_code(authority, client, &code, because, context).await?;
        return Err(invalid(because));
    }
    answer(authority, client, &code, id, refresh_key, told)
}

/// What the request wants the ID token to tell of the person; nothing if there is to be none.
async fn told_in_id_token(authority: &Authority, code: &Code) -> Result<Option<Map<String, Value>>, Fault> {
    if !code.scopes.contains("openid") {
        return Ok(None);
    }
    if code.id_token_claims.is_empty() {
        return Ok(Some(Map::new()));
    }
    let connection = authority.db.connection().await?;
    let user = identity::user(&connection, code.user_id).await?;
    let claims = user.map(|user| userinfo::claims(&user, &code.scopes));
    Ok(Some(
        claims
            .into_iter()
            .flatten()
            .filter(|(name, _)| code.id_token_claims.contains(name))
            .collect(),
    ))
}

fn answer(
    authority: &Authority,
    client: &Client,
    code: &Code,
    id: GrantId,
    refresh_key: Option<KeyId>,
    told: Option<Map<String, Value>>,
) -> Result<TokenResponse, EndpointError> {
    let authenticated_at = code.authenticated_at().unix_timestamp();
    let principal = Principal::User {
        user: code.user_id,
        grant: id,
        session: code.session_id,
        authenticated_at,
        ends_with_session: refresh_key.is_none(),
    };
    let minted = access_token::mint(authority, client.id, principal, &code.scopes)?;
    let mut response = TokenResponse::bearer(&minted);
    if let Some(key_id) = refresh_key {
        let token = RefreshToken {
            grant_id: id,
            generation: 0,
        };
        response = response.with_refresh_token(&token.encode(&authority.keyring, key_id)?);
    }
    if let Some(claims) = told {
        let sign_in = id_token::SignIn {
            user: code.user_id,
            session: code.session_id,
            authenticated_at,
            nonce: code.nonce.as_deref(),
            claims,
        };
        response.id_token = Some(id_token::mint(authority, client, sign_in, minted.0.expose())?);
    }
    Ok(response)
}

/// The key of the refresh token, where there is to be one.
fn refresh_key(authority: &Authority, refreshable: bool) -> Result<Option<KeyId>, Fault> {
    let current = || authority.keyring.current_id(Purpose::RefreshToken);
    refreshable.then(current).transpose()
}

fn host_of(redirect_uri: &str) -> String {
    redirect_uri
        .parse::<RedirectUri>()
        .map_or_else(|_| String::new(), |uri| uri.host())
}
