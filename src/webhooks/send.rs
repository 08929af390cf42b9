//! What a developer sends by hand: a test, or something once more.

use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::{Kind, WebhookError, Webhooks, event::payload, outbox::Telling, store};
use crate::{
    audit::{Action, By, Subject},
    types::{AccountId, AppId, WebhookDeliveryId, WebhookEndpointId, WebhookMessageId},
};

/// Tests that may wait for one endpoint.
pub(super) const MOST_TESTS: i64 = 10;

impl Webhooks {
    /// Sends an event of the type `webhook.test` to one endpoint, whatever it wants to know, in the caller's transaction and
    /// under an id that is new.
    ///
    /// # Errors
    ///
    /// [`WebhookError::NotFound`] if the endpoint is gone, [`WebhookError::Silent`], [`WebhookError::TooManyTests`].
    pub async fn send_test(
        &self,
        transaction: &mut AsyncPgConnection,
        delivery: WebhookDeliveryId,
        endpoint: WebhookEndpointId,
        (account, app): (AccountId, AppId),
        by: By<'_>,
    ) -> Result<(), WebhookError> {
        let now = self.clock.now();
        self.hold(transaction, (account, app), endpoint, by).await?;
        if store::is_silent(transaction, endpoint, now).await? {
            return Err(WebhookError::Silent);
        }
        let kind = Kind::Test.name();
        if store::waiting_of_kind(transaction, endpoint, kind, MOST_TESTS).await? >= MOST_TESTS {
            return Err(WebhookError::TooManyTests);
        }
        let test = Telling {
            id: WebhookMessageId::new(&self.clock, &self.entropy),
            app,
            kind,
            payload: payload(kind, now, &json!({"endpoint": endpoint}))?,
            at: now,
        };
        store::insert_test(transaction, &test, endpoint, delivery.uuid()).await?;
        by.done(now, Action::WebhookTested, Subject::WebhookEndpoint(endpoint))
            .account(account)
            .detail("message", test.id.to_string())
            .write(transaction)
            .await?;
        Ok(())
    }

    /// Sends a message to an endpoint once more, when the caller's transaction is committed: at once, and if that fails by
    /// the schedule from its beginning, or from where it is if it still waits.
    ///
    /// # Errors
    ///
    /// [`WebhookError::NotFound`] and [`WebhookError::NoDelivery`] if it is gone, [`WebhookError::Silent`],
    /// [`WebhookError::UnderWay`].
    pub async fn redeliver(
        &self,
        transaction: &mut AsyncPgConnection,
        endpoint: WebhookEndpointId,
        (account, app): (AccountId, AppId),
        id: WebhookDeliveryId,
        by: By<'_>,
    ) -> Result<(), WebhookError> {
        let now = self.clock.now();
        self.hold(transaction, (account, app), endpoint, by).await?;
        let (delivery, message) = store::delivery(transaction, app, id, now)
            .await?
            .filter(|(delivery, _)| delivery.endpoint_id == endpoint)
            .ok_or(WebhookError::NoDelivery)?;
        if store::is_silent(transaction, endpoint, now).await? {
            return Err(WebhookError::Silent);
        }
        if !store::redeliver(transaction, endpoint, delivery.id, now).await? {
            return Err(WebhookError::UnderWay);
        }
        by.done(
            now,
            Action::WebhookRedelivered,
            Subject::WebhookEndpoint(endpoint),
        )
        .account(account)
        .detail("delivery", id.to_string())
        .detail("message", message.id.to_string())
        .write(transaction)
        .await?;
        Ok(())
    }
}
