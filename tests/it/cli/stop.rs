//! How a server stops.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use reqwest::Client;

use super::PASSWORD;
use crate::support::{app::TestApp, program::Program};

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

#[tokio::test]
async fn a_second_signal_waits_for_no_request() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let app = TestApp::at_real_time(|_| {}).await;
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let server = Program::beside(&app)
        .with("CLAVIGER_LISTEN", &format!("127.0.0.1:{port}"))
        .serve()
        .await;
    let mut endless = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let head = "POST /oauth/revoke HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\
                Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\n";
    endless.write_all(head.as_bytes()).await.unwrap();
    endless.read_exact(&mut [0; 25]).await.unwrap();
    server.begin_stop();
    // From here on it waits for that request alone.
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let told_again = Instant::now();
    assert!(server.stop().await.success());
    let took = told_again.elapsed();
    assert!(
        took < Duration::from_secs(10),
        "{took:?} of the 30 s that requests have"
    );
}
