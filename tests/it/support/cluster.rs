//! One PostgreSQL for the whole run, and a database of its own for each test, copied from one that was migrated
//! once. The cluster runs in a thread of its own and ends with this process, however that ends.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use claviger::db::{
    embedded::{Cluster, OWNER, Options, SERVER},
    migrate,
};
use tokio_postgres::NoTls;

/// How long a statement may take, where that is not what is tested.
pub const PATIENCE: Duration = Duration::from_secs(30);

const TEMPLATE: &str = "claviger_template";

/// A migrated database that nobody else uses. It goes with the cluster.
#[derive(Clone, Debug)]
pub struct TestDatabase {
    pub name: String,
    /// Owns the tables.
    pub owner_url: String,
    /// Serves.
    pub server_url: String,
}

/// A fresh, migrated database.
pub async fn fresh_database() -> TestDatabase {
    database_from(TEMPLATE).await
}

/// A database without any tables.
pub async fn empty_database() -> TestDatabase {
    database_from("template1").await
}

/// A fresh copy of a database that nobody is connected to.
pub async fn database_from(template: &str) -> TestDatabase {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static COPYING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let cluster = tokio::task::spawn_blocking(shared).await.unwrap();
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    {
        let _turn = COPYING.lock().await;
        // By file: a third of the time of the other strategy, where nothing is synchronised to disk.
        execute(
            &cluster.url(OWNER, "postgres"),
            &format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"),
        )
        .await;
    }
    TestDatabase {
        owner_url: cluster.url(OWNER, &name),
        server_url: cluster.url(SERVER, &name),
        name,
    }
}

fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(|| {
        let (ready, wait) = mpsc::channel();
        thread::Builder::new()
            .name("cluster".to_owned())
            .spawn(move || {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap()
                    .block_on(async {
                        ready.send(start().await).unwrap();
                        std::future::pending::<()>().await;
                    });
            })
            .unwrap();
        wait.recv().expect("the test cluster starts")
    })
}

async fn start() -> Cluster {
    let folder = tempfile::Builder::new()
        .prefix("claviger-test-")
        .tempdir()
        .unwrap()
        .keep();
    remove_when_we_are_gone(&folder);
    let mut options = Options::new(folder);
    options.durable = false;
    options.max_connections = 400;
    options.path = std::env::var_os("PATH");
    options.bin_dir = std::env::var_os("CLAVIGER_PG_BIN").map(Into::into);
    let cluster = Cluster::start(options).await.unwrap();
    execute(
        &cluster.url(OWNER, "template1"),
        &format!("CREATE DATABASE {TEMPLATE}"),
    )
    .await;
    migrate(&cluster.url(OWNER, TEMPLATE)).await.unwrap();
    cluster
}

/// A test process ends without a last word, so a shell waits for its end, and for PostgreSQL's.
fn remove_when_we_are_gone(folder: &Path) {
    let reaper = Command::new("/bin/sh")
        .args([
            "-c",
            r#"trap '' INT TERM; read -r _
            tries=0
            while [ -e "$1/postgres/cluster/postmaster.pid" ] && [ $tries -lt 100 ]; do
                tries=$((tries + 1)); sleep 0.1
            done
            rm -rf "$1""#,
            "claviger-test-reaper",
        ])
        .arg(folder)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Its standard input must stay open until this process ends.
    std::mem::forget(reaper);
}

async fn execute(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}
