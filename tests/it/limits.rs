//! Limits of API keys: one node and three on one database, to the request.

mod crashes;
mod exact;
mod many;
mod model;

use std::{num::NonZero, time::Duration};

use claviger::{
    db::Db,
    keys::limits::{Limiter, Limits, Span, Verdict},
    types::{AccountId, ApiKeyId, Clock, Entropy, Fault, ManualClock, NodeId},
};
use diesel::{
    QueryableByName,
    sql_types::{BigInt, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use time::{OffsetDateTime, macros::datetime};
use tokio::sync::watch;

use crate::support::cluster::{PATIENCE, TestDatabase, fresh_database};

/// Long ago, so that the database's clock is ahead, and in the middle of everything.
const START: OffsetDateTime = datetime!(2024-05-15 12:30 UTC);

/// One database, its nodes, and a key.
struct Scene {
    database: TestDatabase,
    db: Db,
    clock: Clock,
    hand: ManualClock,
    key: ApiKeyId,
    account: AccountId,
}

struct Node {
    id: NodeId,
    limiter: Limiter,
    /// The term of its lease, as it knows it itself.
    lease: watch::Sender<Option<u64>>,
}

impl Scene {
    async fn new() -> Self {
        let database = fresh_database().await;
        let (clock, hand) = Clock::manual(START);
        Self {
            db: Db::new(&database.server_url, 4, PATIENCE),
            database,
            key: ApiKeyId::new(&clock, &Entropy::system()),
            account: AccountId::new(&clock, &Entropy::system()),
            clock,
            hand,
        }
    }

    async fn join(&self) -> Node {
        self.join_at(&self.database.server_url, self.clock.clone()).await
    }

    /// A node that reaches the database at `url`.
    async fn join_at(&self, url: &str, clock: Clock) -> Node {
        let id = NodeId::new(&self.clock, &Entropy::system());
        diesel::sql_query(
            "INSERT INTO nodes (id, applied, lease_ms, lease_until, started_at)
             VALUES ($1, 0, 2000, clock_timestamp() + interval '1 hour', now())",
        )
        .bind::<SqlUuid, _>(id.uuid())
        .execute(&mut *self.db.connection().await.unwrap())
        .await
        .unwrap();
        let (lease, term) = watch::channel(Some(1));
        let db = Db::new(url, 8, PATIENCE);
        let limiter = Limiter::join(db, clock, id, move || *term.borrow())
            .await
            .unwrap();
        Node { id, limiter, lease }
    }

    async fn nodes(&self, count: usize) -> Vec<Node> {
        let mut nodes = Vec::new();
        for _ in 0..count {
            nodes.push(self.join().await);
        }
        nodes
    }

    /// The process dies: it gives nothing back, and its lease runs out.
    async fn kill(&self, node: Node) {
        drop(node.limiter);
        self.set_lease(node.id, "-1 second").await;
    }

    /// It is out of touch for longer than its lease.
    async fn lose_lease(&self, node: &Node) {
        node.lease.send_replace(None);
        self.set_lease(node.id, "-1 second").await;
    }

    /// It is back, in another term.
    async fn renew_lease(&self, node: &Node, term: u64) {
        self.set_lease(node.id, "1 hour").await;
        node.lease.send_replace(Some(term));
    }

    async fn set_lease(&self, node: NodeId, until: &str) {
        diesel::sql_query("UPDATE nodes SET lease_until = clock_timestamp() + $2::interval WHERE id = $1")
            .bind::<SqlUuid, _>(node.uuid())
            .bind::<Text, _>(until)
            .execute(&mut *self.db.connection().await.unwrap())
            .await
            .unwrap();
    }

    async fn take(&self, node: &Node, limits: Limits, cost: u32) -> Result<Verdict, Fault> {
        node.limiter.take(self.key, self.account, &limits, cost).await
    }

    async fn allows(&self, node: &Node, limits: Limits) -> bool {
        self.take(node, limits, 1).await.unwrap().is_allowed()
    }

    /// How many of `count` requests are allowed, sent at the same time to all nodes in turn.
    async fn storm(&self, nodes: &[Node], limits: Limits, count: usize) -> usize {
        let mut tasks = tokio::task::JoinSet::new();
        for index in 0..count {
            let limiter = nodes[index % nodes.len()].limiter.clone();
            let (key, account) = (self.key, self.account);
            tasks.spawn(async move { limiter.take(key, account, &limits, 1).await.unwrap().is_allowed() });
        }
        tasks
            .join_all()
            .await
            .into_iter()
            .filter(|allowed| *allowed)
            .count()
    }

    /// Changes of all rows so far.
    async fn writes(&self) -> i64 {
        #[derive(QueryableByName)]
        struct Sum {
            #[diesel(sql_type = BigInt)]
            sum: i64,
        }
        let sum: Sum = diesel::sql_query("SELECT coalesce(sum(version), 0)::bigint AS sum FROM allowances")
            .get_result(&mut *self.db.connection().await.unwrap())
            .await
            .unwrap();
        sum.sum
    }
}

fn per_second(limit: u32) -> Limits {
    Limits {
        per_second: NonZero::new(limit),
        ..Limits::default()
    }
}

fn per_hour(limit: u64) -> Limits {
    Limits {
        per_hour: NonZero::new(limit),
        ..Limits::default()
    }
}

fn refusal(verdict: Verdict) -> (Span, Duration) {
    match verdict {
        Verdict::Refused {
            over, retry_after, ..
        } => (over, retry_after),
        Verdict::Allowed(standing) => panic!("allowed: {standing:?}"),
    }
}
