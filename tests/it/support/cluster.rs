//! One PostgreSQL for the whole run, and a database of its own for each test, copied from one that was migrated
//! once. The cluster runs in a thread of its own and ends with this process, however that ends.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
};

use claviger::db::{
    embedded::{Cluster, OWNER, Options, SERVER},
    migrate,
};
use tokio_postgres::NoTls;

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

struct Shared {
    owner_of_template1: String,
    url: Box<dyn Fn(&str, &str) -> String + Send + Sync>,
}

/// A fresh, migrated database.
pub async fn fresh_database() -> TestDatabase {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static COPYING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let shared = tokio::task::spawn_blocking(shared).await.unwrap();
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    {
        // PostgreSQL copies a database only while nobody is connected to it, copiers included.
        let _turn = COPYING.lock().await;
        execute(
            &shared.owner_of_template1,
            &format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY WAL_LOG"),
        )
        .await;
    }
    TestDatabase {
        owner_url: (shared.url)(OWNER, &name),
        server_url: (shared.url)(SERVER, &name),
        name,
    }
}

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let (ready, wait) = mpsc::channel();
        thread::Builder::new()
            .name("cluster".to_owned())
            .spawn(move || {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap()
                    .block_on(run(ready));
            })
            .unwrap();
        wait.recv().expect("the test cluster starts")
    })
}

async fn run(ready: mpsc::Sender<Shared>) {
    clear_earlier_runs();
    let folder = tempfile::Builder::new()
        .prefix(PREFIX)
        .suffix(&format!(".{}", std::process::id()))
        .tempdir()
        .unwrap();
    let mut options = Options::new(folder.path());
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
    let socket = cluster.url("ROLE", "DATABASE");
    ready
        .send(Shared {
            owner_of_template1: cluster.url(OWNER, "postgres"),
            url: Box::new(move |role, database| {
                socket.replacen("ROLE", role, 1).replacen("DATABASE", database, 1)
            }),
        })
        .unwrap();
    std::future::pending::<()>().await;
    drop((cluster, folder));
}

const PREFIX: &str = "claviger-test-";

/// Removes the folders of runs whose process is gone: a test process ends without a last word.
fn clear_earlier_runs() {
    for entry in std::fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.rsplit_once('.'))
            .and_then(|(_, process)| process.parse().ok())
            .and_then(rustix::process::Pid::from_raw);
        if let Some(process) = process
            && rustix::process::test_kill_process(process).is_err()
            && !entry.path().join("postgres/cluster/postmaster.pid").exists()
        {
            // Another run may be at it already.
            std::fs::remove_dir_all(entry.path()).ok();
        }
    }
}

async fn execute(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}
