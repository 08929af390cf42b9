//! What is sent is verified by the libraries that receivers use.

use claviger::webhooks::EventType;
use serde_json::json;

use super::Scene;
use crate::clients;

#[tokio::test(flavor = "multi_thread")]
async fn the_libraries_of_receivers_verify_what_is_sent() {
    let scene = Scene::start().await;
    // The libraries compare times by their own clock.
    scene.app.clock.set(claviger::types::Clock::system().now());
    let (endpoint, old) = scene.endpoint(&[]).await;
    let new = scene.rotate(endpoint, 3_600).await.unwrap();
    scene.tell(EventType::KeyCreated).await;
    scene.send_due().await;
    let received = scene.receiver.received().remove(0);
    let given = json!({
        "secrets": [old.value.expose(), new.value.expose()],
        "headers": received.headers,
        "body": received.body,
    });
    for (program, script) in [("node", "webhooks.mjs"), ("python3", "webhooks.py")] {
        let mut command = clients::command(program);
        command.arg(script).env("CLAVIGER_CLIENT_TEST", given.to_string());
        tokio::task::spawn_blocking(move || clients::run(command))
            .await
            .unwrap();
    }
}
