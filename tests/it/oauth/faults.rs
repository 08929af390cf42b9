//! What is killed, cut off or walks away in the middle leaves nothing half-done and loses nothing acknowledged.

use std::{
    fs::Permissions,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use claviger::{
    config::Span,
    db::embedded::{Cluster, Options},
};
use futures_util::future::join_all;
use reqwest::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_postgres::NoTls;

use super::flow::{Answer, Client, World, answer, cheap_passwords, landed, parameter, text};
use crate::support::{
    app::TestApp,
    cluster::{TestDatabase, fresh_database},
    logs,
    proxy::Proxy,
    wait::until,
};

/// A client that may ask again for a minute: the clock stands still, so it always may.
async fn patient_client(world: &World) -> Client {
    world
        .register(|registration| registration.retry_window = Some(std::time::Duration::from_secs(60)))
        .await
}

/// Refreshes until told to stop, as an honest client does: asks again with the same token until it has an answer.
async fn refresh_until(
    world: &World,
    client: &Client,
    first: String,
    stop: &AtomicBool,
    done: &AtomicUsize,
) -> String {
    let mut token = first;
    while !stop.load(Ordering::Relaxed) {
        let answer = world.refresh(client, &token).await;
        match answer.status {
            StatusCode::OK => {
                token = text(&answer.json(), "refresh_token");
                done.fetch_add(1, Ordering::Relaxed);
            }
            StatusCode::SERVICE_UNAVAILABLE => {}
            StatusCode::INTERNAL_SERVER_ERROR => assert_cause_is_logged(&answer),
            _ => panic!("an honest client was refused: {} {}", answer.status, answer.text),
        }
    }
    token
}

fn assert_cause_is_logged(answer: &Answer) {
    let id = answer.header("x-request-id");
    let log = logs::text();
    assert!(
        log.lines()
            .any(|line| line.contains(id) && line.contains("endpoint failed")),
        "a 500 without a cause in the log: {id}"
    );
}

/// A server with a cluster that no other test has: it may be killed, or run out of room.
async fn on_a_database_of_its_own(programs: Option<&Path>) -> (TempDir, Cluster, World) {
    let folder = TempDir::new().unwrap();
    let mut options = Options::new(folder.path());
    options.path = std::env::var_os("PATH");
    options.bin_dir = match programs {
        Some(folder) => Some(folder.to_owned()),
        None => std::env::var_os("CLAVIGER_PG_BIN").map(Into::into),
    };
    let cluster = Cluster::start(options).await.unwrap();
    let mut app = TestApp::nodes(0).await;
    app.database = TestDatabase {
        name: "claviger".to_owned(),
        owner_url: cluster.owner_url(),
        server_url: cluster.server_url(),
    };
    let mut config = app.config();
    cheap_passwords(&mut config);
    config.database.migrate_on_start = true;
    let urls = app.urls();
    app.add_node(config, urls).await;
    (folder, cluster, World::of(app).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_database_costs_no_client_its_grant() {
    let (_folder, cluster, world) = on_a_database_of_its_own(None).await;
    let world = Arc::new(world);

    let browser = world.browser().await;
    let mut holders = Vec::new();
    for _ in 0..4 {
        let client = patient_client(&world).await;
        let tokens = world.tokens(&browser, &client).await;
        holders.push((client, text(&tokens, "refresh_token")));
    }
    let revoked = world.tokens(&browser, &holders[0].0).await;
    world
        .revoke(&holders[0].0, &text(&revoked, "refresh_token"))
        .await;

    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load = holders.clone().into_iter().map(|(client, token)| {
        let (world, stop, done) = (world.clone(), stop.clone(), done.clone());
        tokio::spawn(async move {
            let last = refresh_until(&world, &client, token, &stop, &done).await;
            (client, last)
        })
    });
    let load: Vec<_> = load.collect();
    let more = async |number: usize| {
        let before = done.load(Ordering::Relaxed);
        until("refreshes that succeed", async || {
            assert!(
                !load.iter().any(tokio::task::JoinHandle::is_finished),
                "an honest client was refused"
            );
            done.load(Ordering::Relaxed) >= before + number
        })
        .await;
    };
    more(20).await;
    for _ in 0..2 {
        let killed = cluster.postmaster_pid().unwrap();
        let pid = Pid::from_raw(killed.try_into().unwrap()).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        until("the next postmaster", async || {
            cluster.postmaster_pid().is_some_and(|pid| pid != killed)
        })
        .await;
        more(20).await;
    }
    stop.store(true, Ordering::Relaxed);
    for ended in join_all(load).await {
        let (client, last) = ended.unwrap();
        world.refresh(&client, &last).await.good();
    }
    let again = world
        .refresh(&holders[0].0, &text(&revoked, "refresh_token"))
        .await;
    assert_eq!(again.error(), (400, "invalid_grant".to_owned()));
    drop(world);
    cluster.stop().await;
}

/// PostgreSQL's programs, of which the server may have no file above 17 MiB: it takes that for the end of the disk.
async fn programs_for_a_small_disk() -> TempDir {
    let database = fresh_database().await;
    let (client, connection) = tokio_postgres::connect(&database.owner_url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let row = client
        .query_one("SELECT setting FROM pg_config WHERE name = 'BINDIR'", &[])
        .await
        .unwrap();
    let real: String = row.get(0);
    let folder = TempDir::new().unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    // In blocks of 512 bytes; a file of the log has 16 MiB.
    for (name, limit) in [("initdb", "unlimited"), ("postgres", "34816")] {
        let script = format!("#!/bin/sh\nulimit -S -f {limit}\nexec '{real}/{name}' \"$@\"\n");
        let path = folder.path().join(name);
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_what_needs_room_and_loses_nothing() {
    let programs = programs_for_a_small_disk().await;
    let (_folder, cluster, world) = on_a_database_of_its_own(Some(programs.path())).await;
    let client = patient_client(&world).await;
    let browser = world.browser().await;
    let held = text(&world.tokens(&browser, &client).await, "refresh_token");
    // The trail is filled to the end, and nobody looks for room between what is there.
    let owner = world.database().await;
    owner
        .execute("ALTER TABLE audit_records SET (autovacuum_enabled = off)", &[])
        .await
        .unwrap();
    let filler = "INSERT INTO audit_records (at, actor_kind, action, subject_kind, outcome, details)
        SELECT now(), 'system', 'filler', 'system', 'done', jsonb_build_object('filler', repeat('x', 100))
        FROM generate_series(1, 5000)";
    while owner.execute(filler, &[]).await.is_ok() {}

    let mut refused = None;
    for _ in 0..50 {
        let login = world.login(&browser, &client).await;
        let answer = world.redeem(&client, &login).await;
        if answer.status != StatusCode::OK {
            refused = Some((login, answer));
            break;
        }
    }
    let (login, answer) = refused.expect("a redemption for which there is no room");
    assert_eq!(
        answer.error(),
        (503, "temporarily_unavailable".to_owned()),
        "{}",
        answer.text
    );
    assert!(!answer.header("retry-after").is_empty());
    let grants = world.number("SELECT count(*) FROM grants").await;
    let records = "SELECT count(*) FROM audit_records WHERE action = 'grant.created'";
    assert_eq!(world.number(records).await, grants);
    // What needs no room goes on.
    let next = world.refresh(&client, &held).await.good();
    assert!(world.is_active(&client, &text(&next, "access_token")).await);

    // Whoever runs the server makes room.
    owner
        .batch_execute("ALTER TABLE audit_records DISABLE TRIGGER append_only; TRUNCATE audit_records")
        .await
        .unwrap();
    world.redeem(&client, &login).await.good();
    world.refresh(&client, &text(&next, "refresh_token")).await.good();
    drop(world);
    cluster.stop().await;
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_harms_nobody() {
    let world = World::with(|config| config.database.connections = 4).await;
    let client = patient_client(&world).await;
    let browser = world.browser().await;
    let token = text(&world.tokens(&browser, &client).await, "refresh_token");
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "refresh_token")
        .append_pair("refresh_token", &token)
        .append_pair("client_id", &client.id.to_string())
        .append_pair("client_secret", client.secret.as_ref().unwrap())
        .finish();
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let whole = format!("{head}{body}").into_bytes();
    for round in 0..60 {
        // Now and then before the request is whole.
        let sent = if round % 3 == 0 {
            whole.len() - round
        } else {
            whole.len()
        };
        let mut stream = TcpStream::connect(world.app.nodes[0].address).await.unwrap();
        stream.write_all(&whole[..sent]).await.unwrap();
    }
    // Whether or not one of them rotated, the client that lost the answer is not logged out.
    let next = world.refresh(&client, &token).await.good();
    world.refresh(&client, &text(&next, "refresh_token")).await.good();
    nothing_is_open(&world).await;
    for _ in 0..8 {
        world.tokens(&browser, &client).await;
    }
}

/// No connection is left inside a transaction.
async fn nothing_is_open(world: &World) {
    let open = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    until("the end of every transaction", async || {
        world.number(open).await == 0
    })
    .await;
}

/// A server whose way to the database can be cut, with nobody who minds for a minute.
async fn on_a_cable() -> (World, Proxy) {
    let mut app = TestApp::nodes(0).await;
    let cable = Proxy::to(&app.database.server_url);
    let mut urls = app.urls();
    urls.server = cable.url().to_owned();
    let mut config = app.config();
    cheap_passwords(&mut config);
    config.revocation.lease = Span::minutes(1);
    app.add_node(config, urls).await;
    (World::of(app).await, cable)
}

/// The answer to `act`, which somebody who holds all consents keeps waiting until its connection is cut.
async fn cut_while_it_waits<T>(world: &World, cable: &Proxy, act: impl Future<Output = T>) -> T {
    let mut holder = world.database().await;
    let held = holder.transaction().await.unwrap();
    held.execute("SELECT * FROM consents FOR UPDATE", &[])
        .await
        .unwrap();
    let cut = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        until("an act that waits", async || world.number(waiting).await > 0).await;
        cable.cut();
    };
    let (answer, ()) = futures_util::future::join(act, cut).await;
    held.rollback().await.unwrap();
    cable.mend();
    let busy = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'";
    until("the end of what was cut", async || world.number(busy).await == 0).await;
    answer
}

#[tokio::test]
async fn a_connection_cut_in_a_transaction_leaves_nothing_half_done() {
    let (world, cable) = on_a_cable().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    world.tokens(&browser, &client).await;
    let page = browser
        .get(&world.ask(&client).with("prompt", "consent").path())
        .await;
    let records = "SELECT count(*) FROM audit_records";
    let before = world.number(records).await;
    for _ in 0..5 {
        let approve = browser.submit(&page, &[("decision", "approve")]);
        let answer = cut_while_it_waits(&world, &cable, approve).await;
        assert_eq!(answer.status, 503, "{}", answer.text());
    }
    assert_eq!(world.number(records).await, before);
    // The request still waits for its answer, and the pool has no bad connection to give.
    let answer = browser.submit(&page, &[("decision", "approve")]).await;
    assert!(parameter(&landed(&answer), "code").is_some(), "{}", answer.text());
    for _ in 0..16 {
        world.tokens(&browser, &client).await;
    }
}

#[tokio::test]
async fn a_redemption_that_lost_its_connection_has_happened_with_its_record_or_not_at_all() {
    let (world, cable) = on_a_cable().await;
    let client = world.confidential().await;
    let browser = world.browser().await;
    for _ in 0..5 {
        let login = world.login(&browser, &client).await;
        let redeemed = cut_while_it_waits(&world, &cable, world.redeem(&client, &login)).await;
        assert_eq!(
            redeemed.error(),
            (503, "temporarily_unavailable".to_owned()),
            "{}",
            redeemed.text
        );
        let grants = world.number("SELECT count(*) FROM grants").await;
        let records = "SELECT count(*) FROM audit_records WHERE action = 'grant.created'";
        assert_eq!(world.number(records).await, grants);
        // Nobody was given tokens for it: the code is as good as before, or it was used and what it gave goes.
        let again = world.redeem(&client, &login).await;
        if again.status == 200 {
            assert_eq!(world.number("SELECT count(*) FROM grants").await, grants + 1);
        } else {
            assert_eq!(again.error(), (400, "invalid_grant".to_owned()));
        }
    }
    for _ in 0..16 {
        let tokens = world.tokens(&browser, &client).await;
        assert!(world.is_active(&client, &text(&tokens, "refresh_token")).await);
    }
}

#[tokio::test]
async fn a_database_that_never_answers_holds_no_request_for_ever() {
    let mut app = TestApp::nodes(0).await;
    let cable = Proxy::to(&app.database.server_url);
    let mut urls = app.urls();
    urls.server = cable.url().to_owned();
    let mut config = app.config();
    cheap_passwords(&mut config);
    config.revocation.lease = Span::minutes(1);
    config.database.statement_timeout = Span::seconds(1);
    app.add_node(config, urls).await;
    let world = World::of(app).await;
    let client = patient_client(&world).await;
    let browser = world.browser().await;
    let token = text(&world.tokens(&browser, &client).await, "refresh_token");
    let login = world.login(&browser, &client).await;
    let is_outage = |answer: &Answer| {
        let expected = (503, "temporarily_unavailable".to_owned());
        assert_eq!(answer.error(), expected, "{}", answer.text);
        assert_eq!(answer.header("retry-after"), "1");
    };

    // The database is alive, and somebody holds what the statement needs.
    let mut holder = world.database().await;
    let held = holder.transaction().await.unwrap();
    held.execute("SELECT * FROM grants FOR UPDATE", &[])
        .await
        .unwrap();
    is_outage(&world.refresh(&client, &token).await);
    held.rollback().await.unwrap();
    let next = text(&world.refresh(&client, &token).await.good(), "refresh_token");

    // It takes what is sent, and says nothing: in one statement, and inside a transaction.
    cable.clamp();
    is_outage(&world.refresh(&client, &next).await);
    is_outage(&world.redeem(&client, &login).await);
    until("the end of what hangs", async || {
        let usage = world.app.db.usage();
        usage.open == usage.idle
    })
    .await;
    cable.mend();
    world.refresh(&client, &next).await.good();
    world.redeem(&client, &login).await.good();
    for _ in 0..16 {
        world.tokens(&browser, &client).await;
    }
    nothing_is_open(&world).await;
}

/// `claviger serve` as a process of its own.
struct Process(Child, u16);

impl Process {
    async fn start(world: &World, data: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let config = world.app.config();
        let child = Command::new(env!("CARGO_BIN_EXE_claviger"))
            .arg("serve")
            .env("CLAVIGER_LISTEN", format!("127.0.0.1:{port}"))
            .env("CLAVIGER_ISSUER", world.app.nodes[0].app.config.issuer())
            .env("CLAVIGER_DATA_DIR", data)
            .env("DATABASE_URL", &world.app.database.server_url)
            .env("CLAVIGER_DATABASE__OWNER_URL", &world.app.database.owner_url)
            .env("CLAVIGER_MASTER_KEY__SOURCE", "env")
            .env(
                "CLAVIGER_MASTER_KEY__VALUE",
                config.master_key.value.unwrap().expose(),
            )
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut this = Self(child, port);
        let ready = format!("http://127.0.0.1:{port}/readyz");
        until("a server that is ready", async || {
            assert!(this.0.try_wait().unwrap().is_none(), "the server ended");
            matches!(reqwest::get(&ready).await, Ok(answer) if answer.status().is_success())
        })
        .await;
        this
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    async fn post(&self, client: &Client, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = reqwest::Client::new()
            .post(format!("http://127.0.0.1:{}{path}", self.1))
            .basic_auth(client.id, client.secret.as_ref())
            .form(fields);
        answer(request).await
    }

    async fn refresh(&self, client: &Client, token: &str) -> Answer {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.post(client, "/oauth/token", &fields).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_killed_server_forgets_nothing_that_it_said() {
    let world = World::of(TestApp::at_real_time(cheap_passwords).await).await;
    let client = patient_client(&world).await;
    let browser = world.browser().await;
    let good = text(&world.tokens(&browser, &client).await, "refresh_token");
    let bad = world.tokens(&browser, &client).await;
    let data = TempDir::new().unwrap();
    // Twice: what the first process said holds in the second, and what that said in the third.
    let mut good = good;
    let server = Process::start(&world, data.path()).await;
    let given = server.refresh(&client, &good).await.good();
    good = text(&given, "refresh_token");
    let revoked = server
        .post(
            &client,
            "/oauth/revoke",
            &[("token", &text(&bad, "refresh_token"))],
        )
        .await;
    assert_eq!(revoked.status, StatusCode::OK);
    server.kill();
    for _ in 0..2 {
        let server = Process::start(&world, data.path()).await;
        // Access tokens of the process that was killed are known by their signature.
        let fields = [("token", given["access_token"].as_str().unwrap())];
        assert_eq!(
            server.post(&client, "/oauth/introspect", &fields).await.good()["active"],
            true
        );
        let next = server.refresh(&client, &good).await.good();
        good = text(&next, "refresh_token");
        for name in ["access_token", "refresh_token"] {
            let token = text(&bad, name);
            let told = server
                .post(&client, "/oauth/introspect", &[("token", &token)])
                .await;
            assert_eq!(told.text, r#"{"active":false}"#, "{name}");
        }
        let again = server.refresh(&client, &text(&bad, "refresh_token")).await;
        assert_eq!(again.error(), (400, "invalid_grant".to_owned()));
        server.kill();
    }
}
