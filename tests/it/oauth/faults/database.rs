//! A database that is killed, cut off, silent or full.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    path::Path,
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
use tokio_postgres::NoTls;

use super::{nothing_is_open, patient_client, refresh_until};
use crate::oauth::flow::{Answer, World, cheap_passwords, landed, parameter, text};
use crate::support::{
    app::TestApp,
    cluster::{TestDatabase, fresh_database},
    proxy::Proxy,
    wait::until,
};

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
