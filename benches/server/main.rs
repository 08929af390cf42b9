//! `make bench`: a release server on its embedded database under load, and in the same run the limits of this machine:
//! a bare actix-web for the HTTP side, pgbench for the database side. Prints each figure and its ratio to its limit, and
//! writes the table to `docs/performance.md`.
//!
//! `--seconds N` is how long each row is loaded (10), its limit beside it as long, `--refreshes N`, `--tokens N` and `--keys N` how many the rows about
//! size take (1,000,000 each); a tenth of the keys is in use.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a measurement stops where it goes wrong"
)]

mod keys;
mod limits;
mod load;
mod process;
mod report;
mod scene;

use std::time::Duration;

use keys::Keys;
use limits::Bare;
use load::Until;
use report::Table;
use scene::Scene;

const HELLO: &str = "bare hello";
const SIGNED: &str = "bare hello with one ES256 signature";
const UPDATE: &str = "guarded single-row UPDATE";
const INSERT: &str = "single-row INSERT";

const INTROSPECTION: &str = "introspection of a live access token";
const METADATA: &str = "metadata";
const JWKS: &str = "JWKS";
const CLIENT_CREDENTIALS: &str = "client credentials";
const REFRESH: &str = "refresh with rotation";
const FLOW: &str = "code + PKCE, whole flow";

const VERIFY: &str = "key verification, with limits";
const FORWARD_AUTH: &str = "key by forward auth";
const ON_THREE: &str = "key verification on three nodes, by hour and month";
const SECONDS_ON_THREE: &str = "key verification on three nodes, by the second too";
const AMONG_MANY: &str = "key verification among many keys";
const REVOKE: &str = "key revocation, until the last of three nodes refuses";

/// Connections of every loaded row.
const CONNECTIONS: usize = 32;

struct Settings {
    each: Duration,
    refreshes: usize,
    tokens: usize,
    keys: usize,
    only: Option<String>,
}

impl Settings {
    fn from_arguments() -> Self {
        let arguments: Vec<String> = std::env::args().collect();
        let number = |name: &str, default: usize| {
            let at = arguments.iter().position(|argument| argument == name);
            at.map_or(default, |at| {
                arguments[at + 1].parse().expect("a number after the option")
            })
        };
        Self {
            each: Duration::from_secs(number("--seconds", 10) as u64),
            refreshes: number("--refreshes", 1_000_000),
            tokens: number("--tokens", 1_000_000),
            keys: number("--keys", 1_000_000),
            only: arguments
                .iter()
                .position(|argument| argument == "--only")
                .map(|at| arguments[at + 1].clone()),
        }
    }

    /// Whether the row is to be measured; says so if it is.
    fn has(&self, work: &str) -> bool {
        let has = self.only.as_ref().is_none_or(|word| work.contains(word));
        if has {
            eprintln!("{work}");
        }
        has
    }
}

fn main() {
    if std::env::args().any(|argument| argument == limits::ARGUMENT) {
        limits::serve();
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure(&Settings::from_arguments()));
}

async fn measure(settings: &Settings) {
    let mut table = Table::default();
    let scene = Scene::start().await;
    let idle = scene.server.memory();
    let bare = Bare::start().await;

    let each = settings.each;
    let hello = |each| bare.load("/hello", each);
    let signed = |each| bare.load("/signed", each);
    let update = |each| limits::pgbench(&scene, limits::GUARDED_UPDATE, each);
    let insert = |each| limits::pgbench(&scene, limits::SINGLE_INSERT, each);

    let fixed = [
        (INTROSPECTION, scene.introspection().await, 0.60),
        (METADATA, load::get("/.well-known/openid-configuration"), 0.85),
        (JWKS, load::get("/.well-known/jwks.json"), 0.85),
    ];
    for (work, request, goal) in fixed {
        if settings.has(work) {
            let row = |each| load::repeat(scene.node(), each, &request);
            table.row(work, HELLO, load::in_turn(each, hello, row), goal);
        }
    }
    if settings.has(CLIENT_CREDENTIALS) {
        let request = scene.client_credentials();
        let row = |each| load::repeat(scene.node(), each, &request);
        table.row(CLIENT_CREDENTIALS, SIGNED, load::in_turn(each, signed, row), 0.60);
    }
    let grants = scene.grants(1_000).await;
    if settings.has(REFRESH) {
        let row = |each| scene.refresh(&grants, Until::After(each));
        table.row(REFRESH, UPDATE, load::in_turn(each, update, row), 0.55);
    }
    if settings.has(FLOW) {
        let row = |each| scene.flows(each);
        table.row(FLOW, INSERT, load::in_turn(each, insert, row), 0.25);
    }
    if settings.only.is_none() {
        // Before the keys, whose use is counted in rows while the refreshes are.
        sizes(settings, &scene, &grants, &mut table).await;
    }
    let of_keys = [
        VERIFY,
        FORWARD_AUTH,
        ON_THREE,
        SECONDS_ON_THREE,
        AMONG_MANY,
        REVOKE,
    ];
    if settings
        .only
        .as_ref()
        .is_none_or(|word| of_keys.iter().any(|work| work.contains(word.as_str())))
    {
        keys(settings, &scene, &bare, &mut table).await;
    }
    table.show_limits();
    if settings.only.is_some() {
        return;
    }

    table.fact(
        "memory idle",
        &format!("{:.1} MiB", idle as f64 / 1_048_576.0),
        "≤ 15 MB",
    );
    let start = scene.start_to_first_answer().await;
    table.fact(
        "start to first answer, database up",
        &format!("{} ms", start.as_millis()),
        "≤ 100 ms",
    );
    table.write();
}

async fn keys(settings: &Settings, scene: &Scene, bare: &Bare, table: &mut Table) {
    let each = settings.each;
    let hello = |each| bare.load("/hello", each);
    let keys = Keys::start(scene, settings.keys).await;
    for (work, request) in [(VERIFY, keys.limited()), (FORWARD_AUTH, keys.forward_auth())] {
        if settings.has(work) {
            let row = |each| load::repeat(scene.node(), each, &request);
            table.row(work, HELLO, load::in_turn(each, hello, row), 0.60);
        }
    }
    for (work, by_the_second) in [(ON_THREE, false), (SECONDS_ON_THREE, true)] {
        if settings.has(work) {
            let row = |each| keys.on_three(scene, by_the_second, each);
            table.row(work, HELLO, load::in_turn(each, hello, row), 0.60);
        }
    }
    if settings.has(AMONG_MANY) {
        let questions = keys.questions(settings.keys / 10);
        let bytes = Keys::ask_once(scene, &questions);
        let row = |each| Keys::among_many(scene, &questions, each);
        table.row(AMONG_MANY, HELLO, load::in_turn(each, hello, row), 0.60);
        let is = format!("{bytes:.0} bytes ({} of {} keys)", questions.len(), settings.keys);
        table.fact("memory for each key in use, with its limits", &is, "–");
    }
    if settings.has(REVOKE) {
        let (median, p99) = keys.revoke(scene).await;
        let milliseconds = |time: Duration| time.as_secs_f64() * 1_000.0;
        let is = format!("{:.1} ms, p99 {:.1} ms", milliseconds(median), milliseconds(p99));
        table.fact(REVOKE, &is, "–");
    }
}

/// What grows, and what does not.
async fn sizes(settings: &Settings, scene: &Scene, grants: &scene::Held, table: &mut Table) {
    eprintln!("{} refreshes of 1,000 grants", settings.refreshes);
    let before = scene.rows();
    scene.refresh(grants, Until::Count(settings.refreshes));
    let after = scene.rows();
    table.fact(
        "rows added by refreshes",
        &format!("{} after {}", after - before, settings.refreshes),
        "0",
    );
    table.fact("size of `grants` after vacuum", &scene.size_of_grants(), "flat");

    eprintln!("{} live access tokens", settings.tokens);
    let (before, held) = (scene.server.memory(), scene.live_tokens().await);
    scene.mint(settings.tokens);
    let more = scene.live_tokens().await - held;
    let each = (scene.server.memory().saturating_sub(before)) as f64 / more as f64;
    table.fact(
        "memory for each live access token",
        &format!("{each:.0} bytes ({more} tokens)"),
        "≤ 250 bytes",
    );
}
