//! Endpoints switched off and on: by their owner, or off by what came of them. What waits is then given up; it can be sent
//! again, one by one.

use diesel_async::AsyncPgConnection;

use super::{
    DisabledReason, WebhookError, Webhooks,
    store::{self, Only},
};
use crate::{
    audit::{Action, Actor, By, Record, Subject},
    types::{AccountId, AppId, Fault, WebhookEndpointId},
};

impl Webhooks {
    /// Switches an endpoint off, in the caller's transaction: nothing more is sent to it, but what is under way. Says whether
    /// it was on.
    ///
    /// # Errors
    ///
    /// [`WebhookError::NotFound`] if it is gone.
    pub async fn switch_off(
        &self,
        transaction: &mut AsyncPgConnection,
        id: WebhookEndpointId,
        home: (AccountId, AppId),
        by: By<'_>,
    ) -> Result<bool, WebhookError> {
        self.hold(transaction, home, id, by).await?;
        let now = self.clock.now();
        let record = by.done(
            now,
            Action::WebhookEndpointSwitchedOff,
            Subject::WebhookEndpoint(id),
        );
        let switched = self
            .disable(transaction, id, DisabledReason::Owner, Only::default(), record)
            .await?;
        Ok(switched.is_some())
    }

    /// Switches an endpoint on again, in the caller's transaction. Says whether it was off.
    ///
    /// # Errors
    ///
    /// [`WebhookError::NotFound`] if it is gone.
    pub async fn switch_on(
        &self,
        transaction: &mut AsyncPgConnection,
        id: WebhookEndpointId,
        (account, app): (AccountId, AppId),
        by: By<'_>,
    ) -> Result<bool, WebhookError> {
        self.hold(transaction, (account, app), id, by).await?;
        let now = self.clock.now();
        if !store::enable(transaction, id, now).await? {
            return Ok(false);
        }
        by.done(
            now,
            Action::WebhookEndpointSwitchedOn,
            Subject::WebhookEndpoint(id),
        )
        .account(account)
        .write(transaction)
        .await?;
        Ok(true)
    }

    /// Switches an endpoint off because of its answers, if it is on and this holds of it.
    pub(super) async fn switch_off_by_itself(
        &self,
        connection: &mut AsyncPgConnection,
        id: WebhookEndpointId,
        reason: DisabledReason,
        only: Only<'_>,
    ) -> Result<Option<store::Switched>, Fault> {
        let record = Record::done(
            self.clock.now(),
            Actor::System,
            Action::WebhookEndpointSwitchedOff,
            Subject::WebhookEndpoint(id),
        );
        self.disable(connection, id, reason, only, record).await
    }

    async fn disable(
        &self,
        connection: &mut AsyncPgConnection,
        id: WebhookEndpointId,
        reason: DisabledReason,
        only: Only<'_>,
        record: Record,
    ) -> Result<Option<store::Switched>, Fault> {
        let now = self.clock.now();
        let Some(switched) = store::disable(connection, id, reason, only, now).await? else {
            return Ok(None);
        };
        let given_up = store::give_up_waiting(connection, id, now).await?;
        record
            .account(switched.account())
            .detail("url", switched.url.as_str())
            .detail("reason", reason.name())
            .detail("given_up", given_up)
            .write(connection)
            .await?;
        Ok(Some(switched))
    }
}
