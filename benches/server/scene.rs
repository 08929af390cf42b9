//! What is measured: a release server with people who are signed in, a client whom they have let in, and what they ask.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::{
    CONNECTIONS,
    load::{self, Connection, Loaded, Until},
    process::Process,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_claviger");
const PORT: u16 = 18_080;
const METRICS_PORT: u16 = 18_082;
/// Each connection is a browser of its own: people do not share their sessions.
const PEOPLE: usize = CONNECTIONS;
const PASSWORD: &str = "a long enough passphrase for a bench";
const REDIRECT_URI: &str = "http://127.0.0.1:18083/callback";
// RFC 7636, appendix B
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(crate) struct Scene {
    pub(crate) server: Process,
    address: SocketAddr,
    folder: tempfile::TempDir,
    basic: String,
    client_id: String,
    /// Each person's cookies.
    people: Vec<String>,
}

/// A refresh token in use: each is held by one connection at a time.
pub(crate) type Held = Vec<Mutex<String>>;

/// Waits until somebody listens.
pub(crate) async fn listens(address: SocketAddr) {
    for _ in 0..3_000 {
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody listens on {address}");
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .env("CLAVIGER_LISTEN", format!("127.0.0.1:{PORT}"))
        .env(
            "CLAVIGER_SERVER__METRICS_LISTEN",
            format!("127.0.0.1:{METRICS_PORT}"),
        )
        .env("CLAVIGER_DATA_DIR", folder.join("data"))
        .env("CLAVIGER_LOG__FILTER", "warn")
        .env_remove("DATABASE_URL");
    command
}

fn json(command: &mut Command, input: &str) -> Value {
    use std::io::Write as _;

    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command line");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?} failed");
    serde_json::from_slice(&output.stdout).expect("one line of JSON")
}

impl Scene {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("claviger-bench-")
            .tempdir_in("/tmp")
            .unwrap();
        let server = Process::start(command(folder.path()).arg("serve").stdout(Stdio::null()));
        let address = SocketAddr::from(([127, 0, 0, 1], PORT));
        listens(address).await;
        for number in 0..PEOPLE {
            let user = [
                "user",
                "create",
                "--name",
                "Bench",
                "--password-stdin",
                "--json",
                "--email",
            ];
            json(command(folder.path()).args(user).arg(email(number)), PASSWORD);
        }
        let client = json(
            command(folder.path())
                .args([
                    "client",
                    "create",
                    "--name",
                    "Bench",
                    "--type",
                    "confidential",
                    "--owner",
                    &email(0),
                ])
                .args([
                    "--redirect-uri",
                    REDIRECT_URI,
                    "--scope",
                    "openid offline_access tokens:introspect",
                ])
                .args([
                    "--grant",
                    "authorization_code,refresh_token,client_credentials",
                    "--json",
                ]),
            "",
        );
        let text = |name: &str| client[name].as_str().expect(name).to_owned();
        let basic = STANDARD.encode(format!("{}:{}", text("client_id"), text("client_secret")));
        let mut scene = Self {
            server,
            address,
            folder,
            basic: format!("Basic {basic}"),
            client_id: text("client_id"),
            people: Vec::new(),
        };
        scene.make_tables();
        for number in 0..PEOPLE {
            let cookies = scene.sign_in_and_consent(&email(number)).await;
            scene.people.push(cookies);
        }
        scene
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// As the owner of the tables, for pgbench and for counting.
    pub(crate) fn database_url(&self) -> String {
        let socket = self.folder.path().join("data/postgres/socket");
        format!("host={} user=claviger_owner dbname=claviger", socket.display())
    }

    /// As nodes use it.
    pub(crate) fn server_url(&self) -> String {
        let socket = self.folder.path().join("data/postgres/socket");
        format!("host={} user=claviger dbname=claviger", socket.display())
    }

    pub(crate) fn sql(&self, statement: &str) -> String {
        let output = Command::new("psql")
            .args(["-AtX", "-c", statement])
            .arg(self.database_url())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// For pgbench.
    fn make_tables(&self) {
        self.sql("CREATE TABLE bench_rows (id int PRIMARY KEY, generation int, at timestamptz) WITH (fillfactor = 50)");
        self.sql("INSERT INTO bench_rows SELECT generate_series(0, 63), 0, now()");
        self.sql("CREATE TABLE bench_inserts (id bigserial PRIMARY KEY, filler text)");
    }

    /// The cookies of a browser in which somebody has signed in, and let the client in.
    async fn sign_in_and_consent(&self, email: &str) -> String {
        let mut connection = Connection::open(self.address).await;
        let page = connection.call(&load::get("/sign-in")).await;
        let mut cookies = String::new();
        keep_cookies(&mut cookies, page.head);
        let form = [
            ("email", email),
            ("password", PASSWORD),
            ("csrf_token", &hidden(page.body, "csrf_token")),
        ];
        let answer = submit(&mut connection, &cookies, "/sign-in", &form).await;
        keep_cookies(&mut cookies, answer.head);
        let page = connection
            .call(&load::get_with_cookie(&self.authorize_path(), &cookies))
            .await;
        assert_eq!(page.status, 200, "the consent page: {}", page.head);
        let (csrf_token, request) = (hidden(page.body, "csrf_token"), hidden(page.body, "request"));
        let form = [
            ("decision", "approve"),
            ("csrf_token", &csrf_token),
            ("request", &request),
        ];
        let answer = submit(&mut connection, &cookies, "/oauth/consent", &form).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        cookies
    }

    /// What the browser of a person asks for a code.
    fn authorize(&self, person: usize) -> Vec<u8> {
        load::get_with_cookie(&self.authorize_path(), &self.people[person % PEOPLE])
    }

    fn authorize_path(&self) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", REDIRECT_URI)
            .append_pair("scope", "openid offline_access")
            .append_pair("state", "bench")
            .append_pair("code_challenge", CHALLENGE)
            .append_pair("code_challenge_method", "S256")
            .finish();
        format!("/oauth/authorize?{query}")
    }

    fn token(&self, form: &[(&str, &str)]) -> Vec<u8> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        load::post("/oauth/token", Some(&self.basic), &body)
    }

    /// The whole flow of somebody who is signed in and has allowed this client before.
    async fn flow(&self, connection: &mut Connection, authorize: &[u8]) -> Value {
        let answer = connection.call(authorize).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        let location = answer
            .head
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with("location: "));
        let code = location
            .and_then(|line| line.split("code=").nth(1)?.split('&').next())
            .expect("a code")
            .to_owned();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ];
        let answer = connection.call(&self.token(&form)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str(answer.body).unwrap()
    }

    pub(crate) async fn introspection(&self) -> Vec<u8> {
        let mut connection = Connection::open(self.address).await;
        let tokens = self.flow(&mut connection, &self.authorize(0)).await;
        let token = tokens["access_token"].as_str().unwrap();
        load::post("/oauth/introspect", Some(&self.basic), &format!("token={token}"))
    }

    pub(crate) fn client_credentials(&self) -> Vec<u8> {
        self.token(&[("grant_type", "client_credentials")])
    }

    /// As many grants, each with its refresh token.
    pub(crate) async fn grants(&self, count: usize) -> Held {
        let mut connection = Connection::open(self.address).await;
        let mut tokens = Vec::new();
        for person in 0..count {
            let answer = self.flow(&mut connection, &self.authorize(person)).await;
            tokens.push(Mutex::new(answer["refresh_token"].as_str().unwrap().to_owned()));
        }
        tokens
    }

    async fn refresh_one(&self, connection: &mut Connection, token: &Mutex<String>) {
        let mut token = token.lock().await;
        let answer = connection
            .call(&self.token(&[("grant_type", "refresh_token"), ("refresh_token", &token)]))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let tokens: Value = serde_json::from_str(answer.body).unwrap();
        tokens["refresh_token"].as_str().unwrap().clone_into(&mut token);
    }

    /// Its address and process, for the load.
    pub(crate) const fn node(&self) -> (SocketAddr, &Process) {
        (self.address, &self.server)
    }

    pub(crate) fn refresh(&self, grants: &Held, until: Until) -> Loaded {
        load::drive(
            &[self.node()],
            until,
            &async |connection: &mut Connection, place| {
                self.refresh_one(connection, &grants[place % grants.len()]).await;
            },
        )
    }

    pub(crate) fn flows(&self, each: Duration) -> Loaded {
        let authorize: Vec<_> = (0..PEOPLE).map(|person| self.authorize(person)).collect();
        load::drive(
            &[self.node()],
            Until::After(each),
            &async |connection: &mut Connection, place| {
                self.flow(connection, &authorize[place % PEOPLE]).await;
            },
        )
    }

    pub(crate) fn mint(&self, count: usize) {
        let request = self.client_credentials();
        load::drive(
            &[self.node()],
            Until::Count(count),
            &async |connection: &mut Connection, _| {
                connection.repeat(&request).await;
            },
        );
    }

    /// Rows of all tables together.
    pub(crate) fn rows(&self) -> i64 {
        let count = "SELECT sum((xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM %I', relname), false, true, '')))[1]::text::bigint) \
                     FROM pg_stat_user_tables WHERE relname NOT LIKE 'bench%' AND relname NOT IN ('client_requests', 'jobs', 'nodes')";
        self.sql(count).parse().unwrap()
    }

    pub(crate) fn size_of_grants(&self) -> String {
        self.sql("VACUUM grants");
        self.sql("SELECT pg_size_pretty(pg_total_relation_size('grants')) || ', ' || count(*) || ' rows' FROM grants")
    }

    /// Live access tokens, as the server's metrics count them.
    pub(crate) async fn live_tokens(&self) -> usize {
        let metrics = SocketAddr::from(([127, 0, 0, 1], METRICS_PORT));
        let mut connection = Connection::open(metrics).await;
        let answer = connection.call(&load::get("/metrics")).await;
        let line = answer
            .body
            .lines()
            .find(|line| line.starts_with("claviger_access_tokens_live "))
            .expect("the gauge");
        line.rsplit(' ')
            .next()
            .unwrap()
            .split('.')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// Another node on the same database; `number` tells it from others that run at the same time.
    pub(crate) fn another_node(&self, number: u16) -> (SocketAddr, Process) {
        let address = SocketAddr::from(([127, 0, 0, 1], PORT + 10 + number));
        let mut command = command(self.folder.path());
        command
            .arg("serve")
            .env("DATABASE_URL", self.server_url())
            .env("CLAVIGER_DATABASE__OWNER_URL", self.database_url())
            .env("CLAVIGER_LISTEN", address.to_string())
            .env_remove("CLAVIGER_SERVER__METRICS_LISTEN")
            .stdout(Stdio::null());
        (address, Process::start(&mut command))
    }

    /// A second node, from its start until it answers: the median of five.
    pub(crate) async fn start_to_first_answer(&self) -> Duration {
        let mut times = Vec::new();
        for _ in 0..5 {
            let began = Instant::now();
            let (address, mut node) = self.another_node(0);
            while tokio::net::TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let mut connection = Connection::open(address).await;
            let answer = connection.call(&load::get("/readyz")).await;
            assert_eq!(answer.status, 200);
            times.push(began.elapsed());
            node.stop();
        }
        times.sort_unstable();
        times[times.len() / 2]
    }
}

fn email(number: usize) -> String {
    format!("bench{number}@example.com")
}

async fn submit<'a>(
    connection: &'a mut Connection,
    cookies: &str,
    path: &str,
    form: &[(&str, &str)],
) -> load::Answer<'a> {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let request = String::from_utf8(load::post(path, None, &body)).unwrap();
    let cookies = format!("\r\nCookie: {cookies}\r\nContent-Type");
    connection
        .call(request.replacen("\r\nContent-Type", &cookies, 1).as_bytes())
        .await
}

fn keep_cookies(cookies: &mut String, head: &str) {
    for line in head
        .lines()
        .filter(|line| line.to_ascii_lowercase().starts_with("set-cookie: "))
    {
        let cookie = line["set-cookie: ".len()..].split(';').next().unwrap();
        if !cookies.is_empty() {
            cookies.push_str("; ");
        }
        cookies.push_str(cookie);
    }
}

fn hidden(html: &str, name: &str) -> String {
    let page = scraper::Html::parse_document(html);
    let input = scraper::Selector::parse(&format!("main input[name='{name}']")).unwrap();
    page.select(&input)
        .next()
        .and_then(|input| input.value().attr("value"))
        .expect(name)
        .to_owned()
}
