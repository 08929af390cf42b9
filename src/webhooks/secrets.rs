//! The secrets of endpoints: one is made with its endpoint, and rotated with an overlap in which both sign.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use diesel_async::AsyncPgConnection;
use time::OffsetDateTime;

use super::{WebhookError, Webhooks, sign, store};
use crate::{
    audit::{Action, By, Subject},
    crypto::{Place, Purpose, Token},
    types::{AccountId, AppId, Fault, WebhookEndpointId, WebhookSecretId},
};

/// Secrets of one endpoint that may sign at a time: each is one more signature in a header.
pub(super) const MOST: usize = 5;
/// Characters of a secret that may be shown.
const HINT_LENGTH: usize = 10;

/// Where a secret is sealed.
pub(super) fn place(secret: WebhookSecretId) -> Place {
    Place::column("webhook_secrets", "sealed", secret)
}

/// A secret that was just made. Its value is here and nowhere else.
#[derive(Debug)]
pub struct NewSecret {
    pub id: WebhookSecretId,
    pub value: Token,
}

/// A secret that somebody has found, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeakedSecret {
    pub endpoint: WebhookEndpointId,
    pub secret: WebhookSecretId,
    pub hint: String,
    pub app: AppId,
    pub account: AccountId,
}

/// What a string is looked up by that begins as secrets do; none for others.
#[must_use]
pub fn secret_digest(presented: &str) -> Option<[u8; 32]> {
    presented
        .starts_with(sign::PREFIX)
        .then(|| Token::presented(presented).digest())
}

/// Whose secrets have these digests ([`secret_digest`]), whether they still sign or not.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn secrets_by_digest(
    connection: &mut AsyncPgConnection,
    digests: &[[u8; 32]],
) -> Result<HashMap<[u8; 32], LeakedSecret>, Fault> {
    if digests.is_empty() {
        return Ok(HashMap::new());
    }
    store::by_digests(connection, digests).await
}

/// Ends secrets at once, in the caller's transaction, which writes the records. Nothing is sent to an endpoint then until
/// its owner rotates a new one in, unless another one signs. Says which of them still signed.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn end_leaked_secrets(
    connection: &mut AsyncPgConnection,
    secrets: &[LeakedSecret],
    now: OffsetDateTime,
) -> Result<HashSet<WebhookSecretId>, Fault> {
    if secrets.is_empty() {
        return Ok(HashSet::new());
    }
    let endpoints: Vec<_> = secrets.iter().map(|leaked| leaked.endpoint).collect();
    store::lock_endpoints(connection, &endpoints).await?;
    let ids: Vec<_> = secrets.iter().map(|leaked| leaked.secret).collect();
    store::end_these_secrets(connection, &ids, now).await
}

impl Webhooks {
    /// Gives an endpoint a new secret, in the caller's transaction, under an id that is new or was meant for this one. Those
    /// that sign now go on for `overlap`, unless they end before.
    ///
    /// # Errors
    ///
    /// [`WebhookError::NotFound`] if it is gone, [`WebhookError::TooManySecrets`], [`WebhookError::Again`].
    pub async fn rotate(
        &self,
        transaction: &mut AsyncPgConnection,
        endpoint: WebhookEndpointId,
        (account, app): (AccountId, AppId),
        id: WebhookSecretId,
        overlap: Duration,
        by: By<'_>,
    ) -> Result<NewSecret, WebhookError> {
        let now = self.clock.now();
        self.hold(transaction, (account, app), endpoint, by).await?;
        store::end_secrets(transaction, endpoint, now + overlap).await?;
        let secret = self.mint(transaction, endpoint, id, now).await?;
        if store::live_secrets(transaction, endpoint, now).await?.len() > MOST {
            return Err(WebhookError::TooManySecrets);
        }
        by.done(
            now,
            Action::WebhookSecretRotated,
            Subject::WebhookEndpoint(endpoint),
        )
        .account(account)
        .detail("secret", id.to_string())
        .detail("overlap_seconds", overlap.as_secs())
        .write(transaction)
        .await?;
        Ok(secret)
    }

    /// The value of a secret that still signs, for whoever has just made it and lost the answer.
    ///
    /// # Errors
    ///
    /// If the database is out of reach, or it does not open.
    pub async fn value_again(
        &self,
        endpoint: WebhookEndpointId,
        secret: WebhookSecretId,
    ) -> Result<Option<Token>, Fault> {
        let live = store::live_sealed(&mut *self.db.connection().await?, endpoint, self.clock.now()).await?;
        let Some((_, sealed)) = live.into_iter().find(|(id, _)| *id == secret) else {
            return Ok(None);
        };
        self.open(secret, &sealed).map(Some)
    }

    pub(super) fn open(&self, secret: WebhookSecretId, sealed: &[u8]) -> Result<Token, Fault> {
        self.keyring
            .open(Purpose::WebhookSecret, &place(secret), sealed)
            .and_then(|value| String::from_utf8(value.to_vec()).ok())
            .map(Token::from)
            .ok_or_else(|| Fault::inconsistent("webhook_secrets", "sealed", secret))
    }

    pub(super) async fn mint(
        &self,
        connection: &mut AsyncPgConnection,
        endpoint: WebhookEndpointId,
        id: WebhookSecretId,
        now: OffsetDateTime,
    ) -> Result<NewSecret, WebhookError> {
        let value = sign::new_secret(&self.entropy);
        let hint: String = value.expose().chars().take(HINT_LENGTH).collect();
        let sealed = self
            .keyring
            .seal(Purpose::WebhookSecret, &place(id), value.expose().as_bytes())?;
        let row = store::NewRow {
            id,
            endpoint,
            sealed: &sealed,
            digest: &value.digest(),
            hint: &hint,
            now,
        };
        if !store::insert_secret(connection, &row).await? {
            return Err(WebhookError::Again);
        }
        Ok(NewSecret { id, value })
    }
}
