use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{
    AsyncConnection, AsyncPgConnection, TransactionManager,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod, deadpool},
};
use futures_util::FutureExt as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::{NoTls, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::types::Fault;

/// A connection out of the pool; it goes back when dropped, unless it is inside a broken transaction.
pub type Connection = deadpool::Object<AsyncPgConnection>;

/// The database as every capability sees it: connections from a pool, and transactions.
#[derive(Clone)]
pub struct Db {
    pool: deadpool::Pool<AsyncPgConnection>,
    url: Arc<str>,
}

impl Db {
    /// How long a request waits for a connection before it is answered 503.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// A pool of up to `size` connections to `url`; none is opened yet.
    ///
    /// # Errors
    ///
    /// If the pool cannot be built.
    pub fn new(url: &str, size: usize) -> Result<Self, Fault> {
        let mut config = ManagerConfig::default();
        config.recycling_method = RecyclingMethod::Fast;
        config.custom_setup = Box::new(|url| connect(url).boxed());
        let manager = AsyncDieselConnectionManager::new_with_config(url, config);
        let pool = deadpool::Pool::builder(manager)
            .max_size(size)
            .wait_timeout(Some(Self::PATIENCE))
            .create_timeout(Some(Self::PATIENCE))
            .runtime(::deadpool::Runtime::Tokio1)
            .build()
            .map_err(Fault::internal)?;
        Ok(Self {
            pool,
            url: url.into(),
        })
    }

    /// A connection from the pool.
    ///
    /// # Errors
    ///
    /// [`Fault::Unavailable`] if none could be had in time.
    pub async fn connection(&self) -> Result<Connection, Fault> {
        Ok(self.pool.get().await?)
    }

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

    /// A connection of the caller's own, outside the pool and its limit: for what must not wait behind
    /// requests (a lease), or must end with its connection (a lock of the session).
    ///
    /// # Errors
    ///
    /// [`Fault::Unavailable`] if the database is out of reach.
    pub async fn dedicated(&self) -> Result<AsyncPgConnection, Fault> {
        Ok(connect(&self.url).await?)
    }

    /// Whether the database answers.
    ///
    /// # Errors
    ///
    /// [`Fault::Unavailable`] if it does not.
    pub async fn ping(&self) -> Result<(), Fault> {
        use diesel_async::SimpleAsyncConnection as _;

        Ok(self.connection().await?.batch_execute("SELECT 1").await?)
    }

    /// How the pool is used now.
    #[must_use]
    pub fn usage(&self) -> PoolUsage {
        let status = self.pool.status();
        PoolUsage {
            open: status.size,
            idle: status.available,
            waiting: status.waiting,
            most: status.max_size,
        }
    }

    /// The URL that the pool connects to, for connections that live outside it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// How a pool is used: numbers of connections, and of those who wait for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUsage {
    pub open: usize,
    /// Of those, the ones that nobody uses.
    pub idle: usize,
    pub waiting: usize,
    pub most: usize,
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Db({:?})", self.pool.status())
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

/// One connection outside the pool, over TLS where the URL asks for it.
pub(super) async fn connect(url: &str) -> ConnectionResult<AsyncPgConnection> {
    let config: tokio_postgres::Config = url.parse().map_err(|error| bad_connection(&error))?;
    if config.get_ssl_mode() == SslMode::Disable || only_sockets(&config) {
        let (client, connection) = config
            .connect(NoTls)
            .await
            .map_err(|error| bad_connection(&error))?;
        return AsyncPgConnection::try_from_client_and_connection(client, connection).await;
    }
    let (client, connection) = config
        .connect(MakeRustlsConnect::new(tls_config()))
        .await
        .map_err(|error| bad_connection(&error))?;
    AsyncPgConnection::try_from_client_and_connection(client, connection).await
}

fn only_sockets(config: &tokio_postgres::Config) -> bool {
    config
        .get_hosts()
        .iter()
        .all(|host| matches!(host, tokio_postgres::config::Host::Unix(_)))
}

fn tls_config() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// The driver's own words say only "db error"; the cause behind them says which.
fn bad_connection(error: &tokio_postgres::Error) -> ConnectionError {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    ConnectionError::BadConnection(
        cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")),
    )
}
