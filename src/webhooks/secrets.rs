//! The secrets of endpoints: one is made with its endpoint, and rotated with an overlap in which both sign.

use std::time::Duration;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeakedSecret {
    pub endpoint: WebhookEndpointId,
    pub secret: WebhookSecretId,
    pub app: AppId,
}

/// Whose secret has this digest ([`Token::digest`]), whether it still signs or not.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn secret_by_digest(
    connection: &mut AsyncPgConnection,
    digest: &[u8; 32],
) -> Result<Option<LeakedSecret>, Fault> {
    let found = store::by_digest(connection, digest).await?;
    Ok(found.map(|(endpoint, secret, app)| LeakedSecret {
        endpoint,
        secret,
        app,
    }))
}

impl LeakedSecret {
    /// Ends it at once, in the caller's transaction, with its record. Nothing is sent to the endpoint then until its owner
    /// rotates a new one in, unless another one signs. Says whether it still signed.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn end(
        &self,
        connection: &mut AsyncPgConnection,
        account: AccountId,
        now: OffsetDateTime,
        by: By<'_>,
    ) -> Result<bool, Fault> {
        if !store::end_secret(connection, self.secret, now).await? {
            return Ok(false);
        }
        by.done(now, Action::SecretLeaked, Subject::WebhookEndpoint(self.endpoint))
            .account(account)
            .detail("secret", self.secret.to_string())
            .write(connection)
            .await?;
        Ok(true)
    }
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
        self.hold(transaction, app, endpoint).await?;
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
