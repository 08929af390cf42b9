//! API keys: judged on one node and on three, with very many in the table, and taken back.

use std::{
    fmt::Write as _,
    io::Write as _,
    net::SocketAddr,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use claviger::{
    app::{App, DatabaseUrls},
    config::Config,
    crypto::Purpose,
    keys::{KeyKind, compose},
    types::{ApiKeyId, Clock, Entropy, Environment},
};
use serde_json::Value;

use crate::{
    load::{self, Connection, Loaded, Until},
    process::Process,
    scene::{self, Scene},
};

/// Limits that no run reaches: of each key by second, hour and month.
const LIMITED: &str = "2000000000\t1000000000000\t1000000000000";
/// As many keys have.
const MODEST: &str = "\\N\t100000\t1000000";
const BY_THE_HOUR: &str = "\\N\t1000000000000\t1000000000000";

pub(crate) struct Keys {
    /// Beside the scene's.
    others: Vec<(SocketAddr, Process)>,
    service: String,
    /// With limits by second, hour and month.
    limited: String,
    /// By hour and month.
    by_the_hour: String,
    many: Vec<String>,
    to_revoke: Vec<(ApiKeyId, String)>,
}

/// Makes keys and their rows.
struct Maker {
    app: App,
    owner: String,
    clock: Clock,
    entropy: Entropy,
    rows: Vec<u8>,
}

impl Maker {
    /// With these scopes and limits, as they stand in a COPY.
    fn make(&mut self, scopes: &str, limits: &str) -> (ApiKeyId, String) {
        let config = Config::default();
        let family = config.keys.families.get("default").unwrap();
        let body = self.entropy.bytes::<64>();
        let (key, hint) = compose(family, KeyKind::Secret, Environment::Live, &body);
        let key = key.expose().to_owned();
        let id = ApiKeyId::new(&self.clock, &self.entropy);
        let mac = self.app.keyring.mac(Purpose::ApiKey, key.as_bytes()).unwrap();
        let tag = mac.tag.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        });
        writeln!(
            self.rows,
            "{}\t{}\tdefault\tsk\tlive\tBench\t{scopes}\t{}\t\\\\x{tag}\t{hint}\t{limits}\t{{}}\tbench\tnow\tnow",
            id.uuid(),
            self.owner,
            mac.key_id.0,
        )
        .unwrap();
        (id, key)
    }

    fn write(&mut self, scene: &Scene) {
        let columns = "id, app_id, account_id, family, kind, environment, name, scopes, pepper_id, mac, hint, per_second, \
                       per_hour, per_month, allowed_networks, created_by, created_at, changed_at";
        let mut psql = Command::new("psql")
            .args([
                "-qX",
                "-v",
                "ON_ERROR_STOP=1",
                "-c",
                &format!("COPY api_keys ({columns}) FROM STDIN"),
            ])
            .arg(scene.database_url())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        psql.stdin.take().unwrap().write_all(&self.rows).unwrap();
        assert!(psql.wait().unwrap().success(), "keys were not written");
        self.rows.clear();
    }
}

impl Keys {
    /// Writes `count` keys beside those that the rows need, and starts two more nodes.
    pub(crate) async fn start(scene: &Scene, count: usize) -> Self {
        let config = Config {
            data_dir: scene.folder().join("data"),
            ..Config::default()
        };
        let urls = DatabaseUrls {
            server: scene.server_url(),
            owner: scene.database_url(),
        };
        let (clock, entropy) = (Clock::system(), Entropy::system());
        let app = App::detached(Arc::new(config), clock.clone(), entropy.clone(), &urls)
            .await
            .unwrap();
        let mut maker = Maker {
            app,
            owner: scene.sql("SELECT id || E'\\t' || account_id FROM apps ORDER BY id LIMIT 1"),
            clock,
            entropy,
            rows: Vec::new(),
        };
        let service = maker.make("{keys:verify,keys:manage}", "\\N\t\\N\t\\N").1;
        let limited = maker.make("{read:orders}", LIMITED).1;
        let by_the_hour = maker.make("{read:orders}", BY_THE_HOUR).1;
        let to_revoke = (0..200).map(|_| maker.make("{read:orders}", LIMITED)).collect();
        let mut many = Vec::with_capacity(count);
        for number in 0..count {
            many.push(maker.make("{read:orders}", MODEST).1);
            if number % 100_000 == 0 {
                maker.write(scene);
            }
        }
        maker.write(scene);
        scene.sql("ANALYZE api_keys");
        let mut others = Vec::new();
        for number in 1..3 {
            let (address, process) = scene.another_node(number);
            scene::listens(address).await;
            others.push((address, process));
        }
        Self {
            others,
            service,
            limited,
            by_the_hour,
            many,
            to_revoke,
        }
    }

    fn question(&self, key: &str) -> Vec<u8> {
        let body = serde_json::json!({"key": key, "scope": "read:orders"}).to_string();
        load::post_json("/v1/keys/verify", &format!("Bearer {}", self.service), &body)
    }

    pub(crate) fn limited(&self) -> Vec<u8> {
        self.question(&self.limited)
    }

    /// What a proxy asks.
    pub(crate) fn forward_auth(&self) -> Vec<u8> {
        format!(
            "GET /v1/auth HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nX-Required-Scope: read:orders\r\nX-Original-URI: /v1/orders\r\n\r\n",
            self.limited
        )
        .into_bytes()
    }

    fn nodes<'a>(&'a self, scene: &'a Scene, count: usize) -> Vec<(SocketAddr, &'a Process)> {
        let others = self.others.iter().map(|(address, process)| (*address, process));
        [scene.node()].into_iter().chain(others).take(count).collect()
    }

    pub(crate) fn on_three(&self, scene: &Scene, by_the_second: bool, each: Duration) -> Loaded {
        let key = if by_the_second {
            &self.limited
        } else {
            &self.by_the_hour
        };
        let question = self.question(key);
        load::drive(
            &self.nodes(scene, 3),
            Until::After(each),
            &async |connection: &mut Connection, _| is_valid(&connection.call(&question).await),
        )
    }

    /// Questions about that many keys.
    pub(crate) fn questions(&self, count: usize) -> Vec<Vec<u8>> {
        self.many
            .iter()
            .take(count)
            .map(|key| self.question(key))
            .collect()
    }

    /// Asks each once of the first node, and says how much memory a key takes there.
    pub(crate) fn ask_once(scene: &Scene, questions: &[Vec<u8>]) -> f64 {
        let before = scene.server.memory();
        load::drive(
            &[scene.node()],
            Until::Count(questions.len()),
            &async |connection: &mut Connection, place| {
                is_valid(&connection.call(&questions[place % questions.len()]).await);
            },
        );
        scene.server.memory().saturating_sub(before) as f64 / questions.len() as f64
    }

    /// All of them in turn, in an order that no cache of a processor likes.
    pub(crate) fn among_many(scene: &Scene, questions: &[Vec<u8>], each: Duration) -> Loaded {
        /// Prime to any number of questions that is round.
        const STRIDE: usize = 7_919;
        load::drive(
            &[scene.node()],
            Until::After(each),
            &async |connection: &mut Connection, place| {
                is_valid(
                    &connection
                        .call(&questions[place * STRIDE % questions.len()])
                        .await,
                );
            },
        )
    }

    /// From the call that revokes a key until the last of three nodes has refused it: median and p99. Each node has just
    /// said yes from memory.
    pub(crate) async fn revoke(&self, scene: &Scene) -> (Duration, Duration) {
        let mut connections = Vec::new();
        for (address, _) in self.nodes(scene, 3) {
            connections.push(Connection::open(address).await);
        }
        let mut times = Vec::new();
        for (id, key) in &self.to_revoke {
            let question = self.question(key);
            for connection in &mut connections {
                is_valid(&connection.call(&question).await);
                is_valid(&connection.call(&question).await);
            }
            let call = format!(
                "DELETE /v1/keys/{id} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\r\n",
                self.service
            );
            let began = Instant::now();
            let answer = connections[0].call(call.as_bytes()).await;
            assert!(answer.status < 300, "{} {}", answer.head, answer.body);
            let asked = connections
                .iter_mut()
                .map(|connection| connection.call(&question));
            for answer in futures_util::future::join_all(asked).await {
                assert_eq!(code(&answer), "NOT_FOUND", "a revoked key is accepted");
            }
            times.push(began.elapsed());
        }
        times.sort_unstable();
        (times[times.len() / 2], times[(times.len() - 1) * 99 / 100])
    }
}

fn code(answer: &load::Answer) -> String {
    let body: Value = serde_json::from_str(answer.body).unwrap();
    body["code"].as_str().unwrap_or(answer.body).to_owned()
}

fn is_valid(answer: &load::Answer) {
    assert!(
        answer.status == 200 && answer.body.contains("\"code\":\"VALID\""),
        "{} {}",
        answer.head,
        answer.body
    );
}
