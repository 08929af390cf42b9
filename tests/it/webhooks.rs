//! Webhooks from end to end: what acts write to the outbox is sent to a real receiver, signed, tried again, and shown.

#![allow(
    clippy::duration_suboptimal_units,
    clippy::too_many_lines,
    reason = "a test reads from top to bottom, in the seconds that the schedule counts in"
)]

mod delivery;
pub mod documented;
mod endpoints;
mod events;
mod faults;
mod keys;
mod libraries;
mod outward;
mod page;
pub mod receiver;
mod rest;
mod retries;
mod shares;
mod switched_off;

use std::time::Duration;

use claviger::{
    audit::{self, By, Filter},
    config::Config,
    db::Transaction,
    types::{AccountId, AppId, WebhookDeliveryId, WebhookEndpointId, WebhookSecretId},
    webhooks::{
        Delivery, EndpointUrl, Event, EventType, NewSecret, Settings, WebhookError, Webhooks, enqueue,
    },
};
use serde_json::json;
use tokio_postgres::NoTls;

use crate::support::{app::TestApp, people::EMAIL, wait::until};
use receiver::Receiver;

/// A server that may send to this machine, and an app of Ada's.
struct Scene {
    app: TestApp,
    home: (AccountId, AppId),
    receiver: Receiver,
}

impl Scene {
    async fn start() -> Self {
        Self::with(1, |_| {}).await
    }

    async fn with(nodes: usize, change: impl FnOnce(&mut Config)) -> Self {
        let app = TestApp::nodes_with(nodes, |config| {
            config.webhooks.allow_private_addresses = true;
            change(config);
        })
        .await;
        let opened = app.person(EMAIL).await.opened;
        Self {
            app,
            home: (opened.account_id, opened.app_id),
            receiver: Receiver::start().await,
        }
    }

    fn webhooks(&self) -> &Webhooks {
        &self.app.webhooks
    }

    fn settings(&self, event_types: &[EventType]) -> Settings {
        Settings {
            url: EndpointUrl::parse(&self.receiver.url("/hooks?a=b"), true).unwrap(),
            description: None,
            event_types: event_types.to_vec(),
        }
    }

    fn new_id(&self) -> WebhookEndpointId {
        WebhookEndpointId::new(&self.app.webhooks.clock, &self.app.webhooks.entropy)
    }

    /// An endpoint at the receiver that wants to know these; nothing is everything.
    async fn endpoint(&self, event_types: &[EventType]) -> (WebhookEndpointId, NewSecret) {
        let id = self.new_id();
        let secret = self.add(id, &self.settings(event_types)).await.unwrap();
        (id, secret)
    }

    async fn add(&self, id: WebhookEndpointId, settings: &Settings) -> Result<NewSecret, WebhookError> {
        self.acting(async |webhooks, transaction| {
            webhooks
                .add(transaction, id, self.home, settings, By::OPERATOR)
                .await
        })
        .await
    }

    /// Does something in a transaction, which is committed if it could be done.
    async fn acting<T>(
        &self,
        act: impl AsyncFnOnce(&Webhooks, &mut Transaction) -> Result<T, WebhookError>,
    ) -> Result<T, WebhookError> {
        let mut transaction = self.app.db.begin().await.unwrap();
        let done = act(self.webhooks(), &mut transaction).await?;
        transaction.commit().await.unwrap();
        Ok(done)
    }

    /// Gives an endpoint a new secret; the others sign for so many seconds more.
    async fn rotate(&self, endpoint: WebhookEndpointId, overlap: u64) -> Result<NewSecret, WebhookError> {
        let webhooks = self.webhooks();
        let id = WebhookSecretId::new(&webhooks.clock, &webhooks.entropy);
        let overlap = Duration::from_secs(overlap);
        self.acting(async |webhooks, transaction| {
            webhooks
                .rotate(transaction, endpoint, self.home, id, overlap, By::OPERATOR)
                .await
        })
        .await
    }

    /// Gives an endpoint of an app these settings, if it still has that version.
    async fn edit(
        &self,
        endpoint: WebhookEndpointId,
        home: (AccountId, AppId),
        version: Option<&str>,
        settings: &Settings,
    ) -> Result<(), WebhookError> {
        self.acting(async |webhooks, transaction| {
            let change = |was: &mut Settings| *was = settings.clone();
            webhooks
                .edit(transaction, endpoint, home, version, change, By::OPERATOR)
                .await
        })
        .await
    }

    async fn switch(&self, endpoint: WebhookEndpointId, on: bool) -> bool {
        self.acting(async |webhooks, transaction| {
            if on {
                webhooks
                    .switch_on(transaction, endpoint, self.home, By::OPERATOR)
                    .await
            } else {
                webhooks
                    .switch_off(transaction, endpoint, self.home, By::OPERATOR)
                    .await
            }
        })
        .await
        .unwrap()
    }

    async fn test(&self, endpoint: WebhookEndpointId) -> Result<(), WebhookError> {
        let webhooks = self.webhooks();
        let id = WebhookDeliveryId::new(&webhooks.clock, &webhooks.entropy);
        self.acting(async |webhooks, transaction| {
            webhooks
                .send_test(transaction, id, endpoint, self.home, By::OPERATOR)
                .await
        })
        .await
    }

    async fn delete(&self, endpoint: WebhookEndpointId) -> Result<(), WebhookError> {
        self.acting(async |webhooks, transaction| {
            webhooks
                .delete(transaction, endpoint, self.home, By::OPERATOR)
                .await
        })
        .await
    }

    fn event(&self, kind: EventType) -> Event {
        Event {
            app: self.home.1,
            kind,
            at: self.app.webhooks.clock.now(),
            data: json!({"key_id": "key_one"}),
        }
    }

    /// An act that tells of itself, and is committed.
    async fn tell(&self, kind: EventType) {
        let mut transaction = self.app.db.begin().await.unwrap();
        let Webhooks { clock, entropy, .. } = self.webhooks();
        enqueue(&mut transaction, clock, entropy, &self.event(kind))
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    }

    /// Lets a dispatcher of the first node send all that is due.
    async fn send_due(&self) {
        let dispatching = self.webhooks().start();
        until("all that is due is sent", async || self.due().await == 0).await;
        dispatching.stop().await;
    }

    /// How many deliveries are due or under way, to endpoints that are on.
    async fn due(&self) -> i64 {
        let now = self.app.webhooks.clock.unix();
        self.number(&format!(
            "SELECT count(*) FROM webhook_deliveries AS delivery JOIN webhook_endpoints ON endpoint_id = webhook_endpoints.id
             WHERE disabled_at IS NULL AND state = 'waiting'
                 AND (delivery.next_at <= to_timestamp({now}) OR claim IS NOT NULL)"
        ))
        .await
    }

    /// What only the database can do, as whoever owns it.
    async fn execute(&self, sql: &str) {
        let (client, connection) = tokio_postgres::connect(&self.app.database.owner_url, NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
    }

    async fn number(&self, sql: &str) -> i64 {
        let (client, connection) = tokio_postgres::connect(&self.app.database.owner_url, NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// The deliveries to an endpoint, newest first.
    async fn deliveries(&self, endpoint: WebhookEndpointId) -> Vec<Delivery> {
        self.webhooks()
            .deliveries(endpoint, None, 100)
            .await
            .unwrap()
            .items
    }

    async fn redeliver(
        &self,
        endpoint: WebhookEndpointId,
        id: WebhookDeliveryId,
    ) -> Result<(), WebhookError> {
        self.acting(async |webhooks, transaction| {
            webhooks
                .redeliver(transaction, endpoint, self.home, id, By::OPERATOR)
                .await
        })
        .await
    }

    /// The actions of the trail on an endpoint, oldest first.
    async fn trail(&self, endpoint: WebhookEndpointId) -> Vec<String> {
        let filter = Filter {
            subject: Some(endpoint.to_string()),
            ..Filter::default()
        };
        let mut connection = self.app.db.connection().await.unwrap();
        let page = audit::trail(&mut connection, &filter, 100).await.unwrap();
        page.entries.into_iter().rev().map(|entry| entry.action).collect()
    }

    /// What was mailed, as it is on disk.
    async fn mail(&self) -> Vec<String> {
        self.app.mailer.flush().await;
        let Ok(files) = std::fs::read_dir(self.app.data_dir().join("mail")) else {
            return Vec::new();
        };
        files
            .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
            .collect()
    }

    fn advance(&self, seconds: u64) {
        self.app.advance(Duration::from_secs(seconds));
    }
}
