//! The embedded database: first and later starts, what a kill -9 leaves, one owner at a time, missing programs.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use claviger::db::embedded::{Cluster, EmbeddedError, Options};
use rustix::process::{Pid, Signal, geteuid, kill_process, test_kill_process};
use tempfile::TempDir;
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls};

use crate::support::cluster::fresh_database;

fn options(folder: &Path) -> Options {
    let mut options = Options::new(folder);
    options.path = std::env::var_os("PATH");
    options.bin_dir = std::env::var_os("CLAVIGER_PG_BIN").map(Into::into);
    options.patience = Duration::from_secs(5);
    options
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn count(url: &str) -> i64 {
    let client = connect(url).await;
    client
        .query_one("SELECT count(*) FROM kept", &[])
        .await
        .unwrap()
        .get(0)
}

fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal).unwrap();
}

/// Whether the process runs; one that is dead and not collected yet does not.
fn runs(pid: u32) -> bool {
    test_kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap()).is_ok()
        && !fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.is_empty())
}

async fn within(limit: Duration, what: &str, mut met: impl FnMut() -> bool) {
    let start = Instant::now();
    while !met() {
        assert!(start.elapsed() < limit, "{what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// A cluster that was started once, holds one row, and is stopped.
async fn used(folder: &Path) {
    let mut options = options(folder);
    options.durable = false;
    let cluster = Cluster::start(options).await.unwrap();
    connect(&cluster.owner_url())
        .await
        .batch_execute("CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)")
        .await
        .unwrap();
    cluster.stop().await;
}

#[tokio::test]
async fn it_starts_closed_to_others_durable_and_fast_the_second_time() {
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let start = Instant::now();
    Cluster::start(options(folder.path())).await.unwrap().stop().await;
    println!("first start: {:?}", start.elapsed());

    let start = Instant::now();
    let cluster = Cluster::start(options(folder.path())).await.unwrap();
    let took = start.elapsed();
    println!("second start: {took:?}");
    assert!(took < Duration::from_secs(3), "the second start took {took:?}");

    let pid = cluster.postmaster_pid().unwrap();
    let owner = fs::metadata(folder.path().join("postgres/cluster"))
        .unwrap()
        .uid();
    assert_ne!(owner, 0, "PostgreSQL does not run as root");
    if geteuid().as_raw() != 0 {
        assert_eq!(owner, geteuid().as_raw());
    }
    if let Ok(process) = fs::metadata(format!("/proc/{pid}")) {
        assert_eq!(process.uid(), owner);
        let environment = fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
        assert!(
            !environment.contains("CARGO"),
            "our environment stays ours: {environment}"
        );
    }
    for private in ["cluster", "socket", "log"] {
        let mode = fs::metadata(folder.path().join("postgres").join(private))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700, "{private}");
    }

    let owner = connect(&cluster.owner_url()).await;
    for (setting, value) in [
        ("listen_addresses", ""),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("data_checksums", "on"),
        ("server_encoding", "UTF8"),
    ] {
        let row = owner
            .query_one("SELECT current_setting($1)", &[&setting])
            .await
            .unwrap();
        assert_eq!(row.get::<_, String>(0), value, "{setting}");
    }
    drop(owner);
    cluster.stop().await;
    assert!(!runs(pid));
}

#[tokio::test]
async fn the_serving_role_uses_the_tables_and_owns_nothing() {
    let folder = TempDir::new().unwrap();
    used(folder.path()).await;
    let cluster = Cluster::start(options(folder.path())).await.unwrap();
    let server = connect(&cluster.server_url()).await;
    server
        .batch_execute("INSERT INTO kept VALUES (2); UPDATE kept SET id = 3; DELETE FROM kept")
        .await
        .unwrap();
    for forbidden in [
        "TRUNCATE kept",
        "DROP TABLE kept",
        "ALTER TABLE kept ADD other int",
        "CREATE TABLE mine (id int)",
        "SET ROLE claviger_owner",
        "COPY kept TO PROGRAM 'true'",
    ] {
        assert!(server.batch_execute(forbidden).await.is_err(), "{forbidden}");
    }
    cluster.stop().await;
}

#[tokio::test]
async fn the_audit_trail_is_not_the_servers_to_change() {
    let database = fresh_database().await;
    let server = connect(&database.server_url).await;
    server.batch_execute("SELECT FROM audit_records").await.unwrap();
    for forbidden in [
        "UPDATE audit_records SET action = ''",
        "DELETE FROM audit_records",
        "TRUNCATE audit_records",
    ] {
        let error = server.batch_execute(forbidden).await.unwrap_err();
        assert!(
            error
                .as_db_error()
                .unwrap()
                .message()
                .starts_with("permission denied"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn each_test_has_a_database_of_its_own() {
    let (one, other) = tokio::join!(fresh_database(), fresh_database());
    let start = Instant::now();
    for _ in 0..4 {
        fresh_database().await;
    }
    println!("a fresh database: {:?}", start.elapsed() / 4);
    assert_ne!(one.name, other.name);
    connect(&one.server_url)
        .await
        .batch_execute("SELECT FROM grants")
        .await
        .unwrap();
    connect(&other.owner_url)
        .await
        .batch_execute("DROP TABLE audit_records")
        .await
        .unwrap();
}

/// Adds rows one by one until told to stop, whatever happens to the connection; answers how many commits it was
/// told of.
async fn write_until(url: String, stop: Arc<AtomicBool>) -> i64 {
    let mut told = 0;
    while !stop.load(Ordering::Relaxed) {
        let Ok((client, connection)) = tokio_postgres::connect(&url, NoTls).await else {
            sleep(Duration::from_millis(5)).await;
            continue;
        };
        tokio::spawn(connection);
        while !stop.load(Ordering::Relaxed)
            && client.execute("INSERT INTO kept VALUES (2)", &[]).await.is_ok()
        {
            told += 1;
        }
    }
    told
}

#[tokio::test]
async fn a_killed_postmaster_is_started_again_and_no_commit_is_lost() {
    let folder = TempDir::new().unwrap();
    used(folder.path()).await;
    let cluster = Cluster::start(options(folder.path())).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|_| tokio::spawn(write_until(cluster.server_url(), Arc::clone(&stop))))
        .collect();
    for _ in 0..3 {
        sleep(Duration::from_millis(100)).await;
        let killed = cluster.postmaster_pid().unwrap();
        let start = Instant::now();
        kill(killed, Signal::KILL);
        within(Duration::from_secs(20), "it is started again", || {
            cluster.postmaster_pid().is_some_and(|pid| pid != killed)
        })
        .await;
        println!("running again after {:?}", start.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    let mut told = 1;
    for writer in writers {
        told += writer.await.unwrap();
    }
    let kept = count(&cluster.server_url()).await;
    assert!(
        told > 1 && (told..=told + 16).contains(&kept),
        "told of {told}, kept {kept}"
    );
    cluster.stop().await;
}

/// Runs this test binary again as a process of its own, which starts the database and then waits to be killed.
#[tokio::test]
async fn it_ends_when_the_server_is_killed_and_starts_again() {
    if let Some(folder) = std::env::var_os("CLAVIGER_TEST_HOLDER") {
        let cluster = Cluster::start(options(Path::new(&folder))).await.unwrap();
        let (pid, folder) = (cluster.postmaster_pid().unwrap(), Path::new(&folder));
        fs::write(folder.join("pid.new"), pid.to_string()).unwrap();
        fs::rename(folder.join("pid.new"), folder.join("pid")).unwrap();
        return std::future::pending().await;
    }
    let folder = TempDir::new().unwrap();
    used(folder.path()).await;
    let hold = || {
        Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "embedded::it_ends_when_the_server_is_killed_and_starts_again",
            ])
            .env("CLAVIGER_TEST_HOLDER", folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let file = folder.path().join("pid");

    let mut server = hold();
    within(Duration::from_secs(20), "the server starts", || file.exists()).await;
    let postmaster: u32 = fs::read_to_string(&file).unwrap().parse().unwrap();

    // A second server is refused; a command uses the first one's database and leaves it running.
    let refused = Cluster::start(options(folder.path())).await.unwrap_err();
    assert!(matches!(refused, EmbeddedError::InUse { .. }));
    let sentence = refused.to_string();
    assert!(
        sentence.contains(&format!("another `claviger serve` (process {})", server.id())),
        "{sentence}"
    );
    let command = Cluster::attach_or_start(options(folder.path())).await.unwrap();
    assert_eq!(command.postmaster_pid(), None);
    assert_eq!(count(&command.server_url()).await, 1);
    command.stop().await;
    assert!(runs(postmaster));

    // The server alone is killed: PostgreSQL ends by itself.
    kill(server.id(), Signal::KILL);
    server.wait().unwrap();
    within(Duration::from_secs(20), "PostgreSQL ends with its server", || {
        !runs(postmaster)
    })
    .await;
    fs::remove_file(&file).unwrap();

    // The server and PostgreSQL are killed: nothing is left to clean up after itself.
    let mut server = hold();
    within(Duration::from_secs(20), "the server starts again", || {
        file.exists()
    })
    .await;
    let postmaster: u32 = fs::read_to_string(&file).unwrap().parse().unwrap();
    kill(server.id(), Signal::KILL);
    kill(postmaster, Signal::KILL);
    server.wait().unwrap();
    let cluster = Cluster::start(options(folder.path())).await.unwrap();
    assert_eq!(count(&cluster.server_url()).await, 1);
    cluster.stop().await;
}

#[tokio::test]
async fn a_lock_file_that_names_another_process_is_put_right() {
    let folder = TempDir::new().unwrap();
    used(folder.path()).await;
    let file = folder.path().join("postgres/cluster/postmaster.pid");
    // PostgreSQL only shrinks back before processes of its own user.
    let user = fs::metadata(folder.path().join("postgres/cluster")).unwrap();
    let mut sleeper = Command::new("sleep");
    std::os::unix::process::CommandExt::uid(&mut sleeper, user.uid());
    let mut sleeper = sleeper.arg("60").spawn().unwrap();
    for content in [format!("{}\n/somewhere\n1\n5432\n", sleeper.id()), String::new()] {
        fs::write(&file, content).unwrap();
        std::os::unix::fs::chown(&file, Some(user.uid()), Some(user.gid())).unwrap();
        let cluster = Cluster::start(options(folder.path())).await.unwrap();
        assert_eq!(count(&cluster.server_url()).await, 1);
        cluster.stop().await;
    }
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
}

#[tokio::test]
async fn a_half_made_cluster_is_not_used() {
    let folder = TempDir::new().unwrap();
    let unfinished = folder.path().join("postgres/cluster.new.1");
    fs::create_dir_all(&unfinished).unwrap();
    fs::write(unfinished.join("PG_VERSION"), "15\n").unwrap();
    used(folder.path()).await;
    assert!(!unfinished.exists());
}

#[tokio::test]
async fn a_server_waits_for_a_command_and_a_long_path_is_no_obstacle() {
    let folder = TempDir::new().unwrap();
    let long = folder
        .path()
        .join("a-folder-with-a-long-name-".repeat(4))
        .join("it's \"here\"");
    used(&long).await;
    let command = Cluster::attach_or_start(options(&long)).await.unwrap();
    assert_eq!(count(&command.server_url()).await, 1);
    let (server, ()) = tokio::join!(Cluster::start(options(&long)), async {
        sleep(Duration::from_millis(300)).await;
        command.stop().await;
    });
    let server = server.unwrap();
    assert_eq!(count(&server.server_url()).await, 1);
    let socket = server.socket_dir().to_owned();
    assert!(socket.starts_with("/tmp"));
    // Dropped, not stopped: it stops in the background, and the next start waits for that.
    drop(server);
    let server = Cluster::start(options(&long)).await.unwrap();
    server.stop().await;
    fs::remove_dir_all(socket).unwrap();
}

#[tokio::test]
async fn missing_programs_and_foreign_versions_are_said_in_a_sentence() {
    let folder = TempDir::new().unwrap();
    let mut wrong = options(folder.path());
    wrong.bin_dir = Some(folder.path().join("nowhere"));
    let sentence = Cluster::start(wrong).await.unwrap_err().to_string();
    assert!(
        sentence.starts_with("there is no working `initdb` and `postgres` in /"),
        "{sentence}"
    );

    // Ours to open is the data folder, and nothing above it.
    if geteuid().as_raw() == 0 {
        let closed = TempDir::new().unwrap();
        fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let sentence = Cluster::start(options(&closed.path().join("data")))
            .await
            .unwrap_err()
            .to_string();
        assert!(sentence.contains("may not pass through"), "{sentence}");
        assert!(
            sentence.contains("CLAVIGER_DATA_DIR=/var/lib/claviger"),
            "{sentence}"
        );
    }

    used(folder.path()).await;
    let version = folder.path().join("postgres/cluster/PG_VERSION");
    fs::write(&version, "14\n").unwrap();
    let sentence = Cluster::start(options(folder.path()))
        .await
        .unwrap_err()
        .to_string();
    assert!(sentence.contains("was made by PostgreSQL 14"), "{sentence}");
}
