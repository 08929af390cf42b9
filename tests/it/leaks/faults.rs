//! A report that fails leaves nothing, and can come again; and what is kept goes in its time.

use std::{fs, sync::Arc};

use claviger::{audit::By, jobs::Run};
use tokio::sync::Notify;

use super::{Scene, find, labels};
use crate::support::wait::until;

#[tokio::test]
async fn a_report_that_fails_leaves_nothing_and_can_come_again() {
    let scene = Scene::start().await;
    let world = &scene.world;
    let (_, value) = scene.key(|_| {}).await;
    let client = scene.confidential().await;
    let (endpoint, webhook) = scene.endpoint().await;
    let finds = [
        find(&value),
        find(client.secret.as_ref().unwrap()),
        find(webhook.value.expose()),
    ];
    let database = world.database().await;
    // The last thing that the transaction does fails.
    database
        .batch_execute(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
             CREATE TRIGGER fail BEFORE INSERT ON revocations FOR EACH ROW EXECUTE FUNCTION fail()",
        )
        .await
        .unwrap();
    let rows = world.rows().await;
    for _ in 0..2 {
        scene.report(&finds).await.refuses(500, "INTERNAL");
    }
    let without = |mut rows: Vec<(String, i64)>| {
        // Requests are counted for the owner of a key, whatever becomes of them.
        rows.retain(|(table, _)| !table.starts_with("usage") && table != "key_requests");
        rows
    };
    assert_eq!(without(world.rows().await), without(rows));
    assert!(scene.takes(&world.app.nodes[0], &value).await);
    assert!(scene.signs(&world.app.nodes[0], endpoint).await);
    world.introspect(&client, "x").await.good();
    assert!(scene.mails("ada@example.com").await.is_empty());
    database
        .batch_execute("DROP TRIGGER fail ON revocations")
        .await
        .unwrap();
    assert_eq!(labels(scene.report(&finds).await), [true, true, true]);
    assert!(!scene.takes(&world.app.nodes[0], &value).await);
    assert_eq!(scene.mails("ada@example.com").await.len(), 1);
}

#[tokio::test]
async fn owners_are_told_by_another_server_when_the_one_that_took_the_report_is_gone() {
    let scene = Scene::with(2, |_| {}).await;
    let (_, value) = scene.key(|_| {}).await;
    // It sends nothing any more.
    scene.world.app.mailer.drain().await;
    assert_eq!(labels(scene.report(&[find(&value)]).await), [true]);
    assert!(scene.mails("ada@example.com").await.is_empty());
    let other = &scene.world.app.nodes[1].app;
    for sent in [1, 0] {
        let run = other.runner.run_once("identity.notifications").await.unwrap();
        assert_eq!(run, Run::Done(sent));
    }
    assert_eq!(scene.mails("ada@example.com").await.len(), 1);
}

#[tokio::test]
async fn owners_are_told_once_however_long_the_mail_takes() {
    let scene = Scene::start().await;
    let app = &scene.world.app;
    let (_, value) = scene.key(|_| {}).await;
    // So many mails wait that there is no room for more.
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, told) = (begun.clone(), go_on.clone());
    app.mailer.write_later(async move {
        begins.notify_one();
        told.notified().await;
        Ok(None)
    });
    begun.notified().await;
    for _ in 0..1_000 {
        app.mailer.write_later(async { Ok(None) });
    }
    assert_eq!(labels(scene.report(&[find(&value)]).await), [true]);
    go_on.notify_one();
    assert!(scene.mails("ada@example.com").await.is_empty());
    // Then the mail server is away.
    let (here, away) = (app.data_dir().join("mail"), app.data_dir().join("away"));
    fs::rename(&here, &away).unwrap();
    assert_eq!(app.run_job("identity.notifications").await, 0);
    fs::rename(&away, &here).unwrap();
    scene.advance(9 * 60);
    assert_eq!(app.run_job("identity.notifications").await, 0);
    scene.advance(2 * 60);
    assert_eq!(app.run_job("identity.notifications").await, 1);
    assert_eq!(app.run_job("identity.notifications").await, 0);
    let mails = scene.mails("ada@example.com").await;
    assert_eq!(mails.len(), 1);
    assert!(
        mails[0].contains("Hello Ada") && mails[0].contains("has been revoked"),
        "{}",
        mails[0]
    );
    // What cannot be sent for days is given up.
    fs::rename(&here, &away).unwrap();
    let (_, value) = scene.key(|_| {}).await;
    assert_eq!(labels(scene.report(&[find(&value)]).await), [true]);
    app.mailer.flush().await;
    let waiting = "SELECT count(*) FROM notifications";
    assert_eq!(scene.world.number(waiting).await, 1);
    scene.advance(3 * 24 * 60 * 60);
    app.run_job("identity.cleanup").await;
    assert_eq!(scene.world.number(waiting).await, 0);
}

#[tokio::test]
async fn a_report_of_a_secret_whose_endpoint_is_going_waits_and_says_what_is_left() {
    let scene = Scene::start().await;
    let world = &scene.world;
    let home = (world.account, world.first_app);
    let (_, value) = scene.key(|_| {}).await;
    for goes in [true, false] {
        let (endpoint, webhook) = scene.endpoint().await;
        let mut going = world.app.db.begin().await.unwrap();
        let webhooks = &world.app.webhooks;
        webhooks
            .delete(&mut going, endpoint, home, By::OPERATOR)
            .await
            .unwrap();
        let finds = [find(webhook.value.expose()), find(&value)];
        let (answer, ()) = tokio::join!(scene.report(&finds), async {
            let waiting = "SELECT count(*) FROM pg_stat_activity
                           WHERE wait_event_type = 'Lock' AND datname = current_database()";
            until("the report waits", async || world.number(waiting).await > 0).await;
            if goes {
                going.commit().await.unwrap();
            }
        });
        assert_eq!(labels(answer), [true, true]);
        let outcomes = scene.outcomes(world.first_app).await;
        let outcome = if goes { "over" } else { "revoked" };
        assert!(
            outcomes.contains(&("webhook_secret".to_owned(), outcome.to_owned())),
            "{outcomes:?}"
        );
    }
    assert!(!scene.takes(&world.app.nodes[0], &value).await);
}

#[tokio::test]
async fn what_is_kept_of_reports_and_of_secrets_goes_in_its_time() {
    let scene = Scene::start().await;
    let client = scene.confidential().await;
    let secret = client.secret.unwrap();
    assert_eq!(labels(scene.report(&[find(&secret)]).await), [true]);
    let day = 24 * 60 * 60;
    scene.advance(89 * day);
    assert_eq!(scene.world.app.run_job("oauth.client-secrets").await, 0);
    assert_eq!(
        labels(scene.report(&[find(&secret), find("89 days")]).await),
        [true, false]
    );
    scene.advance(2 * day);
    assert_eq!(scene.world.app.run_job("oauth.client-secrets").await, 1);
    assert_eq!(
        labels(scene.report(&[find(&secret), find("91 days")]).await),
        [false, false]
    );
    // Two reports came by now of something of ours, at one address: it is one row. Three notices.
    assert_eq!(scene.world.app.run_job("leaks.cleanup").await, 0);
    scene.advance(306 * day);
    assert_eq!(scene.world.app.run_job("leaks.cleanup").await, 1);
    // What was signed once stays signed: it is known for ten years.
    scene.advance(8 * 365 * day);
    assert_eq!(scene.world.app.run_job("leaks.cleanup").await, 0);
    scene.advance(2 * 365 * day);
    assert_eq!(scene.world.app.run_job("leaks.cleanup").await, 3);
    let left = "SELECT (SELECT count(*) FROM leak_reports) + (SELECT count(*) FROM leak_notices)";
    assert_eq!(scene.world.number(left).await, 0);
}
