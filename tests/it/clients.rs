//! Real clients and a real browser: the scripts of `tests/clients/`, each run as a test.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use crate::pages;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");

/// A command that finds Node.js where `tools/setup tests` put it, if this machine's own is too old.
fn command(program: impl AsRef<Path>) -> Command {
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
fn run(mut command: Command) {
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
