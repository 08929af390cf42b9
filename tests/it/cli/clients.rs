//! Clients and scopes on the command line.

use reqwest::StatusCode;
use serde_json::json;

use super::{PASSWORD, keys, token};
use crate::support::{app::TestApp, program::Program};

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
