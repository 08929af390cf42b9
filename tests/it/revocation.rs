//! A revocation that returned is true everywhere: several nodes on one database, in one process.

mod any_order;
mod everywhere;
mod forgotten;
mod out_of_touch;

use std::time::Duration;

use claviger::{
    db::Db,
    revocation::{Reason, Revocation, Revocations, Subject},
    types::{Clock, Entropy, GrantId, TokenId},
};
use diesel::{QueryableByName, sql_types::BigInt};
use diesel_async::RunQueryDsl;

use crate::support::cluster::{PATIENCE, TestDatabase};

/// So long that no test waits for its end: what is in force then, was told.
const LONG: Duration = Duration::from_mins(10);

/// So short that a test may wait for its end.
const SHORT: Duration = Duration::from_millis(400);

/// One node, on a pool of its own.
struct Node {
    db: Db,
    clock: Clock,
    revocations: Revocations,
}

impl Node {
    async fn join(url: &str, lease: Duration) -> Self {
        let db = Db::new(url, 8, PATIENCE);
        let clock = Clock::system();
        let revocations = Revocations::join(
            db.clone(),
            clock.clone(),
            Entropy::system(),
            lease,
            Duration::ZERO,
        )
        .await
        .unwrap();
        Self {
            db,
            clock,
            revocations,
        }
    }

    /// Revokes as an act does: in a transaction, then commit, then settle.
    async fn revoke(&self, subjects: &[Subject]) {
        revoke(&self.db, &self.clock, &self.revocations, subjects).await;
    }

    fn answers(&self) -> bool {
        self.revocations.view().is_ok()
    }

    /// Says 503, or no.
    fn refuses(&self, subject: &Subject) -> bool {
        self.revocations
            .view()
            .map_or(true, |view| view.is_revoked(subject))
    }

    /// Says no.
    fn knows(&self, subject: &Subject) -> bool {
        self.revocations.view().is_ok_and(|view| view.is_revoked(subject))
    }
}

async fn revoke(db: &Db, clock: &Clock, revocations: &Revocations, subjects: &[Subject]) {
    let now = clock.now();
    let entries: Vec<_> = subjects
        .iter()
        .map(|subject| Revocation {
            subject: *subject,
            reason: Reason::Withdrawn,
            until: now + Duration::from_mins(15),
        })
        .collect();
    let mut transaction = db.begin().await.unwrap();
    let recorded = revocations.record(&mut transaction, now, &entries).await.unwrap();
    transaction.commit().await.unwrap();
    revocations.settle(recorded).await;
}

/// Revokes as the command line does, on connections that nothing else uses.
async fn revoke_from_outside(database: &TestDatabase, lease: Duration, subject: Subject) {
    let (db, clock) = (Db::new(&database.server_url, 2, PATIENCE), Clock::system());
    let detached = Revocations::detached(db.clone(), clock.clone(), lease);
    revoke(&db, &clock, &detached, &[subject]).await;
}

fn some_grant() -> Subject {
    Subject::Grant(GrantId::new(&Clock::system(), &Entropy::system()))
}

fn some_token() -> Subject {
    Subject::Token(TokenId::new(&Clock::system(), &Entropy::system()))
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

async fn number(db: &Db, sql: &str) -> i64 {
    diesel::sql_query(sql)
        .get_result::<Number>(&mut *db.connection().await.unwrap())
        .await
        .unwrap()
        .number
}

async fn execute(db: &Db, sql: &str) {
    diesel::sql_query(sql)
        .execute(&mut *db.connection().await.unwrap())
        .await
        .unwrap();
}

/// Ends every connection to the database, as its operator may.
async fn end_connections(database: &TestDatabase) {
    let db = Db::new(&database.owner_url, 1, PATIENCE);
    let ended = "SELECT count(pg_terminate_backend(pid)) AS number FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()";
    number(&db, ended).await;
}

async fn nodes(db: &Db) -> i64 {
    number(db, "SELECT count(*) AS number FROM nodes").await
}
