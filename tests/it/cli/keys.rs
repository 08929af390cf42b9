//! Keys on the command line.

use reqwest::Client;
use serde_json::Value;

use crate::support::{app::TestApp, program::Program};

#[tokio::test]
async fn keys_are_rotated_beside_a_running_server() {
    let app = TestApp::at_real_time(|_| {}).await;
    let program = Program::beside(&app);
    let before = program.run(&["keys", "list", "--json"]).await.json();
    assert_eq!(before["signing"].as_array().unwrap().len(), 3);
    program
        .run(&["keys", "rotate", "--purpose", "csrf", "--json"])
        .await
        .json();
    program
        .run(&["keys", "rotate", "--signing", "--json"])
        .await
        .json();
    let after = program.run(&["keys", "list", "--json"]).await.json();
    let csrf = |status: &Value| {
        let all = status["derived"].as_array().unwrap().clone();
        all.into_iter().filter(|key| key["purpose"] == "csrf").count()
    };
    assert_eq!((csrf(&before), csrf(&after)), (1, 2));
    assert_eq!(after["signing"].as_array().unwrap().len(), 6);

    app.read_keys().await.unwrap();
    let jwks: Value = Client::new()
        .get(app.url("/.well-known/jwks.json"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        jwks["keys"].as_array().unwrap().len(),
        6,
        "published before they sign"
    );
    // The value is in the environment here, where no command can write.
    let master = program.run(&["keys", "rotate", "--master"]).await;
    assert!(
        master
            .refusal()
            .starts_with("the master key comes from the environment")
    );
}

#[tokio::test]
async fn an_id_may_begin_with_a_hyphen() {
    let app = TestApp::at_real_time(|_| {}).await;
    let program = Program::beside(&app);
    for id in ["-g9ErITvYiCK", "-17"] {
        let ended = program.run(&["keys", "retire", id, "--yes"]).await;
        let refusal = ended.refusal();
        assert!(refusal.contains(id) && !refusal.contains("argument"), "{refusal}");
    }
}

/// The commands of a section of a page, in their order.
fn commands_of(page: &str, heading: &str) -> Vec<String> {
    let path = format!("{}/{page}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let (_, section) = text.split_once(heading).unwrap();
    let section = section.split("\n#").next().unwrap();
    let lines = section.lines().map(str::trim);
    lines
        .filter_map(|line| line.strip_prefix("claviger "))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn a_leaked_master_key_is_left_behind_step_by_step_as_the_page_says() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::in_folder(folder.path()).with("CLAVIGER_LISTEN", "127.0.0.1:0");
    let server = program.serve().await;
    let before = program.run(&["keys", "list", "--json"]).await.json();
    let old = before["derived"][0]["master_key"].clone();
    let kid = before["signing"][0]["kid"].as_str().unwrap().to_owned();
    let commands = commands_of("docs/operations.md", "### A leaked master key, step by step");
    assert_eq!(commands.len(), 6, "{commands:?}");
    for command in &commands {
        let command = command.replace("KID", &kid);
        let ran = program.run(&command.split(' ').collect::<Vec<_>>()).await;
        if command.ends_with("--old-masters") {
            let refusal = ran.refusal();
            assert!(
                refusal.contains("0 refresh tokens") && refusal.ends_with("Say --yes to do it"),
                "{refusal}"
            );
        } else {
            assert_eq!(ran.code, 0, "{command}: {}", ran.err);
        }
    }
    let after = program.run(&["keys", "list", "--json"]).await.json();
    for key in after["derived"].as_array().unwrap() {
        // Each of the old master key's has an end, or at least a successor that it waits for.
        assert_eq!(key["master_key"] == old, key["serves_until"].is_string(), "{key}");
    }
    assert!(server.stop().await.success());
    // Everything opens, by either master key.
    assert!(program.serve().await.stop().await.success());
}
