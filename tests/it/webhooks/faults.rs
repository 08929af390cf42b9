//! What happens at the worst moment: between the act and its event, between sending and writing it down, while an endpoint
//! goes.

use std::sync::Arc;

use claviger::webhooks::{DeliveryState, EndpointUrl, EventType};
use tokio::sync::Notify;

use super::{Scene, receiver::Reply};
use crate::support::wait::until;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_and_not_written_down_comes_again_under_the_same_id() {
    let scene = Scene::start().await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    scene.tell(EventType::KeyCreated).await;
    // It is taken, but that cannot be written: the database is gone for this one thing.
    scene
        .execute("ALTER TABLE webhook_attempts RENAME TO webhook_attempts_away")
        .await;
    let dispatching = scene.webhooks().start();
    until("it has come", async || scene.receiver.received().len() == 1).await;
    dispatching.stop().await;
    scene
        .execute("ALTER TABLE webhook_attempts_away RENAME TO webhook_attempts")
        .await;
    assert_eq!(scene.deliveries(endpoint).await[0].state, DeliveryState::UnderWay);
    // Nobody is at it again while the claim holds.
    scene.advance(60);
    let dispatching = scene.webhooks().start();
    dispatching.stop().await;
    assert_eq!(scene.receiver.received().len(), 1);
    scene.advance(60);
    scene.send_due().await;
    let received = scene.receiver.received();
    assert_eq!(received.len(), 2);
    assert_eq!(
        received[0].headers["webhook-id"],
        received[1].headers["webhook-id"]
    );
    assert_eq!(received[0].body, received[1].body);
    assert_eq!(
        scene.deliveries(endpoint).await[0].state,
        DeliveryState::Delivered
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_claimed_is_sent_whatever_else_cannot_be_asked() {
    let scene = Scene::start().await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    scene.tell(EventType::KeyCreated).await;
    // While something is claimed, the database answers no question about endpoints.
    scene
        .execute(
            "CREATE FUNCTION answers() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
                 IF current_query() LIKE 'SELECT%'
                     AND EXISTS (SELECT FROM webhook_deliveries WHERE claim IS NOT NULL)
                 THEN RAISE EXCEPTION 'no'; END IF;
                 RETURN true;
             END $$;
             ALTER TABLE webhook_endpoints ENABLE ROW LEVEL SECURITY;
             CREATE POLICY answers ON webhook_endpoints USING (answers())",
        )
        .await;
    scene.send_due().await;
    scene
        .execute("ALTER TABLE webhook_endpoints DISABLE ROW LEVEL SECURITY")
        .await;
    let delivery = scene.deliveries(endpoint).await.remove(0);
    assert_eq!(delivery.state, DeliveryState::Delivered);
    assert_eq!(scene.receiver.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_goes_while_something_is_sent_to_it_leaves_nothing_behind() {
    let scene = Scene::start().await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    let (other, _) = scene.endpoint(&[EventType::KeyRevoked]).await;
    scene.receiver.always(Reply::Silence);
    for _ in 0..3 {
        scene.tell(EventType::KeyCreated).await;
    }
    let dispatching = scene.webhooks().start();
    until("the first is under way", async || {
        scene.receiver.received().len() == 1
    })
    .await;
    scene.delete(endpoint).await.unwrap();
    for table in ["deliveries", "attempts"] {
        let rows = scene
            .number(&format!("SELECT count(*) FROM webhook_{table}"))
            .await;
        assert_eq!(rows, 0, "{table}");
    }
    // The dispatcher goes on for the others.
    scene.receiver.always(Reply::Status(200));
    scene.tell(EventType::KeyRevoked).await;
    until("the other is told", async || {
        scene
            .deliveries(other)
            .await
            .first()
            .is_some_and(|delivery| delivery.state == DeliveryState::Delivered)
    })
    .await;
    drop(dispatching);
    assert_eq!(scene.receiver.types().last().unwrap(), "key.revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_old_url_says_is_not_held_against_the_new_one() {
    let scene = Scene::start().await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    let time = Arc::new(Notify::new());
    scene.receiver.answers([Reply::Later(time.clone(), 410)]);
    scene.tell(EventType::KeyCreated).await;
    let dispatching = scene.webhooks().start();
    until("it is under way", async || scene.receiver.received().len() == 1).await;
    let mut settings = scene.settings(&[]);
    settings.url = EndpointUrl::parse(&scene.receiver.url("/new"), true).unwrap();
    scene.edit(endpoint, scene.home, None, &settings).await.unwrap();
    time.notify_one();
    until("the new one has it", async || {
        scene.deliveries(endpoint).await[0].state == DeliveryState::Delivered
    })
    .await;
    dispatching.stop().await;
    let found = scene.webhooks().endpoint(scene.home.1, endpoint).await.unwrap();
    let found = found.unwrap();
    assert_eq!((found.disabled, found.failing_since), (None, None));
    assert_eq!(scene.receiver.received().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_an_old_url_does_not_make_the_new_one_fail() {
    let scene = Scene::start().await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    let time = Arc::new(Notify::new());
    scene.receiver.answers([Reply::Later(time.clone(), 500)]);
    scene.tell(EventType::KeyCreated).await;
    let dispatching = scene.webhooks().start();
    until("it is under way", async || scene.receiver.received().len() == 1).await;
    let mut settings = scene.settings(&[]);
    settings.url = EndpointUrl::parse(&scene.receiver.url("/new"), true).unwrap();
    scene.edit(endpoint, scene.home, None, &settings).await.unwrap();
    time.notify_one();
    until("the failure is written down", async || {
        scene.deliveries(endpoint).await[0].failures == 1
    })
    .await;
    dispatching.stop().await;
    let found = scene.webhooks().endpoint(scene.home.1, endpoint).await.unwrap();
    let found = found.unwrap();
    assert_eq!((found.disabled, found.failing_since), (None, None));
    // What failed is tried again at the new one, whose own failure counts.
    scene.receiver.always(Reply::Status(500));
    scene.advance(6);
    scene.send_due().await;
    assert_eq!(scene.receiver.received()[1].line, "POST /new HTTP/1.1");
    let found = scene.webhooks().endpoint(scene.home.1, endpoint).await.unwrap();
    assert!(found.unwrap().failing_since.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_does_not_fail_for_an_endpoint_that_is_going() {
    let scene = Scene::start().await;
    let (endpoint, _) = scene.endpoint(&[]).await;
    let webhooks = scene.webhooks();
    let mut going = scene.app.db.begin().await.unwrap();
    webhooks
        .delete(&mut going, endpoint, scene.home, claviger::audit::By::OPERATOR)
        .await
        .unwrap();
    // The act waits for whoever removes the endpoint, and then tells nobody.
    let (told, ()) = tokio::join!(
        async {
            scene.tell(EventType::KeyCreated).await;
            scene.number("SELECT count(*) FROM webhook_deliveries").await
        },
        async {
            until("the act waits", async || {
                scene
                    .number("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
                    .await
                    > 0
            })
            .await;
            going.commit().await.unwrap();
        }
    );
    assert_eq!(told, 0);
}
