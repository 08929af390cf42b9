//! A real nginx with the configuration that is shipped: `deploy/forward-auth/nginx.conf`.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    num::NonZeroU64,
    path::Path,
    process::{Child, Command, Stdio},
};

use claviger::{keys::Asker, types::Environment};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinHandle,
};

use super::said;
use crate::{
    keys::{Answer, World, set},
    support::wait::until,
};

/// nginx, and an API behind it that answers with what it was sent. Dropped, both end.
struct Proxy {
    nginx: Child,
    address: SocketAddr,
    folder: TempDir,
    api: JoinHandle<()>,
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Proxy {
    /// Before that server, with other ports than the file has, and other requirements where `change` says so.
    async fn before(server: SocketAddr, change: impl FnOnce(String) -> String) -> Self {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/forward-auth/nginx.conf");
        let shipped = fs::read_to_string(shipped).unwrap();
        let (api, upstream) = echo().await;
        let address = free_address();
        let mut site = shipped.clone();
        for (theirs, ours) in [
            (
                "server 127.0.0.1:8080;",
                format!("server 127.0.0.1:{};", server.port()),
            ),
            ("server 127.0.0.1:3000;", format!("server {upstream};")),
            ("listen 80;", format!("listen {address};")),
        ] {
            assert_eq!(site.matches(theirs).count(), 1, "{theirs}");
            site = site.replace(theirs, &ours);
        }
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        fs::write(folder.path().join("site.conf"), change(site)).unwrap();
        // One process, which is ours to end.
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {at}/{what};\n"))
            .concat();
        let whole = format!(
            "daemon off;\nmaster_process off;\npid {at}/pid;\nerror_log {at}/error.log;\nevents {{}}\n\
             http {{\naccess_log off;\n{temporary}include {at}/site.conf;\n}}\n"
        );
        fs::write(folder.path().join("nginx.conf"), whole).unwrap();
        let nginx = Command::new(
            ["/usr/sbin/nginx", "nginx"]
                .into_iter()
                .find(|path| Path::new(path).exists())
                .unwrap_or("nginx"),
        )
        .args([
            "-p",
            &at.to_string(),
            "-c",
            &format!("{at}/nginx.conf"),
            "-e",
            &format!("{at}/error.log"),
        ])
        .stdin(Stdio::null())
        .spawn()
        .expect("nginx: `make test` installs it");
        let this = Self {
            nginx,
            address,
            folder,
            api,
        };
        until("nginx listens", async || TcpStream::connect(address).is_ok()).await;
        this
    }

    async fn ask(&self, key: Option<&str>, path: &str, headers: &[(&'static str, &str)]) -> Answer {
        let url = format!("http://{}{path}", self.address);
        let mut request = reqwest::Client::new().request(Method::POST, url).body("an order");
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request).await
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.nginx.kill();
        let _ = self.nginx.wait();
        self.api.abort();
    }
}

/// An API that answers each request with its head and body, as JSON.
async fn echo() -> (JoinHandle<()>, SocketAddr) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            let text = loop {
                let mut chunk = [0; 4096];
                let count = stream.read(&mut chunk).await.unwrap_or_default();
                bytes.extend_from_slice(&chunk[..count]);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                if count == 0 || text.ends_with("an order") {
                    break text;
                }
            };
            let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
            let mut lines = head.lines();
            let line = lines.next().unwrap_or_default();
            let headers: Vec<(String, &str)> = lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value))
                .collect();
            let answer = json!({ "line": line, "headers": headers, "body": body }).to_string();
            let answer = format!(
                "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
                answer.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (task, address)
}

/// What the API was sent under a name.
fn passed<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    let headers = answer.body["headers"].as_array().unwrap();
    let own = headers.iter().filter(|pair| pair[0] == name);
    own.map(|pair| pair[1].as_str().unwrap()).collect()
}

/// The body without the request's id, which is there.
fn words(answer: &Answer) -> Value {
    let mut body = answer.body.clone();
    let id = body.as_object_mut().unwrap().remove("request_id");
    assert!(id.is_some(), "{body}");
    body
}

async fn world() -> World {
    World::with(1, |config| {
        config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await
}

/// As a client would write them who wants to be somebody else.
const FORGED: [(&str, &str); 8] = [
    ("x-key-id", "key_of_somebody_else"),
    ("x-app-id", "app_of_somebody_else"),
    ("x-account-id", "acc_of_somebody_else"),
    ("x-environment", "test"),
    ("x-scopes", "admin:everything"),
    ("x-client-id", "cli_of_somebody_else"),
    ("x-user-id", "usr_of_somebody_else"),
    ("x-required-scope", "read:nothing"),
];

fn requires(scope: &'static str) -> impl FnOnce(String) -> String {
    move |site| {
        let changed = site.replace(
            "set $required_scope \"\";",
            &format!("set $required_scope {scope};"),
        );
        assert_ne!(site, changed);
        changed
    }
}

#[tokio::test]
async fn what_may_pass_comes_with_who_calls_and_nothing_forged() {
    let world = world().await;
    let (key, value) = world
        .make(|new| {
            new.scopes = Some(set("read:orders"));
            new.limits.per_hour = NonZeroU64::new(10);
        })
        .await;
    let proxy = Proxy::before(world.app.nodes[0].address, requires("read:orders")).await;
    let answer = proxy.ask(Some(&value), "/orders?page=2", &FORGED).await;
    assert_eq!(answer.status, 201, "{:?}\n{}", answer.body, proxy.log());
    assert_eq!(answer.body["line"], "POST /orders?page=2 HTTP/1.1");
    assert_eq!(answer.body["body"], "an order");
    let (key_id, app, account) = (
        key.id.to_string(),
        world.ada_app.to_string(),
        world.account.to_string(),
    );
    for (name, value) in [
        ("x-key-id", key_id.as_str()),
        ("x-app-id", &app),
        ("x-account-id", &account),
        ("x-environment", "live"),
        ("x-scopes", "read:orders"),
    ] {
        assert_eq!(passed(&answer, name), [value], "{name}");
    }
    for name in ["x-client-id", "x-user-id", "authorization"] {
        assert!(
            passed(&answer, name).is_empty(),
            "{name}: {:?}",
            passed(&answer, name)
        );
    }
    assert_eq!(
        said(&answer.headers, "ratelimit-policy"),
        Some("\"hour\";q=10;w=3600")
    );
    assert_eq!(said(&answer.headers, "ratelimit"), Some("\"hour\";r=9;t=3600"));
    // Counted once, under the path that was asked for, from the client's address.
    world.app.usage.flush().await.unwrap();
    let mut connection = world.app.db.connection().await.unwrap();
    let past = claviger::keys::usage::last_requests(&mut connection, key.id, None, 10)
        .await
        .unwrap();
    let routes: Vec<_> = past
        .requests
        .iter()
        .map(|request| request.route.as_str())
        .collect();
    assert_eq!(routes, ["/orders"]);
    assert_eq!(past.requests[0].address.as_deref(), Some("127.0.0.1"));
}

#[tokio::test]
async fn each_refusal_reaches_the_client_as_it_was_meant() {
    let world = world().await;
    let proxy = Proxy::before(world.app.nodes[0].address, requires("read:orders")).await;
    let none = proxy.ask(None, "/orders", &[]).await;
    assert_eq!(none.status, 401, "{}", proxy.log());
    assert_eq!(
        words(&none),
        json!({ "success": false, "error": "UNAUTHORIZED",
            "message": "No API key provided. Include your API key in the Authorization header." })
    );
    assert_eq!(
        said(&none.headers, "www-authenticate"),
        Some("Bearer realm=\"claviger\"")
    );
    assert_eq!(said(&none.headers, "content-type"), Some("application/json"));
    assert_eq!(said(&none.headers, "cache-control"), Some("no-store"));
    let (revoked_key, revoked) = world.make(|_| {}).await;
    world
        .app
        .keys
        .revoke(revoked_key.id, Asker::OPERATOR)
        .await
        .unwrap();
    let unknown = proxy.ask(Some("sk_live_nothing"), "/orders", &[]).await;
    assert_eq!(words(&unknown)["message"], "Invalid API key provided");
    assert_eq!(
        said(&unknown.headers, "www-authenticate"),
        Some("Bearer realm=\"claviger\", error=\"invalid_token\"")
    );
    let revoked = proxy.ask(Some(&revoked), "/orders", &[]).await;
    assert_eq!(
        (revoked.status, words(&revoked)),
        (unknown.status, words(&unknown))
    );
    let (_, test) = world.make(|new| new.environment = Environment::Test).await;
    let environment = proxy.ask(Some(&test), "/orders", &[]).await;
    environment.refuses(401, "WRONG_ENVIRONMENT");
    let (_, elsewhere) = world
        .make(|new| new.networks = vec!["203.0.113.0/24".parse().unwrap()])
        .await;
    let address = proxy
        .ask(Some(&elsewhere), "/orders", &[("x-forwarded-for", "203.0.113.7")])
        .await;
    address.refuses(403, "IP_NOT_ALLOWED");
    let (_, narrow) = world.make(|new| new.scopes = Some(set("write:orders"))).await;
    let scope = proxy
        .ask(Some(&narrow), "/orders", &[("x-required-scope", "write:orders")])
        .await;
    assert_eq!(scope.status, 403);
    assert_eq!(words(&scope)["required_scope"], "read:orders");
    assert_eq!(
        said(&scope.headers, "www-authenticate"),
        Some("Bearer realm=\"claviger\", error=\"insufficient_scope\", scope=\"read:orders\"")
    );
    let (_, leaked) = world.make(|_| {}).await;
    let in_query = proxy
        .ask(Some(&leaked), &format!("/orders?key={leaked}"), &[])
        .await;
    in_query.refuses(401, "UNAUTHORIZED");
    assert!(
        in_query.body["message"]
            .as_str()
            .unwrap()
            .contains("counts as leaked")
    );
}

#[tokio::test]
async fn over_a_limit_is_429_with_all_that_belongs_to_it() {
    let world = world().await;
    let (key, value) = world.make(|new| new.limits.per_hour = NonZeroU64::new(1)).await;
    let proxy = Proxy::before(world.app.nodes[0].address, |site| site).await;
    assert_eq!(proxy.ask(Some(&value), "/orders", &[]).await.status, 201);
    let over = proxy.ask(Some(&value), "/orders", &[]).await;
    assert_eq!(over.status, 429, "{:?}\n{}", over.body, proxy.log());
    assert_eq!(
        words(&over),
        json!({ "success": false, "error": "RATE_LIMITED", "message": "Rate limit exceeded", "retryAfter": 3600 })
    );
    assert_eq!(said(&over.headers, "retry-after"), Some("3600"));
    assert_eq!(
        said(&over.headers, "ratelimit-policy"),
        Some("\"hour\";q=1;w=3600")
    );
    assert_eq!(said(&over.headers, "ratelimit"), Some("\"hour\";r=0;t=3600"));
    assert_eq!(said(&over.headers, "content-type"), Some("application/json"));
    // Claviger was asked once for each.
    world.app.usage.flush().await.unwrap();
    let mut connection = world.app.db.connection().await.unwrap();
    let past = claviger::keys::usage::last_requests(&mut connection, key.id, None, 10)
        .await
        .unwrap();
    assert_eq!(past.requests.len(), 2);
}

#[tokio::test]
async fn without_an_answer_nothing_passes() {
    let world = world().await;
    let (_, value) = world.make(|_| {}).await;
    // Nobody is there.
    let proxy = Proxy::before(free_address(), |site| site).await;
    let refused = proxy.ask(Some(&value), "/orders", &[]).await;
    assert_eq!(refused.status, 503, "{}", proxy.log());
    assert_eq!(refused.body["error"], "UNAVAILABLE");
    // The location that asks is for nginx alone.
    let direct = proxy.ask(Some(&value), "/_claviger", &[]).await;
    assert_eq!(direct.status, 404);
}
