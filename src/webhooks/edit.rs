//! Endpoints: added, changed, removed, looked at.

use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::{
    Attempt, Cursor, Delivery, Endpoint, Message, NewSecret, Page, Secret, Settings, WebhookError, Webhooks,
    store,
};
use crate::{
    accounts::{self, Permission},
    audit::{Action, By, Subject},
    types::{AccountId, AppId, Fault, WebhookDeliveryId, WebhookEndpointId, WebhookSecretId},
};

fn types_of(settings: &Settings) -> serde_json::Value {
    settings
        .event_types
        .iter()
        .map(|kind| json!(kind.name()))
        .collect()
}

impl Webhooks {
    /// An endpoint of an app, held until the caller's transaction ends, so that it stays as it is and its secrets too.
    ///
    /// # Errors
    ///
    /// [`WebhookError::NotFound`] if it is gone, or not for whoever acts to change any more.
    pub async fn hold(
        &self,
        transaction: &mut AsyncPgConnection,
        (account, app): (AccountId, AppId),
        id: WebhookEndpointId,
        by: By<'_>,
    ) -> Result<Endpoint, WebhookError> {
        let held = store::held(transaction, app, id).await?;
        let may = accounts::still_may(transaction, account, Permission::WriteWebhooks, by).await?;
        held.filter(|_| may).ok_or(WebhookError::NotFound)
    }

    /// Adds an endpoint to an app that may have so many, in the caller's transaction, under an id that is new or was meant
    /// for this one. Its first secret has the same id; its value is in this answer, and can be had again only by
    /// [`Webhooks::value_again`].
    ///
    /// # Errors
    ///
    /// [`WebhookError::NoApp`] if the app is gone, [`WebhookError::TooMany`], [`WebhookError::Again`].
    pub async fn add(
        &self,
        transaction: &mut AsyncPgConnection,
        id: WebhookEndpointId,
        (account, app): (AccountId, AppId),
        settings: &Settings,
        by: By<'_>,
    ) -> Result<NewSecret, WebhookError> {
        let now = self.clock.now();
        // Held, so that the app is not deleted under it, and of two who add the last endpoint at once, one does.
        if !accounts::lock_app(transaction, app).await? {
            return Err(WebhookError::NoApp);
        }
        if !accounts::still_may(transaction, account, Permission::WriteWebhooks, by).await? {
            return Err(WebhookError::NoApp);
        }
        if !store::insert(transaction, id, app, settings, now).await? {
            return Err(WebhookError::Again);
        }
        let most = self.config.webhooks.endpoints_per_app;
        if store::count(transaction, app).await? > i64::from(most) {
            return Err(WebhookError::TooMany(most));
        }
        let secret_id = WebhookSecretId::from_uuid(id.uuid());
        let secret = self.mint(transaction, id, secret_id, now).await?;
        by.done(now, Action::WebhookEndpointCreated, Subject::WebhookEndpoint(id))
            .account(account)
            .detail("app", app.to_string())
            .detail("url", settings.url.as_str())
            .detail("event_types", types_of(settings))
            .write(transaction)
            .await?;
        Ok(secret)
    }

    /// Changes an endpoint to what `change` makes of its settings, in the caller's transaction. `version` is that of the
    /// endpoint which the asker saw, if they say. What waits for it goes where it is now.
    ///
    /// # Errors
    ///
    /// [`WebhookError::NotFound`] if it is gone, [`WebhookError::Changed`].
    pub async fn edit(
        &self,
        transaction: &mut AsyncPgConnection,
        id: WebhookEndpointId,
        (account, app): (AccountId, AppId),
        version: Option<&str>,
        change: impl FnOnce(&mut Settings),
        by: By<'_>,
    ) -> Result<(), WebhookError> {
        let was = self.hold(transaction, (account, app), id, by).await?;
        if version.is_some_and(|version| version != was.version()) {
            return Err(WebhookError::Changed);
        }
        let mut settings = was.settings.clone();
        change(&mut settings);
        if settings == was.settings {
            return Ok(());
        }
        let now = self.clock.now();
        store::edit(transaction, id, &settings, now).await?;
        by.done(now, Action::WebhookEndpointChanged, Subject::WebhookEndpoint(id))
            .account(account)
            .detail("url", settings.url.as_str())
            .detail("event_types", types_of(&settings))
            .write(transaction)
            .await?;
        Ok(())
    }

    /// Removes an endpoint with its secrets and all that waits for it, in the caller's transaction.
    ///
    /// # Errors
    ///
    /// [`WebhookError::NotFound`] if it is gone.
    pub async fn delete(
        &self,
        transaction: &mut AsyncPgConnection,
        id: WebhookEndpointId,
        (account, app): (AccountId, AppId),
        by: By<'_>,
    ) -> Result<(), WebhookError> {
        let endpoint = self.hold(transaction, (account, app), id, by).await?;
        store::delete(transaction, id).await?;
        by.done(
            self.clock.now(),
            Action::WebhookEndpointDeleted,
            Subject::WebhookEndpoint(id),
        )
        .account(account)
        .detail("url", endpoint.settings.url.as_str())
        .write(transaction)
        .await?;
        Ok(())
    }

    /// The endpoints of an app, oldest first.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn endpoints(&self, app: AppId) -> Result<Vec<Endpoint>, Fault> {
        endpoints_of(&mut *self.db.connection().await?, app).await
    }

    /// One endpoint of an app.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn endpoint(&self, app: AppId, id: WebhookEndpointId) -> Result<Option<Endpoint>, Fault> {
        store::endpoint(&mut *self.db.connection().await?, app, id).await
    }

    /// The secrets of an endpoint that sign now, oldest first.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn secrets(&self, endpoint: WebhookEndpointId) -> Result<Vec<Secret>, Fault> {
        store::live_secrets(&mut *self.db.connection().await?, endpoint, self.clock.now()).await
    }

    /// The deliveries to an endpoint, newest first, each with its last attempt.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn deliveries(
        &self,
        endpoint: WebhookEndpointId,
        before: Cursor<i64>,
        most: usize,
    ) -> Result<Page<Delivery, i64>, Fault> {
        let mut connection = self.db.connection().await?;
        let now = self.clock.now();
        let found = store::deliveries(&mut connection, endpoint, before, one_more(most), now).await?;
        Ok(Page::of(found, most, |delivery| delivery.place))
    }

    /// One delivery of an app, with its message.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn delivery(
        &self,
        app: AppId,
        id: WebhookDeliveryId,
    ) -> Result<Option<(Delivery, Message)>, Fault> {
        store::delivery(&mut *self.db.connection().await?, app, id, self.clock.now()).await
    }

    /// The attempts at a delivery, newest first.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn attempts(
        &self,
        delivery: WebhookDeliveryId,
        before: Cursor<i64>,
        most: usize,
    ) -> Result<Page<Attempt, i64>, Fault> {
        let mut connection = self.db.connection().await?;
        let found = store::attempts(&mut connection, delivery, before, one_more(most)).await?;
        let page = Page::of(found, most, |(number, _)| *number);
        Ok(Page {
            items: page.items.into_iter().map(|(_, attempt)| attempt).collect(),
            next: page.next,
        })
    }
}

/// The endpoints of an app, oldest first.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn endpoints_of(connection: &mut AsyncPgConnection, app: AppId) -> Result<Vec<Endpoint>, Fault> {
    store::endpoints(connection, app).await
}

/// One row more than a page shows tells whether there is a next one.
fn one_more(most: usize) -> i64 {
    i64::try_from(most.saturating_add(1)).unwrap_or(i64::MAX)
}
