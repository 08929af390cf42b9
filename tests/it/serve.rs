//! The server as a whole: what answers where, what every answer has, and how it stops.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

use crate::support::{app::TestApp, program::Program, wait::until};

fn client() -> Client {
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

#[tokio::test]
async fn it_says_that_it_is_up_and_ready() {
    let app = TestApp::start().await;
    let up = client().get(app.url("/healthz")).send().await.unwrap();
    assert_eq!(up.status(), StatusCode::OK);
    let ready = client().get(app.url("/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), StatusCode::OK);
    let body: Value = ready.json().await.unwrap();
    assert_eq!(
        body["checks"],
        serde_json::json!({ "database": true, "master_key": true, "revocation_log": true })
    );
}

#[tokio::test]
async fn every_answer_has_its_request_id_and_the_headers_that_protect_it() {
    let app = TestApp::start().await;
    for path in [
        "/healthz",
        "/nowhere",
        "/.well-known/openid-configuration",
        "/static/claviger.css",
    ] {
        let answer = client().get(app.url(path)).send().await.unwrap();
        let header = |name: &str| {
            answer
                .headers()
                .get(name)
                .map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
        };
        assert!(header("x-request-id").starts_with("req_"), "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        let is_page = header("content-type").starts_with("text/html");
        assert_eq!(is_page, path == "/nowhere", "{path}");
        if is_page {
            assert!(
                header("content-security-policy").contains("default-src 'none'"),
                "{path}"
            );
            assert_eq!(header("x-frame-options"), "DENY", "{path}");
        }
        assert_eq!(header("strict-transport-security"), "", "{path}: not over http");
        assert_eq!(header("server"), "", "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_page_for_people_and_json_for_programs() {
    let app = TestApp::start().await;
    let page = app.browser().get("/nowhere").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.is_html());
    assert_eq!(page.heading(), "Nothing here");
    assert!(page.text().contains("req_"), "the page quotes the request id");

    for path in ["/oauth/nowhere", "/.well-known/nowhere"] {
        let answer = client().get(app.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["error"], "not_found", "{path}");
    }
}

#[tokio::test]
async fn another_method_is_refused_as_such() {
    let app = TestApp::start().await;
    for (method, path, allowed) in [
        (Method::GET, "/oauth/token", "POST"),
        (Method::GET, "/oauth/introspect", "POST"),
        (Method::GET, "/oauth/revoke", "POST"),
        (Method::POST, "/.well-known/jwks.json", "GET"),
        (Method::POST, "/account/apps", "GET, HEAD"),
    ] {
        let answer = client()
            .request(method.clone(), app.url(path))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        let allow = answer.headers()["allow"].to_str().unwrap();
        assert!(allow.starts_with(allowed), "{method} {path}: {allow}");
        let is_page = path.starts_with("/account");
        assert_eq!(
            answer.headers()["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/html"),
            is_page,
            "{path}"
        );
    }
}

#[tokio::test]
async fn pages_can_be_asked_for_by_head() {
    let app = TestApp::start().await;
    for path in ["/healthz", "/static/claviger.css", "/.well-known/jwks.json"] {
        let answer = client().head(app.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert!(answer.headers().contains_key("content-length"), "{path}");
        assert!(answer.bytes().await.unwrap().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn static_files_are_kept_by_browsers_until_they_change() {
    let app = TestApp::start().await;
    let url = app.url("/static/claviger.css");
    let first = client().get(&url).send().await.unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(first.headers()["content-type"], "text/css; charset=utf-8");
    assert!(
        first.headers()["cache-control"]
            .to_str()
            .unwrap()
            .starts_with("public, max-age=")
    );
    let tag = first.headers()["etag"].clone();
    let again = client()
        .get(&url)
        .header("if-none-match", tag.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(again.headers()["etag"], tag);
    let other = client()
        .get(&url)
        .header("if-none-match", "\"another\"")
        .send()
        .await
        .unwrap();
    assert_eq!(other.status(), StatusCode::OK);
    let missing = client()
        .get(app.url("/static/../Cargo.toml"))
        .send()
        .await
        .unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn metrics_are_served_on_their_own_address_only() {
    let app = TestApp::with(|config| {
        config.server.metrics_listen = Some(([127, 0, 0, 1], 0).into());
    })
    .await;
    for path in [
        "/healthz",
        "/.well-known/jwks.json",
        "/nowhere",
        "/static/logo.svg",
    ] {
        client().get(app.url(path)).send().await.unwrap();
    }
    client().post(app.url("/oauth/token")).send().await.unwrap();
    let outside = client().get(app.url("/metrics")).send().await.unwrap();
    assert_eq!(outside.status(), StatusCode::NOT_FOUND);

    let address = app.nodes[0].metrics_address.unwrap();
    let inside = client()
        .get(format!("http://{address}/metrics"))
        .send()
        .await
        .unwrap();
    assert_eq!(inside.status(), StatusCode::OK);
    let text = inside.text().await.unwrap();
    for line in [
        r#"claviger_http_requests_total{route="/healthz",method="GET",status="2xx"} 1"#,
        r#"claviger_http_requests_total{route="/.well-known/jwks.json",method="GET",status="2xx"} 1"#,
        r#"claviger_http_requests_total{route="/oauth/token",method="POST",status="4xx"} 1"#,
        r#"claviger_http_requests_total{route="/static/{name}",method="GET",status="2xx"} 1"#,
        r#"claviger_http_requests_total{route="none",method="GET",status="4xx"} 2"#,
        r#"claviger_http_request_seconds_count{route="/healthz"} 1"#,
        r#"claviger_job_runs_total{job="revocation.cleanup"} 0"#,
        "claviger_access_tokens_live 0",
        "claviger_keys_cached 0",
        r#"claviger_key_verifications_total{code="VALID"} 0"#,
        "claviger_usage_batch_failures_total 0",
        r#"claviger_webhook_attempts_total{outcome="delivered"} 0"#,
        "claviger_webhooks_waiting 0",
        "claviger_db_connections_most 8",
    ] {
        assert!(
            text.lines().any(|own| own == line || own == format!("{line}.0")),
            "{line}\n{text}"
        );
    }
    let ready = client()
        .get(format!("http://{address}/readyz"))
        .send()
        .await
        .unwrap();
    assert_eq!(ready.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let app = TestApp::start().await;
    let answer = client()
        .post(app.url("/oauth/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("grant_type={}", "x".repeat(70_000)))
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_client_error(), "{}", answer.status());
}

#[tokio::test]
async fn a_node_that_stops_leaves_the_others_to_work() {
    let mut app = TestApp::nodes(2).await;
    let second = app.nodes.pop().unwrap();
    let address = second.address;
    second.stop().await;
    assert!(
        client()
            .get(format!("http://{address}/healthz"))
            .timeout(Duration::from_secs(5))
            .send()
            .await
            .is_err()
    );
    let ready = client().get(app.url("/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), StatusCode::OK);
}

/// Asks over TLS, trusting that certificate alone; the answer as it came, and nothing where another is shown.
async fn ask_over_tls(port: u16, path: &'static str, trusted: &std::path::Path) -> String {
    use std::{
        io::{Read as _, Write as _},
        net::TcpStream,
        sync::Arc,
    };

    use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::aws_lc_rs};
    use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};

    let trusted = trusted.to_owned();
    tokio::task::spawn_blocking(move || {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(trusted).unwrap())
            .unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut stream = StreamOwned::new(connection, tcp);
        let _ = write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        );
        let mut answer = Vec::new();
        // The end may come without TLS's own farewell.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    })
    .await
    .unwrap()
}

fn tls_file(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/support/tls")
        .join(name)
}

#[tokio::test]
async fn where_tls_ends_here_everything_says_so() {
    let app = TestApp::with(|config| {
        config.issuer = Some("https://localhost".parse().unwrap());
        config.server.tls.certificate = Some(tls_file("localhost.crt"));
        config.server.tls.key = Some(tls_file("localhost.key"));
    })
    .await;
    let page = ask_over_tls(
        app.nodes[0].address.port(),
        "/sign-in",
        &tls_file("localhost.crt"),
    )
    .await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let head = page.split("\r\n\r\n").next().unwrap().to_lowercase();
    assert!(head.contains("strict-transport-security: max-age="), "{head}");
    let cookie = head
        .lines()
        .find(|line| line.starts_with("set-cookie: "))
        .unwrap();
    assert!(cookie.starts_with("set-cookie: __host-"), "{cookie}");
    for attribute in ["; secure", "; httponly", "; samesite=lax", "; path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
}

/// Makes a certificate for localhost, with its key.
fn make_certificate(folder: &std::path::Path) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("chain.pem"), made.cert.pem()).unwrap();
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let app = TestApp::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    make_certificate(folder.path());
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let server = Program::beside(&app)
        .with("CLAVIGER_ISSUER", "https://localhost")
        .with("CLAVIGER_LISTEN", &format!("127.0.0.1:{port}"))
        .with("CLAVIGER_SERVER__TLS__CERTIFICATE", chain.to_str().unwrap())
        .with("CLAVIGER_SERVER__TLS__KEY", key.to_str().unwrap())
        .serve()
        .await;
    // Whoever trusts the certificate that is in the file now alone is answered only if that one is shown.
    let is_shown = async || {
        ask_over_tls(port, "/healthz", &chain)
            .await
            .starts_with("HTTP/1.1 200")
    };
    assert!(is_shown().await);
    make_certificate(folder.path());
    assert!(!is_shown().await);
    server.hang_up();
    until("the new certificate is shown", is_shown).await;
    assert!(server.stop().await.success());
}
