//! What a developer sends by hand: a test, or something once more.

use serde_json::json;

use super::{Kind, WebhookError, Webhooks, event::payload, outbox::Telling, store};
use crate::{
    audit::{Action, By, Subject},
    types::{AccountId, AppId, WebhookDeliveryId, WebhookEndpointId, WebhookMessageId},
};

impl Webhooks {
    /// Sends an event of the type `webhook.test` to one endpoint, whatever it wants to know.
    ///
    /// # Errors
    ///
    /// [`WebhookError::NotFound`] if the endpoint is gone, [`WebhookError::Silent`].
    pub async fn send_test(
        &self,
        endpoint: WebhookEndpointId,
        (account, app): (AccountId, AppId),
        by: By<'_>,
    ) -> Result<WebhookDeliveryId, WebhookError> {
        let now = self.clock.now();
        let mut transaction = self.db.begin().await?;
        if !store::lock_endpoint(&mut transaction, app, endpoint).await? {
            return Err(WebhookError::NotFound);
        }
        if store::is_silent(&mut transaction, endpoint, now).await? {
            return Err(WebhookError::Silent);
        }
        let kind = Kind::Test.name();
        let test = Telling {
            id: WebhookMessageId::new(&self.clock, &self.entropy),
            app,
            kind,
            payload: payload(kind, now, &json!({"endpoint": endpoint}))?,
            at: now,
        };
        let delivery = WebhookDeliveryId::new(&self.clock, &self.entropy);
        store::insert_test(&mut transaction, &test, endpoint, delivery.uuid()).await?;
        by.done(now, Action::WebhookTested, Subject::WebhookEndpoint(endpoint))
            .account(account)
            .detail("message", test.id.to_string())
            .write(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(delivery)
    }

    /// Sends a message to an endpoint once more: at once, and if that fails by the schedule from its beginning, or from
    /// where it is if it still waits.
    ///
    /// # Errors
    ///
    /// [`WebhookError::NotFound`] if it is gone, [`WebhookError::Silent`], [`WebhookError::UnderWay`].
    pub async fn redeliver(
        &self,
        endpoint: WebhookEndpointId,
        (account, app): (AccountId, AppId),
        id: WebhookDeliveryId,
        by: By<'_>,
    ) -> Result<(), WebhookError> {
        let now = self.clock.now();
        let mut transaction = self.db.begin().await?;
        if !store::lock_endpoint(&mut transaction, app, endpoint).await? {
            return Err(WebhookError::NotFound);
        }
        let (delivery, message) = store::delivery(&mut transaction, app, id, now)
            .await?
            .filter(|(delivery, _)| delivery.endpoint_id == endpoint)
            .ok_or(WebhookError::NotFound)?;
        if store::is_silent(&mut transaction, endpoint, now).await? {
            return Err(WebhookError::Silent);
        }
        if !store::redeliver(&mut transaction, endpoint, delivery.id, now).await? {
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
        .write(&mut transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}
