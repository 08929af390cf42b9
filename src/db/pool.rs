//! The pool. A connection is driven by the runtime that opened it, and each worker of the server has a runtime of its
//! own: so whoever asks is given a connection of their own runtime if there is one, and no answer of the database has
//! to cross from one thread to another.

use std::{
    collections::HashMap,
    fmt,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use diesel_async::{AsyncPgConnection, pooled_connection::PoolableConnection as _};
use tokio::{
    runtime::{Handle, Id},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    connect::{Use, connect},
    watch::Watch,
};
use crate::types::Fault;

/// The database as every capability sees it: connections from a pool, and transactions.
#[derive(Clone)]
pub struct Db(Arc<Pool>);

struct Pool {
    url: String,
    size: usize,
    /// How long a statement may take.
    patience: Duration,
    /// One for each connection that may be in use.
    places: Arc<Semaphore>,
    connections: Mutex<Connections>,
}

#[derive(Default)]
struct Connections {
    /// In use or not.
    open: usize,
    waiting: usize,
    /// Those that nobody uses, by the runtime that drives them.
    idle: HashMap<Id, Vec<Watched>>,
}

struct Watched {
    connection: AsyncPgConnection,
    watch: Watch,
}

impl Connections {
    /// An idle one of `runtime`; one of another, if no more may be opened.
    fn take(&mut self, runtime: Id, size: usize) -> Option<(Id, Watched)> {
        if let Some(own) = self.idle.get_mut(&runtime).and_then(Vec::pop) {
            return Some((runtime, own));
        }
        if self.open < size {
            return None;
        }
        let (other, idle) = self.idle.iter_mut().find(|(_, idle)| !idle.is_empty())?;
        idle.pop().map(|connection| (*other, connection))
    }
}

impl Db {
    /// How long a request waits for a connection before it is answered 503.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// A pool of up to `size` connections to `url`; none is opened yet. A statement that takes longer than `patience`
    /// fails, and so does one that a database has no answer to at all, which takes half as long again.
    #[must_use]
    pub fn new(url: &str, size: usize, patience: Duration) -> Self {
        Self(Arc::new(Pool {
            url: url.to_owned(),
            size,
            patience,
            places: Arc::new(Semaphore::new(size)),
            connections: Mutex::default(),
        }))
    }

    /// A connection from the pool.
    ///
    /// # Errors
    ///
    /// [`Fault::Unavailable`] if none could be had in time.
    pub async fn connection(&self) -> Result<Connection, Fault> {
        timeout(Self::PATIENCE, self.0.get())
            .await
            .map_err(Fault::unavailable)?
    }

    /// A connection of the caller's own, outside the pool and its limit: for what must not wait behind
    /// requests, or must end with its connection (a lock of the session).
    ///
    /// # Errors
    ///
    /// [`Fault::Unavailable`] if the database is out of reach.
    pub async fn dedicated(&self) -> Result<AsyncPgConnection, Fault> {
        self.0.open(&Watch::default()).await
    }

    /// The same, for who listens to notifications, and gives up by themselves what takes too long.
    ///
    /// # Errors
    ///
    /// As [`Db::dedicated`].
    pub async fn listening(&self) -> Result<AsyncPgConnection, Fault> {
        Ok(Box::pin(connect(&self.0.url, Use::Listening)).await?)
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
        let connections = self.0.connections();
        PoolUsage {
            open: connections.open,
            idle: connections.idle.values().map(Vec::len).sum(),
            waiting: connections.waiting,
            most: self.0.size,
        }
    }
}

impl Pool {
    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn open(&self, watch: &Watch) -> Result<AsyncPgConnection, Fault> {
        Ok(Box::pin(connect(&self.url, Use::Within(self.patience, watch))).await?)
    }

    async fn get(self: &Arc<Self>) -> Result<Connection, Fault> {
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => place,
            Err(_full) => {
                let _waits = Waits::begin(self);
                Arc::clone(&self.places)
                    .acquire_owned()
                    .await
                    .map_err(Fault::internal)?
            }
        };
        let runtime = Handle::current().id();
        let idle = {
            let mut connections = self.connections();
            loop {
                let Some((runtime, mut idle)) = connections.take(runtime, self.size) else {
                    connections.open += 1;
                    break None;
                };
                if !idle.connection.is_broken() {
                    break Some((runtime, idle));
                }
                // The database has closed it, or its runtime is gone.
                connections.open -= 1;
            }
        };
        let mut lent = Connection {
            pool: Arc::clone(self),
            runtime,
            inner: None,
            _place: place,
        };
        if let Some((runtime, watched)) = idle {
            lent.runtime = runtime;
            lent.inner = Some(watched);
        } else {
            // Given up on half-way, it is counted as closed by the drop of `lent`.
            let watch = Watch::default();
            let connection = self.open(&watch).await?;
            lent.inner = Some(Watched { connection, watch });
        }
        Ok(lent)
    }
}

/// Somebody who waits for a place, counted while they do.
struct Waits<'p>(&'p Pool);

impl<'p> Waits<'p> {
    fn begin(pool: &'p Pool) -> Self {
        pool.connections().waiting += 1;
        Self(pool)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.connections().waiting -= 1;
    }
}

/// A connection out of the pool; it goes back when dropped, unless it is broken or inside a transaction.
pub struct Connection {
    pool: Arc<Pool>,
    /// The one that drives it.
    runtime: Id,
    /// None only while it is being opened, and in its drop.
    inner: Option<Watched>,
    _place: OwnedSemaphorePermit,
}

impl Drop for Connection {
    fn drop(&mut self) {
        let sound = self
            .inner
            .take()
            .and_then(|mut watched| (!watched.connection.is_broken()).then_some(watched));
        let mut connections = self.pool.connections();
        match sound {
            Some(watched) => {
                watched.watch.reset();
                connections.idle.entry(self.runtime).or_default().push(watched);
            }
            None => connections.open -= 1,
        }
    }
}

#[allow(
    clippy::expect_used,
    reason = "it is put in before the pool hands it out, and taken out by drop alone"
)]
impl Deref for Connection {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        &self
            .inner
            .as_ref()
            .expect("a connection that was lent")
            .connection
    }
}

#[allow(
    clippy::expect_used,
    reason = "it is put in before the pool hands it out, and taken out by drop alone"
)]
impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        &mut self
            .inner
            .as_mut()
            .expect("a connection that was lent")
            .connection
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
        write!(f, "Db({:?})", self.usage())
    }
}
