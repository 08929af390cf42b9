//! What API keys are used for: counted once, kept while the database is away, rolled up, shown.

mod counts;
mod faults;
mod page;
mod trail;

use std::{net::IpAddr, time::Duration};

use claviger::{
    identity::Created,
    keys::usage::{Of, Outcome, Report, Span, Used, report},
    types::{AccountId, ApiKeyId, AppId},
};
use time::OffsetDateTime;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::support::app::{Node, START, TestApp};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A person's first app with keys in it.
struct World {
    app: TestApp,
    owner: Created,
    client: Client,
}

impl World {
    async fn of(app: TestApp) -> Self {
        let owner = app.person("ada@example.com").await;
        let (client, connection) = tokio_postgres::connect(&app.database.owner_url, NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        Self { app, owner, client }
    }

    /// With nothing written but when the test says so.
    async fn start() -> Self {
        Self::of(TestApp::with(quietly).await).await
    }

    fn app_id(&self) -> AppId {
        self.owner.opened.app_id
    }

    async fn key(&self, number: u128, name: &str) -> Key {
        let id = Uuid::from_u128(number);
        let (app, account) = (self.app_id().uuid(), self.owner.opened.account_id.uuid());
        self.client
            .execute(
                &format!("INSERT INTO api_keys (id, app_id, account_id, family, kind, environment, name, scopes, pepper_id, mac,
                     hint, allowed_networks, created_by, created_at, changed_at)
                 VALUES ('{id}', '{app}', '{account}', 'default', 'sk', 'live', $1, '{{read:orders}}', 1, $2, 'sk_live_3xKj', '{{}}',
                     'test', now(), now())"),
                &[&name, &number.to_be_bytes().as_slice()],
            )
            .await
            .unwrap();
        Key {
            id: ApiKeyId::from_uuid(id),
            app: self.app_id(),
            account: self.owner.opened.account_id,
        }
    }

    async fn report(&self, of: Of, span: Span) -> Report {
        let mut connection = self.app.db.connection().await.unwrap();
        report(&mut connection, of, span.window(self.app.authority.clock.now()))
            .await
            .unwrap()
    }

    async fn sum(&self, table: &str) -> (i64, i64) {
        let row = self
            .client
            .query_one(
                &format!(
                    "SELECT coalesce(sum(requests), 0)::bigint, coalesce(sum(cost), 0)::bigint FROM {table}"
                ),
                &[],
            )
            .await
            .unwrap();
        (row.get(0), row.get(1))
    }

    async fn number(&self, query: &str) -> i64 {
        self.client.query_one(query, &[]).await.unwrap().get(0)
    }
}

/// A node that writes when it is told to, and not before.
fn quietly(config: &mut claviger::config::Config) {
    config.usage.flush = claviger::config::Span::hours(24);
}

#[derive(Clone, Copy)]
struct Key {
    id: ApiKeyId,
    app: AppId,
    account: AccountId,
}

impl Key {
    fn used(&self, at: OffsetDateTime, outcome: Outcome) -> Used<'static> {
        Used {
            key: self.id,
            app: self.app,
            account: self.account,
            at,
            scope: Some("read:orders"),
            outcome,
            cost: 2,
            route: "GET /v1/orders?api_key=sk_live_never",
            status: if outcome == Outcome::Valid { 200 } else { 403 },
            address: Some(IpAddr::from([192, 0, 2, 7])),
            user_agent: "warehouse/1.0",
            latency: Duration::from_micros(400),
            request_id: "req_one",
        }
    }
}

fn good(node: &Node, key: Key, at: OffsetDateTime, times: usize) {
    for _ in 0..times {
        node.app.usage.record(key.used(at, Outcome::Valid));
    }
}
