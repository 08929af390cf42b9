//! The whole server for one test: on a database of its own, on a free port, with the clock in the test's hand.

use std::{
    net::{SocketAddr, TcpListener},
    ops::Deref,
    sync::Arc,
    thread,
    time::Duration,
};

use claviger::{
    app::{App, DatabaseUrls},
    config::{Config, Hidden, MasterKeySource},
    jobs::Run,
    server::Handle,
    types::{Clock, Entropy, ManualClock},
};
use futures_util::FutureExt as _;
use tempfile::TempDir;
use time::{OffsetDateTime, macros::datetime};
use tokio::sync::{OnceCell, oneshot};

use super::{
    browser::Browser,
    cluster::{TestDatabase, database_from, fresh_database},
    logs,
    wait::until,
};

/// What time it is when a test begins.
pub const START: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);

/// Every test's, so that keys made once open in every test's database.
pub const MASTER_KEY: &str = "Y2xhdmlnZXIncyB0ZXN0cyBoYXZlIG5vIHNlY3JldHM=";

/// One or more nodes on one database. Dropped, they end.
pub struct TestApp {
    /// The hand of all nodes' clock.
    pub clock: ManualClock,
    pub database: TestDatabase,
    pub nodes: Vec<Node>,
    reading: Clock,
    data: TempDir,
}

/// One running server.
pub struct Node {
    pub app: App,
    pub address: SocketAddr,
    pub metrics_address: Option<SocketAddr>,
    handle: Handle,
    ended: oneshot::Receiver<()>,
}

impl TestApp {
    /// One node with the defaults.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// One node with a configuration of its own.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::nodes_with(1, change).await
    }

    /// Several nodes on one database.
    pub async fn nodes(number: usize) -> Self {
        Self::nodes_with(number, |_| {}).await
    }

    pub async fn nodes_with(number: usize, change: impl FnOnce(&mut Config)) -> Self {
        let (reading, clock) = Clock::manual(START);
        Self::on(prepared_database().await, reading, clock, number, change).await
    }

    /// On the machine's clock, for clients that check times by their own.
    pub async fn at_real_time(change: impl FnOnce(&mut Config)) -> Self {
        let (_, clock) = Clock::manual(START);
        Self::on(fresh_database().await, Clock::system(), clock, 1, change).await
    }

    async fn on(
        database: TestDatabase,
        reading: Clock,
        clock: ManualClock,
        number: usize,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        logs::keep();
        let data = tempfile::tempdir().unwrap();
        let mut this = Self {
            clock,
            database,
            nodes: Vec::new(),
            reading,
            data,
        };
        let mut config = this.config();
        change(&mut config);
        for _ in 0..number {
            // Nodes answer under one name, which is the first one's.
            if let Some(first) = this.nodes.first() {
                config.issuer = Some(first.app.config.issuer().parse().unwrap());
            }
            let urls = this.urls();
            this.add_node(config.clone(), urls).await;
        }
        this
    }

    /// What a node of this test is configured with, unless the test says otherwise.
    pub fn config(&self) -> Config {
        let mut config = Config {
            data_dir: self.data.path().to_owned(),
            ..Config::default()
        };
        config.database.migrate_on_start = false;
        config.database.connections = 8;
        config.master_key.source = MasterKeySource::Env;
        config.master_key.value = Some(Hidden::from(MASTER_KEY.to_owned()));
        config.server.workers = 1;
        config
    }

    /// Where the nodes find the database.
    pub fn urls(&self) -> DatabaseUrls {
        DatabaseUrls {
            server: self.database.server_url.clone(),
            owner: self.database.owner_url.clone(),
        }
    }

    /// One more node, on whatever way to the database.
    pub async fn add_node(&mut self, config: Config, urls: DatabaseUrls) -> &Node {
        let node = Node::start(config, self.reading.clone(), urls).await;
        self.nodes.push(node);
        self.nodes.last().unwrap()
    }

    /// A path of the first node.
    pub fn url(&self, path: &str) -> String {
        self.nodes[0].url(path)
    }

    /// A browser that knows nobody here.
    pub fn browser(&self) -> Browser {
        Browser::at(&self.url("/"))
    }

    /// The folder of what was mailed, and of nothing else that a test needs.
    pub fn data_dir(&self) -> &std::path::Path {
        self.data.path()
    }

    /// Runs a job of the first node now, and returns how many rows it dealt with. The server's own runner may just be
    /// at it.
    pub async fn run_job(&self, name: &str) -> u64 {
        let mut rows = 0;
        until("the job is free", async || {
            match self.runner.run_once(name).await.unwrap() {
                Run::Done(done) => {
                    rows = done;
                    true
                }
                Run::Elsewhere => false,
            }
        })
        .await;
        rows
    }

    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

impl Deref for TestApp {
    type Target = App;

    /// The first node's capabilities.
    fn deref(&self) -> &App {
        &self.nodes[0].app
    }
}

impl Node {
    /// Starts a server on a thread of its own, so that it ends as a whole.
    async fn start(mut config: Config, clock: Clock, urls: DatabaseUrls) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        config.listen = listener.local_addr().unwrap();
        let (started, starting) = oneshot::channel();
        let (ending, ended) = oneshot::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let app = App::start(Arc::new(config), clock, Entropy::system(), &urls)
                    .await
                    .unwrap();
                let server = app.bind_to(listener).unwrap();
                let (address, metrics_address) = (server.address(), server.metrics_address());
                let handle = server.handle();
                let _ = started.send((app, address, metrics_address, handle));
                server.run().await.unwrap();
            });
            drop(runtime);
            let _ = ending.send(());
        });
        let (app, address, metrics_address, handle) = starting.await.expect("the server starts");
        Self {
            app,
            address,
            metrics_address,
            handle,
            ended,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.address.port())
    }

    pub fn browser(&self) -> Browser {
        Browser::at(&self.url("/"))
    }

    /// Ends it as a signal would.
    pub async fn stop(mut self) {
        self.handle.stop(true).await;
        self.app.clone().stop().await;
        let _ = (&mut self.ended).await;
    }

    /// Asks it to stop, and goes on.
    pub fn begin_stop(&self) {
        let handle = self.handle.clone();
        tokio::spawn(async move { handle.stop(true).await });
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Sent when it is first polled; nobody waits for the end.
        let _ = self.handle.stop(false).now_or_never();
    }
}

/// A database in which the server has started once, so that its keys are made: an RSA key takes its time.
async fn prepared_database() -> TestDatabase {
    static PREPARED: OnceCell<TestDatabase> = OnceCell::const_new();
    let prepared = PREPARED
        .get_or_init(|| async {
            let database = fresh_database().await;
            let (clock, _) = Clock::manual(START);
            let data = tempfile::tempdir().unwrap();
            let mut config = Config {
                data_dir: data.path().to_owned(),
                ..Config::default()
            };
            config.database.migrate_on_start = false;
            config.master_key.source = MasterKeySource::Env;
            config.master_key.value = Some(Hidden::from(MASTER_KEY.to_owned()));
            let urls = DatabaseUrls {
                server: database.server_url.clone(),
                owner: database.owner_url.clone(),
            };
            // On a runtime of its own, with which its connections end: a template must have none.
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    App::detached(config.into(), clock, Entropy::system(), &urls)
                        .await
                        .unwrap();
                });
            })
            .join()
            .unwrap();
            database
        })
        .await;
    database_from(&prepared.name).await
}
