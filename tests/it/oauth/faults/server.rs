//! A server that is killed, and clients that go away.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use reqwest::StatusCode;
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{nothing_is_open, patient_client};
use crate::oauth::flow::{Answer, Client, World, answer, cheap_passwords, text};
use crate::support::{app::TestApp, wait::until};

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_harms_nobody() {
    let world = World::with(|config| config.database.connections = 4).await;
    let client = patient_client(&world).await;
    let browser = world.browser().await;
    let token = text(&world.tokens(&browser, &client).await, "refresh_token");
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "refresh_token")
        .append_pair("refresh_token", &token)
        .append_pair("client_id", &client.id.to_string())
        .append_pair("client_secret", client.secret.as_ref().unwrap())
        .finish();
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let whole = format!("{head}{body}").into_bytes();
    for round in 0..60 {
        // Now and then before the request is whole.
        let sent = if round % 3 == 0 {
            whole.len() - round
        } else {
            whole.len()
        };
        let mut stream = TcpStream::connect(world.app.nodes[0].address).await.unwrap();
        stream.write_all(&whole[..sent]).await.unwrap();
    }
    // Whether or not one of them rotated, the client that lost the answer is not logged out.
    let next = world.refresh(&client, &token).await.good();
    world.refresh(&client, &text(&next, "refresh_token")).await.good();
    nothing_is_open(&world).await;
    for _ in 0..8 {
        world.tokens(&browser, &client).await;
    }
}

/// `claviger serve` as a process of its own.
struct Process(Child, u16);

impl Process {
    async fn start(world: &World, data: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let config = world.app.config();
        let child = Command::new(env!("CARGO_BIN_EXE_claviger"))
            .arg("serve")
            .env("CLAVIGER_LISTEN", format!("127.0.0.1:{port}"))
            .env("CLAVIGER_ISSUER", world.app.nodes[0].app.config.issuer())
            .env("CLAVIGER_DATA_DIR", data)
            .env("DATABASE_URL", &world.app.database.server_url)
            .env("CLAVIGER_DATABASE__OWNER_URL", &world.app.database.owner_url)
            .env("CLAVIGER_MASTER_KEY__SOURCE", "env")
            .env(
                "CLAVIGER_MASTER_KEY__VALUE",
                config.master_key.value.unwrap().expose(),
            )
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut this = Self(child, port);
        let ready = format!("http://127.0.0.1:{port}/readyz");
        until("a server that is ready", async || {
            assert!(this.0.try_wait().unwrap().is_none(), "the server ended");
            matches!(reqwest::get(&ready).await, Ok(answer) if answer.status().is_success())
        })
        .await;
        this
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    async fn post(&self, client: &Client, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = reqwest::Client::new()
            .post(format!("http://127.0.0.1:{}{path}", self.1))
            .basic_auth(client.id, client.secret.as_ref())
            .form(fields);
        answer(request).await
    }

    async fn refresh(&self, client: &Client, token: &str) -> Answer {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.post(client, "/oauth/token", &fields).await
    }
}

#[tokio::test]
async fn a_killed_server_forgets_nothing_that_it_said() {
    let world = World::of(TestApp::at_real_time(cheap_passwords).await).await;
    let client = patient_client(&world).await;
    let browser = world.browser().await;
    let good = text(&world.tokens(&browser, &client).await, "refresh_token");
    let bad = world.tokens(&browser, &client).await;
    let data = TempDir::new().unwrap();
    // Twice: what the first process said holds in the second, and what that said in the third.
    let mut good = good;
    let server = Process::start(&world, data.path()).await;
    let given = server.refresh(&client, &good).await.good();
    good = text(&given, "refresh_token");
    let revoked = server
        .post(
            &client,
            "/oauth/revoke",
            &[("token", &text(&bad, "refresh_token"))],
        )
        .await;
    assert_eq!(revoked.status, StatusCode::OK);
    server.kill();
    for _ in 0..2 {
        let server = Process::start(&world, data.path()).await;
        // Access tokens of the process that was killed are known by their signature.
        let fields = [("token", given["access_token"].as_str().unwrap())];
        assert_eq!(
            server.post(&client, "/oauth/introspect", &fields).await.good()["active"],
            true
        );
        let next = server.refresh(&client, &good).await.good();
        good = text(&next, "refresh_token");
        for name in ["access_token", "refresh_token"] {
            let token = text(&bad, name);
            let told = server
                .post(&client, "/oauth/introspect", &[("token", &token)])
                .await;
            assert_eq!(told.text, r#"{"active":false}"#, "{name}");
        }
        let again = server.refresh(&client, &text(&bad, "refresh_token")).await;
        assert_eq!(again.error(), (400, "invalid_grant".to_owned()));
        server.kill();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
