//! Refreshing (RFC 6749 §6, RFC 9700 §4.14.2): rotation on every use by one guarded UPDATE, the same successor for
//! an honest client that lost the answer, the end of the grant for a replay.

use super::{TokenResponse, within_ceiling};
use crate::{
    audit::{Action, Record},
    crypto::{KeyId, Purpose, Token},
    oauth::{
        Authority, EndpointError,
        access_token::{self, Principal},
        clients::Client,
        grants::{self, Fingerprint, Next, Rotated, Rotation},
        refresh_token::RefreshToken,
        refusal, replay,
    },
    types::{ClientContext, ScopeSet},
};

const FOREIGN: &str = "refresh_token is not one that this server made, or it was cut off";
const ENDED: &str = "the grant was revoked, has expired, or belongs to another client";

const fn invalid(because: &'static str) -> EndpointError {
    EndpointError::InvalidGrant { because }
}

pub(super) async fn refresh(
    authority: &Authority,
    client: &Client,
    presented: &Token,
    narrowed: Option<&ScopeSet>,
    context: &ClientContext,
) -> Result<TokenResponse, EndpointError> {
    let token =
        RefreshToken::decode(&authority.keyring, presented.expose())?.ok_or_else(|| invalid(FOREIGN))?;
    if let Some(narrowed) = narrowed {
        check_narrowed(authority, client, token, narrowed).await?;
    }
    let now = authority.clock.now();
    let next = Next {
        key: authority.keyring.current_id(Purpose::RefreshToken)?,
        now,
        until: now + authority.config.lifetimes.refresh_token.duration(),
    };
    let context_mac = Fingerprint::mac(&authority.keyring, token.grant_id, context)?;
    let mut connection = authority.db.connection().await?;
    let rotated = grants::rotate(
        &mut connection,
        token.grant_id,
        token.generation,
        client.id,
        &client.registration.scopes,
        &context_mac,
        next,
    )
    .await?;
    drop(connection);
    let rotated = match rotated {
        Some(rotated) => rotated,
        None => settle(authority, client, token, next, context).await?,
    };
    answer(authority, client, token, next.key, &rotated, narrowed)
}

/// A scope that the grant does not have is refused before the token is used up. Of another client's grant nothing is
/// told: the rotation refuses that.
async fn check_narrowed(
    authority: &Authority,
    client: &Client,
    token: RefreshToken,
    narrowed: &ScopeSet,
) -> Result<(), EndpointError> {
    let grant = grants::find(&mut *authority.db.connection().await?, token.grant_id)
        .await?
        .ok_or_else(|| invalid(ENDED))?;
    if grant.client_id != client.id {
        return Ok(());
    }
    let beyond = narrowed.without(&grant.scopes.common_with(&client.registration.scopes));
    if beyond.is_empty() && !narrowed.is_empty() {
        Ok(())
    } else {
        Err(EndpointError::InvalidScope(format!(
            "the grant does not have: {beyond}"
        )))
    }
}

/// The guarded UPDATE did not take: finds out why, with the row locked.
async fn settle(
    authority: &Authority,
    client: &Client,
    token: RefreshToken,
    next: Next,
    context: &ClientContext,
) -> Result<Rotated, EndpointError> {
    let now = next.now;
    let mut transaction = authority.db.begin().await?;
    let grant = grants::lock(&mut transaction, token.grant_id)
        .await?
        .ok_or_else(|| invalid(ENDED))?;
    let window = client.retry_window(&authority.config);
    match grants::judge(&grant, token.generation, client.id, window, now) {
        Rotation::Rotate => {
            within_ceiling(client, &grant.scopes)?;
            let fingerprint = Fingerprint::of(&authority.keyring, grant.id, context)?;
            grants::move_to(&mut transaction, grant.id, &fingerprint).await?;
            let mac = Fingerprint::mac(&authority.keyring, grant.id, context)?;
            let rotated = grants::rotate(
                &mut transaction,
                grant.id,
                token.generation,
                client.id,
                &client.registration.scopes,
                &mac,
                next,
            )
            .await?
            .ok_or_else(|| invalid(ENDED))?;
            if grant.has_moved(&authority.keyring, context) {
                grants::record(
                    Record::done,
                    now,
                    client,
                    Action::GrantMoved,
                    (grant.id, grant.user_id),
                    context,
                )
                .write(&mut transaction)
                .await?;
            }
            transaction.commit().await?;
            Ok(rotated)
        }
        Rotation::Repeat => Ok(Rotated {
            user_id: grant.user_id,
            session_id: grant.session_id,
            scopes: grant.scopes,
            authenticated_at: grant.authenticated_at,
        }),
        Rotation::Replay => {
            drop(transaction);
            replay::revoke(authority, client, &grant, "refresh_token", context).await?;
            Err(invalid(
                "refresh_token was used before: the grant is revoked (RFC 9700 section 4.14.2)",
            ))
        }
        Rotation::Refuse => {
            drop(transaction);
            refusal::of_grant(authority, client, &grant, ENDED, context).await?;
            Err(invalid(ENDED))
        }
    }
}

fn answer(
    authority: &Authority,
    client: &Client,
    used: RefreshToken,
    key: KeyId,
    rotated: &Rotated,
    narrowed: Option<&ScopeSet>,
) -> Result<TokenResponse, EndpointError> {
    let principal = Principal::User {
        user: rotated.user_id,
        grant: used.grant_id,
        session: rotated.session_id,
        authenticated_at: rotated.authenticated_at.unix_timestamp(),
        ends_with_session: false,
    };
    let scopes = within_ceiling(client, narrowed.unwrap_or(&rotated.scopes))?;
    let minted = access_token::mint(authority, client.id, principal, &scopes)?;
    let successor = RefreshToken {
        grant_id: used.grant_id,
        generation: used.generation.saturating_add(1),
    };
    Ok(TokenResponse::bearer(&minted).with_refresh_token(&successor.encode(&authority.keyring, key)?))
}
