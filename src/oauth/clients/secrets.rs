//! Client secrets: several may be good at a time, so that a new one can be rolled out before the old one goes.

use std::time::Duration;

use super::{Client, ClientKind, ClientSecret, edit::held, store};
use crate::{
    audit::{Action, By, Subject as AuditSubject},
    crypto::{Purpose, Token},
    oauth::Authority,
    types::{ClientId, ClientSecretId, Fault},
};

/// Why a secret cannot be added or removed.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("a public client has no secret")]
    PublicClient,
    #[error("a client has at most {MOST} secrets: revoke one first")]
    TooMany,
    #[error("this is the only secret of the client: add another one first")]
    Last,
    #[error("no such secret")]
    Unknown,
    /// That secret was added already; this is the same request again.
    #[error("it was added already")]
    Again,
    #[error(transparent)]
    Fault(#[from] Fault),
}

const MOST: usize = 5;
/// What secrets begin with.
pub(in crate::oauth) const PREFIX: &str = "cs_";
const HINT_LENGTH: usize = 8;

/// What is digested: the secret with its owner, so that a digest moved to another client's row is no use.
pub(in crate::oauth) fn message(client: ClientId, secret: &Token) -> Vec<u8> {
    [client.uuid().as_bytes().as_slice(), secret.expose().as_bytes()].concat()
}

/// What may be shown of a secret, and finds it.
pub(in crate::oauth) fn hint(secret: &Token) -> String {
    secret.expose().chars().take(HINT_LENGTH).collect()
}

pub(super) fn mint(
    authority: &Authority,
    client: ClientId,
    id: ClientSecretId,
) -> Result<(Token, ClientSecret), Fault> {
    let token = Token::random(PREFIX, &authority.entropy);
    let secret = ClientSecret {
        id,
        mac: authority
            .keyring
            .mac(Purpose::ClientSecret, &message(client, &token))?,
        hint: hint(&token),
        created_at: authority.clock.now(),
        expires_at: None,
    };
    Ok((token, secret))
}

/// Adds a secret, under an id that is new or was meant for this one, beside those that are there, which stay good for `overlap`, or until they are revoked if there is
/// none; the value of the new one is in this answer alone.
///
/// # Errors
///
/// See [`SecretError`].
pub async fn add_secret(
    authority: &Authority,
    client: &Client,
    id: ClientSecretId,
    overlap: Option<Duration>,
    by: By<'_>,
) -> Result<(Token, ClientSecret), SecretError> {
    if client.registration.kind == ClientKind::Public {
        return Err(SecretError::PublicClient);
    }
    let (token, secret) = mint(authority, client.id, id)?;
    let mut transaction = authority.db.begin().await?;
    let now_there = held(&mut transaction, client, by)
        .await?
        .ok_or(SecretError::Unknown)?;
    let now = secret.created_at;
    if now_there.secrets.iter().any(|own| own.id == id) {
        return Err(SecretError::Again);
    }
    store::revoke_ended_secrets(&mut transaction, client.id, now).await?;
    if let Some(overlap) = overlap {
        store::end_secrets(&mut transaction, client.id, now + overlap).await?;
    }
    let stay = |own: &&ClientSecret| own.is_live(now) && overlap != Some(Duration::ZERO);
    if now_there.secrets.iter().filter(stay).count() >= MOST {
        return Err(SecretError::TooMany);
    }
    if !store::insert_secret(&mut transaction, client.id, &secret).await? {
        return Err(SecretError::Again);
    }
    let ending = now_there
        .secrets
        .iter()
        .filter(|own| overlap.is_some_and(|overlap| own.is_live(now) && own.is_live(now + overlap)))
        .map(|own| own.hint.as_str())
        .collect::<Vec<_>>();
    let record = by
        .done(
            secret.created_at,
            Action::ClientSecretAdded,
            AuditSubject::Client(client.id),
        )
        .account(client.account_id)
        .detail("hint", secret.hint.as_str())
        .detail("ends", ending)
        .detail("ends_after_seconds", overlap.map(|overlap| overlap.as_secs()));
    authority
        .commit_client_change(transaction, client.id, record)
        .await?;
    Ok((token, secret))
}

/// Takes a secret back: no node accepts it any more when this returns.
///
/// # Errors
///
/// See [`SecretError`].
pub async fn revoke_secret(
    authority: &Authority,
    client: &Client,
    id: ClientSecretId,
    by: By<'_>,
) -> Result<(), SecretError> {
    let mut transaction = authority.db.begin().await?;
    let now_there = held(&mut transaction, client, by)
        .await?
        .ok_or(SecretError::Unknown)?;
    let secret = now_there
        .secrets
        .iter()
        .find(|secret| secret.id == id)
        .ok_or(SecretError::Unknown)?;
    let now = authority.clock.now();
    let others = now_there.secrets.iter().filter(|other| other.id != id);
    if secret.is_live(now) && !others.into_iter().any(|other| other.is_live(now)) {
        return Err(SecretError::Last);
    }
    store::revoke_secret(&mut transaction, client.id, id, now).await?;
    let record = by
        .done(now, Action::ClientSecretRevoked, AuditSubject::Client(client.id))
        .account(client.account_id)
        .detail("hint", secret.hint.as_str());
    authority
        .commit_client_change(transaction, client.id, record)
        .await?;
    Ok(())
}
