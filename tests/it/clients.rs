//! Real clients and a real browser: the scripts of `tests/clients/`, each run as a test.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use claviger::{config::Span, oauth::clients::ClientKind};
use serde_json::json;

use crate::{
    pages,
    support::{app::TestApp, people},
};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

/// A command that finds Node.js where `tools/setup tests` put it, if this machine's own is too old.
pub fn command(program: impl AsRef<Path>) -> Command {
    let clients = Path::new(SCRIPTS);
    assert!(
        clients.join("node_modules").exists() && clients.join(".venv").exists(),
        "the client libraries are not installed: run `tools/setup tests`, as `make test` does"
    );
    let mut path = vec![clients.join(".venv/bin")];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap()));
    let mut command = Command::new(program.as_ref());
    command
        .current_dir(clients)
        .env("PATH", env::join_paths(path).unwrap());
    command
}

/// Runs a script to its end, and tells all that it said if it fails.
pub fn run(mut command: Command) {
    let output = command.output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{}{}",
        output.status,
        said(&output.stdout),
        said(&output.stderr)
    );
}

#[test]
fn every_sample_is_accessible_quiet_and_fits_a_narrow_screen() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pages-in-a-browser");
    pages::write_samples(&folder);
    let mut node = command("node");
    node.arg("samples.mjs").arg(folder);
    run(node);
}

/// Runs a client library, or the browser, through the whole flow against a server on the machine's own clock.
async fn drive(kind: ClientKind, runs: &[&[&str]]) {
    let app = TestApp::at_real_time(|config| config.usage.flush = Span::seconds(1)).await;
    let owner = app.person(people::EMAIL).await;
    let registered = app.client(&owner, &people::registration(kind), false).await;
    let mut settings = json!({
        "issuer": app.url(""),
        "client_id": registered.id,
        "redirect_uri": people::REDIRECT_URI,
        "scope": "openid profile email offline_access",
        "email": people::EMAIL,
        "password": people::PASSWORD,
        "mail": app.data_dir().join("mail"),
    });
    if let Some(secret) = &registered.secret {
        settings["client_secret"] = json!(secret.expose());
        settings["machine_scope"] = json!("tokens:introspect");
    }
    for arguments in runs {
        let mut command = command(arguments[0]);
        command
            .args(&arguments[1..])
            .env("CLAVIGER_CLIENT_TEST", settings.to_string());
        tokio::task::spawn_blocking(move || run(command)).await.unwrap();
    }
}

/// Runs a script of Python with its settings.
pub fn run_python(script: &str, settings: &serde_json::Value) {
    let mut python = command("python3");
    python
        .arg(script)
        .env("CLAVIGER_CLIENT_TEST", settings.to_string());
    run(python);
}

const LIBRARIES: &[&[&str]] = &[
    &["node", "oauth4webapi.mjs"],
    &["node", "openid_client.mjs"],
    &["python3", "authlib_flow.py"],
];

#[tokio::test(flavor = "multi_thread")]
async fn libraries_go_through_the_whole_flow_as_a_public_client() {
    drive(ClientKind::Public, LIBRARIES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn libraries_go_through_the_whole_flow_as_a_confidential_client() {
    drive(ClientKind::Confidential, LIBRARIES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_up_consents_and_disconnects() {
    drive(ClientKind::Public, &[&["node", "browser.mjs"]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_makes_a_key_calls_rotates_and_revokes_it_and_joins_a_team() {
    drive(ClientKind::Public, &[&["node", "keys.mjs"]]).await;
}
