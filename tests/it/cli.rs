//! The command line, run as a program: what scripts rely on, beside a running server and without one.

use std::net::TcpListener;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::support::{
    app::{MASTER_KEY, TestApp},
    program::Program,
};

const PASSWORD: &str = "a lantern over the harbour";

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// A token for the client itself: the answer's status and body.
async fn token(app: &TestApp, client: &Value) -> (StatusCode, Value) {
    let answer = Client::new()
        .post(app.url("/oauth/token"))
        .basic_auth(
            client["client_id"].as_str().unwrap(),
            client["client_secret"].as_str(),
        )
        .form(&[("grant_type", "client_credentials")])
        .send()
        .await
        .unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn people_are_made_and_can_sign_in() {
    let app = TestApp::at_real_time(|_| {}).await;
    let program = Program::beside(&app);
    let create = ["user", "create", "--email", "ada@example.com", "--password-stdin"];
    let created = program
        .run_with(
            &format!("{PASSWORD}\n"),
            &[&create[..], &["--name", "Ada", "--operator", "--json"]].concat(),
        )
        .await
        .json();
    assert_eq!(keys(&created), ["account_id", "email", "user_id"]);
    assert_eq!(created["email"], "ada@example.com");

    let browser = app.browser();
    let page = browser.get("/sign-in").await;
    browser
        .submit(&page, &[("email", "ada@example.com"), ("password", PASSWORD)])
        .await;
    let account = browser.get("/account").await;
    assert_eq!(account.url.path(), "/account", "{}", account.text());
    assert!(account.text().contains("ada@example.com"));

    let again = program.run_with(PASSWORD, &create).await;
    assert!(again.refusal().contains("There is an account with this address"));
    let weak = program
        .run_with(
            "short",
            &["user", "create", "--email", "b@example.com", "--password-stdin"],
        )
        .await;
    assert!(weak.refusal().starts_with("password: "));
    let nothing = program
        .run_with(
            "",
            &["user", "create", "--email", "b@example.com", "--password-stdin"],
        )
        .await;
    assert_eq!(nothing.refusal(), "no password came on standard input");
}

#[tokio::test]
async fn whoever_is_blocked_is_out_until_they_are_let_in() {
    let app = TestApp::at_real_time(|_| {}).await;
    let program = Program::beside(&app);
    let email = "ada@example.com";
    let create = ["user", "create", "--email", email, "--password-stdin", "--json"];
    program.run_with(PASSWORD, &create).await.json();
    let browser = app.browser();
    let fields = [("email", email), ("password", PASSWORD)];
    browser.submit(&browser.get("/sign-in").await, &fields).await;
    let is_in = async || browser.get("/account").await.url.path() == "/account";
    assert!(is_in().await);

    let blocked = program.run(&["user", "block", email, "--json"]).await.json();
    assert_eq!(blocked["blocked"], true);
    assert!(!is_in().await);
    browser.submit(&browser.get("/sign-in").await, &fields).await;
    assert!(!is_in().await, "not by signing in anew either");
    assert_eq!(
        program.run(&["user", "block", email]).await.refusal(),
        "ada@example.com is blocked already"
    );

    program.run(&["user", "unblock", email, "--json"]).await.json();
    assert!(!is_in().await, "what was ended stays so");
    browser.submit(&browser.get("/sign-in").await, &fields).await;
    assert!(is_in().await);
}

#[tokio::test]
async fn clients_are_registered_as_documented() {
    let app = TestApp::at_real_time(|_| {}).await;
    let program = Program::beside(&app);
    let public = program
        .run(&[
            "client",
            "create",
            "--name",
            "Field notes",
            "--type",
            "public",
            "--redirect-uri",
            "http://127.0.0.1/callback",
            "--redirect-uri",
            "com.example.notes:/callback",
            "--scope",
            "openid profile",
            "--json",
        ])
        .await
        .json();
    assert_eq!(keys(&public), ["app_id", "client_id"]);
    let id = public["client_id"].as_str().unwrap();
    let shown = program.run(&["client", "show", id, "--json"]).await.json();
    assert_eq!(shown["name"], "Field notes");
    assert_eq!(shown["scope"], "openid profile");
    assert_eq!(
        shown["redirect_uris"],
        json!(["http://127.0.0.1/callback", "com.example.notes:/callback"])
    );
    assert_eq!(
        shown["grant_types"],
        json!(["authorization_code", "refresh_token"])
    );

    let confidential = program
        .run(&[
            "client",
            "create",
            "--name",
            "Robot",
            "--type",
            "confidential",
            "--grant",
            "client_credentials",
            "--json",
        ])
        .await
        .json();
    assert_eq!(keys(&confidential), ["app_id", "client_id", "client_secret"]);
    let all = program.run(&["client", "list", "--json"]).await.json();
    assert_eq!(all.as_array().unwrap().len(), 2);
    // Without a user to own them, both are the house's.
    assert_eq!(all[0]["account_id"], all[1]["account_id"]);
    assert_ne!(all[0]["app_id"], all[1]["app_id"]);

    for (arguments, sentence) in [
        (
            &["--type", "public"][..],
            "at least one redirect URI is needed for the authorization code grant",
        ),
        (
            &["--type", "public", "--grant", "client_credentials"][..],
            "client_credentials needs a client that can keep a secret: make it confidential",
        ),
        (
            &[
                "--type",
                "confidential",
                "--redirect-uri",
                "https://a.example/",
                "--scope",
                "mystery",
            ][..],
            "scope mystery is not in the catalogue; `claviger scope add` adds it",
        ),
        (
            &[
                "--type",
                "confidential",
                "--redirect-uri",
                "https://a.example/",
                "--owner",
                "no@body.example",
            ][..],
            "there is no user no@body.example",
        ),
    ] {
        let refused = program
            .run(&[&["client", "create", "--name", "X"][..], arguments].concat())
            .await;
        assert_eq!(refused.refusal(), sentence);
    }
    let usage = program
        .run(&["client", "create", "--name", "X", "--type", "secret"])
        .await;
    assert_eq!(usage.code, 2);
    assert!(
        usage.err.contains("a client is public or confidential"),
        "{}",
        usage.err
    );
}

#[tokio::test]
async fn a_client_belongs_to_its_owner() {
    let app = TestApp::at_real_time(|_| {}).await;
    let program = Program::beside(&app);
    let user = async |email: &str, more: &[&str]| {
        let arguments = [
            &["user", "create", "--email", email, "--password-stdin", "--json"],
            more,
        ]
        .concat();
        program.run_with(PASSWORD, &arguments).await.json()
    };
    let ann = user("ann@example.com", &[]).await;
    let operator = user("op@example.com", &["--operator"]).await;
    let client = async |more: &[&str]| {
        let create = [
            "client",
            "create",
            "--name",
            "Notes",
            "--type",
            "confidential",
            "--redirect-uri",
            "https://notes.example/callback",
            "--json",
        ];
        let created = program.run(&[&create[..], more].concat()).await.json();
        let id = created["client_id"].as_str().unwrap().to_owned();
        program.run(&["client", "show", &id, "--json"]).await.json()
    };
    let (first, second) = (client(&[]).await, client(&[]).await);
    assert_eq!(first["account_id"], operator["account_id"]);
    assert_eq!(first["app_id"], second["app_id"], "one app of that name");
    let other = client(&["--app", "Another"]).await;
    assert_ne!(other["app_id"], first["app_id"]);
    let anns = client(&["--owner", "ann@example.com"]).await;
    assert_eq!(anns["account_id"], ann["account_id"]);
}

#[tokio::test]
async fn what_commands_change_is_in_force_at_once_on_a_running_server() {
    let app = TestApp::at_real_time(|_| {}).await;
    let program = Program::beside(&app);
    let added = program
        .run(&[
            "scope",
            "add",
            "notes:read",
            "--description",
            "Read your notes",
            "--sensitive",
            "--json",
        ])
        .await
        .json();
    assert_eq!(
        added,
        json!({
            "name": "notes:read", "description": "Read your notes", "sensitive": true,
            "publishable": false, "audience": "any",
        })
    );
    let mut robot = program
        .run(&[
            "client",
            "create",
            "--name",
            "Robot",
            "--type",
            "confidential",
            "--grant",
            "client_credentials",
            "--scope",
            "notes:read",
            "--json",
        ])
        .await
        .json();
    let id = robot["client_id"].as_str().unwrap().to_owned();
    let (status, body) = token(&app, &robot).await;
    assert_eq!((status, &body["scope"]), (StatusCode::OK, &json!("notes:read")));

    program.run(&["client", "disable", &id, "--json"]).await.json();
    assert_eq!(token(&app, &robot).await.0, StatusCode::UNAUTHORIZED);
    program.run(&["client", "enable", &id, "--json"]).await.json();
    assert_eq!(token(&app, &robot).await.0, StatusCode::OK);

    let secret = program
        .run(&["client", "secret", "add", &id, "--json"])
        .await
        .json();
    let first = program.run(&["client", "show", &id, "--json"]).await.json()["secrets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|own| own["secret_id"].as_str().unwrap().to_owned())
        .find(|own| *own != secret["secret_id"].as_str().unwrap())
        .unwrap();
    assert_eq!(token(&app, &robot).await.0, StatusCode::OK, "both are good");
    program
        .run(&["client", "secret", "revoke", &id, &first, "--json"])
        .await
        .json();
    assert_eq!(token(&app, &robot).await.0, StatusCode::UNAUTHORIZED);
    robot["client_secret"] = secret["client_secret"].clone();
    assert_eq!(token(&app, &robot).await.0, StatusCode::OK);

    program
        .run(&["scope", "remove", "notes:read", "--json"])
        .await
        .json();
    let (_, body) = token(&app, &robot).await;
    assert_ne!(body["scope"], json!("notes:read"));
    assert!(
        program
            .run(&["scope", "remove", "openid"])
            .await
            .refusal()
            .contains("stays in the catalogue")
    );

    program.run(&["client", "delete", &id, "--json"]).await.json();
    assert_eq!(token(&app, &robot).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(
        program.run(&["client", "show", &id]).await.refusal(),
        format!("there is no client {id}")
    );
}

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
async fn doctor_says_what_to_mend() {
    let app = TestApp::at_real_time(|_| {}).await;
    let well = Program::beside(&app).run(&["doctor"]).await;
    for line in [
        "ok    database",
        "ok    clock",
        "ok    migrations",
        "ok    issuer",
    ] {
        assert!(
            well.out.lines().any(|own| own.starts_with(line)),
            "{line}: {}",
            well.out
        );
    }
    // The tests' own cluster does without: that must be noticed.
    assert!(well.out.contains("FAIL  durability"), "{}", well.out);
    assert_eq!(well.code, 1);

    let ill = Program::beside(&app)
        .with("CLAVIGER_ISSUER", "http://localhost:1")
        .with("CLAVIGER_LISTEN", "0.0.0.0:1")
        .with("CLAVIGER_MAIL__SMTP_URL", "smtp://127.0.0.1:1")
        .run(&["doctor"])
        .await;
    for line in ["warn  issuer", "FAIL  TLS", "FAIL  mail"] {
        assert!(
            ill.out.lines().any(|own| own.starts_with(line)),
            "{line}: {}",
            ill.out
        );
    }
    assert!(ill.err.contains("things must be mended"), "{}", ill.err);

    let other = Program::beside(&app)
        .with("CLAVIGER_ISSUER", &app.url("/elsewhere"))
        .run(&["doctor"])
        .await;
    assert!(other.out.contains("FAIL  issuer"), "{}", other.out);
}

#[tokio::test]
async fn doctor_names_a_master_key_that_is_missing_or_old() {
    let app = TestApp::at_real_time(|_| {}).await;
    let newer = "dGhlIG5ld2VyIG9uZSBvZiB0d28gbWFzdGVyIGtleXM=";
    let doctor = async |keys: &str| {
        let answer = Program::beside(&app)
            .with("CLAVIGER_MASTER_KEY__VALUE", keys)
            .run(&["doctor"])
            .await;
        let line = answer.out.lines().find(|line| line.contains("derived keys"));
        line.expect("a line about the derived keys").to_owned()
    };
    let line = doctor(MASTER_KEY).await;
    assert!(line.starts_with("ok  "), "{line}");
    let line = doctor(&format!("{newer},{MASTER_KEY}")).await;
    assert!(line.starts_with("warn"), "{line}");
    assert!(line.contains("`claviger keys rotate`"), "{line}");
    let line = doctor(newer).await;
    assert!(line.starts_with("FAIL"), "{line}");
    assert!(line.contains("which is not here"), "{line}");
}

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

#[tokio::test]
async fn requests_that_have_begun_are_answered_before_a_stop() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let program = Program::in_folder(folder.path()).with("CLAVIGER_LISTEN", &format!("127.0.0.1:{port}"));
    let server = program.serve().await;
    let mut begun = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let body = "token=none&client_id=nobody";
    let head = format!(
        "POST /oauth/revoke HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Expect: 100-continue\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    begun.write_all(head.as_bytes()).await.unwrap();
    // It asks for the body, so it has begun.
    let mut go_on = [0; 25];
    begun.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    // The body's last bytes come only when the server has been told to stop.
    let (first, rest) = body.split_at(10);
    begun.write_all(first.as_bytes()).await.unwrap();
    let stopping = tokio::spawn(server.stop());
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
        tokio::task::yield_now().await;
    }
    begun.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    begun.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(answer.contains("invalid_client"), "{answer}");
    assert!(stopping.await.unwrap().success());
}

#[tokio::test]
async fn a_stop_waits_for_nobody_for_ever() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    // A mail server that takes connections, and says nothing.
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let app = TestApp::at_real_time(|_| {}).await;
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let program = Program::beside(&app)
        .with("CLAVIGER_LISTEN", &format!("127.0.0.1:{port}"))
        .with("CLAVIGER_SERVER__SHUTDOWN_GRACE", "1s")
        .with(
            "CLAVIGER_MAIL__SMTP_URL",
            &format!("smtp://{}", mute.local_addr().unwrap()),
        );
    let server = program.serve().await;
    let at = |path: &str| format!("http://127.0.0.1:{port}{path}");

    // A connection that is kept for a next request, a body that never ends, and a letter.
    let idle = Client::builder().cookie_store(true).build().unwrap();
    idle.get(at("/healthz")).send().await.unwrap();
    let mut endless = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let head = "POST /oauth/revoke HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\
                Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\n";
    endless.write_all(head.as_bytes()).await.unwrap();
    endless.read_exact(&mut [0; 25]).await.unwrap();
    let create = ["user", "create", "--email", "ada@example.com", "--password-stdin"];
    assert_eq!(program.run_with(&format!("{PASSWORD}\n"), &create).await.code, 0);
    let page = idle.get(at("/forgot-password")).send().await.unwrap();
    let html = page.text().await.unwrap();
    let token = html.split("name=\"csrf_token\" value=\"").nth(1).unwrap();
    let token = token.split('"').next().unwrap();
    let asked = idle
        .post(at("/forgot-password"))
        .form(&[("csrf_token", token), ("email", "ada@example.com")])
        .send()
        .await
        .unwrap();
    assert!(asked.status().is_success(), "{}", asked.status());
    let _connected = mute.accept().await.unwrap();

    assert!(server.stop().await.success());
    drop((idle, endless));
}
