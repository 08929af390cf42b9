//! From the first start to a backup.

use std::net::TcpListener;

use reqwest::{Client, StatusCode};
use serde_json::json;

use super::PASSWORD;
use crate::support::{app::TestApp, program::Program};

#[tokio::test]
async fn everything_works_from_a_fresh_folder() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let program = Program::in_folder(folder.path()).with("CLAVIGER_LISTEN", &format!("127.0.0.1:{port}"));
    // Before any server was started.
    program
        .run(&[
            "scope",
            "add",
            "notes:read",
            "--description",
            "Read your notes",
            "--json",
        ])
        .await
        .json();

    let server = program.serve().await;
    let url = format!("http://localhost:{port}");
    assert!(server.said.contains(&url), "{}", server.said);
    assert!(server.said.contains("/setup?token="), "{}", server.said);
    let ready = Client::new().get(format!("{url}/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), StatusCode::OK);

    // While it runs.
    let user = [
        "user",
        "create",
        "--email",
        "ada@example.com",
        "--password-stdin",
        "--operator",
        "--json",
    ];
    program.run_with(PASSWORD, &user).await.json();
    let second = program.run(&["serve"]).await;
    assert!(
        second.refusal_at_the_end().contains("in use by"),
        "{}",
        second.err
    );
    assert!(server.stop().await.success());

    // And again, when it does not.
    let scopes = program.run(&["scope", "list", "--json"]).await.json();
    assert!(
        scopes
            .as_array()
            .unwrap()
            .iter()
            .any(|scope| scope["name"] == "notes:read")
    );
    let server = program.serve().await;
    assert!(
        !server.said.contains("/setup?token="),
        "there is an operator: {}",
        server.said
    );
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_start_that_fails_says_why_in_a_sentence() {
    let app = TestApp::start().await;
    let program = Program::beside(&app);
    let taken = program.run(&["serve"]).await;
    assert!(
        taken.refusal_at_the_end().contains("CLAVIGER_LISTEN"),
        "{}",
        taken.err
    );

    let clear = program
        .clone()
        .with("CLAVIGER_ISSUER", "http://auth.example")
        .with("CLAVIGER_LISTEN", "127.0.0.1:0");
    assert_eq!(
        clear.run(&["serve"]).await.refusal(),
        "issuer: passwords and tokens would cross the network in clear under http://auth.example; set an https URL, or \
         server.allow_plain_http = true if you want that"
    );
    let wanted = clear.with("CLAVIGER_SERVER__ALLOW_PLAIN_HTTP", "true");
    assert!(wanted.serve().await.stop().await.success());
    for near in [
        "http://app.localhost:8080",
        "http://127.0.0.2:8080",
        "http://[::1]:8080",
    ] {
        let near = program
            .clone()
            .with("CLAVIGER_ISSUER", near)
            .with("CLAVIGER_LISTEN", "127.0.0.1:0");
        assert!(near.serve().await.stop().await.success());
    }

    let unknown = program
        .clone()
        .with("CLAVIGER_LISTENN", "x")
        .run(&["serve"])
        .await;
    assert_eq!(
        unknown.refusal(),
        "CLAVIGER_LISTENN: no such key; `claviger config print` lists them all"
    );
    let away = program
        .clone()
        .with("DATABASE_URL", "postgres://claviger@127.0.0.1:1/claviger")
        .with(
            "CLAVIGER_DATABASE__OWNER_URL",
            "postgres://claviger@127.0.0.1:1/claviger",
        )
        .run(&["client", "list"])
        .await;
    assert!(
        away.refusal().starts_with("the database cannot be reached: "),
        "{}",
        away.err
    );
    let other_key = program
        .with(
            "CLAVIGER_MASTER_KEY__VALUE",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        )
        .run(&["client", "list"])
        .await;
    assert!(
        other_key
            .refusal()
            .contains("is this the right master key for this database?"),
        "{}",
        other_key.err
    );
}

#[tokio::test]
async fn the_configuration_is_printed_checked_and_documented() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::in_folder(folder.path());
    let printed = program.run(&["config", "print"]).await;
    assert_eq!(printed.code, 0);
    let file = folder.path().join("claviger.toml");
    std::fs::write(&file, &printed.out).unwrap();
    let checked = program
        .run(&["config", "check", "--config", file.to_str().unwrap()])
        .await;
    assert_eq!(checked.code, 0, "{}", checked.err);
    std::fs::write(&file, "listen = \"127.0.0.1:1\"\nlisten_to = 2\n").unwrap();
    let faulty = program
        .run(&["config", "check", "--config", file.to_str().unwrap()])
        .await;
    assert!(faulty.refusal().contains("line 2"), "{}", faulty.err);

    // `make schema` writes it anew.
    let reference = program.run(&["config", "reference"]).await;
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    if std::env::var_os("CLAVIGER_WRITE_DOCS").is_some() {
        std::fs::write(&path, &reference.out).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap() == reference.out,
        "docs/configuration.md is not what `claviger config reference` prints; `make schema` writes both anew"
    );
}

#[tokio::test]
async fn migrations_can_be_run_apart() {
    let app = TestApp::start().await;
    let program = Program::beside(&app);
    let nothing = program.run(&["migrate"]).await;
    assert_eq!(
        (nothing.code, nothing.out.trim()),
        (0, "Nothing to do: the database is up to date.")
    );

    let empty = crate::support::cluster::empty_database().await;
    let program = program
        .with("DATABASE_URL", &empty.server_url)
        .with("CLAVIGER_DATABASE__OWNER_URL", &empty.owner_url)
        .with("CLAVIGER_DATABASE__MIGRATE_ON_START", "false");
    let early = program.run(&["client", "list"]).await;
    assert!(
        early.refusal().contains("run `claviger migrate`"),
        "{}",
        early.err
    );
    let applied = program.run(&["migrate"]).await;
    assert!(
        applied.out.starts_with("Applied "),
        "{}{}",
        applied.out,
        applied.err
    );
    assert_eq!(program.run(&["client", "list", "--json"]).await.json(), json!([]));
}

/// One of PostgreSQL's own programs.
async fn postgres(program: &str, arguments: &[&str]) {
    let folders = std::env::var("CLAVIGER_PG_BIN")
        .into_iter()
        .map(std::path::PathBuf::from);
    let usual = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let path = folders
        .chain(usual.map(|version| version.unwrap().path().join("bin")))
        .map(|folder| folder.join(program))
        .find(|path| path.exists())
        .unwrap_or_else(|| program.into());
    let output = tokio::process::Command::new(path)
        .args(arguments)
        .env("PGOPTIONS", "-c deadlock_timeout=10s")
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn a_backup_is_restored_as_documented() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let socket = |folder: &std::path::Path| folder.join("postgres/socket").to_str().unwrap().to_owned();
    let listen = |program: Program| program.with("CLAVIGER_LISTEN", "127.0.0.1:0");
    let dump = old.path().join("claviger.dump");
    let dump = dump.to_str().unwrap();
    let program = listen(Program::in_folder(old.path()));
    let server = program.serve().await;
    program
        .run_with(
            PASSWORD,
            &[
                "user",
                "create",
                "--email",
                "ada@example.com",
                "--password-stdin",
                "--json",
            ],
        )
        .await
        .json();
    let of = ["-h", &socket(old.path()), "-U", "claviger_owner"];
    postgres("pg_dump", &[&of[..], &["-Fc", "-f", dump, "claviger"]].concat()).await;
    assert!(server.stop().await.success());

    let key = |folder: &std::path::Path| folder.join("master.key");
    std::fs::copy(key(old.path()), key(new.path())).unwrap();
    let program = listen(Program::in_folder(new.path()));
    let server = program.serve().await;
    let into = [
        "-h",
        &socket(new.path()),
        "-U",
        "claviger_owner",
        "-d",
        "claviger",
    ];
    let whole = ["--clean", "--if-exists", "--single-transaction", dump];
    postgres("pg_restore", &[&into[..], &whole].concat()).await;
    assert!(server.stop().await.success());

    let server = program.serve().await;
    let again = [
        "user",
        "create",
        "--email",
        "ada@example.com",
        "--password-stdin",
        "--json",
    ];
    let there = program.run_with(PASSWORD, &again).await;
    assert!(there.refusal().contains("There is an account with this address"));
    let url = format!(
        "postgresql:///claviger?user=claviger&host={}",
        socket(new.path()).replace('/', "%2F")
    );
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let may: bool = client
        .query_one(
            "SELECT has_table_privilege('audit_records', 'UPDATE, DELETE, TRUNCATE')",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert!(!may, "the trail is still append-only for the server");
    drop(client);
    assert!(server.stop().await.success());
}
