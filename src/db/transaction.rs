//! Transactions that end with their guard.

use std::ops::{Deref, DerefMut};

use diesel_async::{AsyncConnection, AsyncPgConnection, TransactionManager};

use super::{Connection, Db};
use crate::types::Fault;

impl Db {
    /// Begins a transaction. Nothing of it lasts unless it is [committed](Transaction::commit).
    ///
    /// # Errors
    ///
    /// [`Fault::Unavailable`] if no connection could be had in time.
    pub async fn begin(&self) -> Result<Transaction, Fault> {
        let mut connection = self.connection().await?;
        Manager::begin_transaction(&mut *connection).await?;
        Ok(Transaction {
            connection: Some(connection),
        })
    }
}

type Manager = <AsyncPgConnection as AsyncConnection>::TransactionManager;

/// An open transaction. Dropped without a commit, as when a client goes away in mid-request, it is rolled
/// back before its connection serves anybody else.
pub struct Transaction {
    /// Taken out only when the transaction ends.
    connection: Option<Connection>,
}

impl Transaction {
    /// Makes all that was done here last.
    ///
    /// # Errors
    ///
    /// If the database refused or could not be reached; then nothing of it lasts, unless the connection
    /// broke while the answer was on its way.
    pub async fn commit(mut self) -> Result<(), Fault> {
        if let Some(mut connection) = self.connection.take() {
            Manager::commit_transaction(&mut *connection).await?;
        }
        Ok(())
    }
}

#[allow(
    clippy::expect_used,
    reason = "the connection is taken only by commit and drop, which end the guard"
)]
impl Deref for Transaction {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        self.connection
            .as_ref()
            .expect("an open transaction has its connection")
    }
}

#[allow(
    clippy::expect_used,
    reason = "the connection is taken only by commit and drop, which end the guard"
)]
impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        self.connection
            .as_mut()
            .expect("an open transaction has its connection")
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        // Without a runtime (at the very end of the process) the connection just closes: the pool never
        // takes back one with an open transaction.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = Manager::rollback_transaction(&mut *connection).await {
                    tracing::debug!(%error, "rollback failed; the connection is dropped");
                }
            });
        }
    }
}
