//! `make bench`: a release server on its embedded database under load, and in the same run the limits of this machine:
//! a bare actix-web for the HTTP side, pgbench for the database side. Prints each figure and its ratio to its limit, and
//! writes the table to `docs/performance.md`.
//!
//! `--seconds N` is how long each row is loaded (10), `--refreshes N` and `--tokens N` how many the rows about size take
//! (1,000,000 each).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a measurement stops where it goes wrong"
)]

mod limits;
mod load;
mod process;
mod report;
mod scene;

use std::time::Duration;

use report::Table;
use scene::Scene;

const INTROSPECTION: &str = "introspection of a live access token";
const METADATA: &str = "metadata";
const JWKS: &str = "JWKS";
const CLIENT_CREDENTIALS: &str = "client credentials";
const REFRESH: &str = "refresh with rotation";
const FLOW: &str = "code + PKCE, whole flow";

/// Connections of every loaded row.
const CONNECTIONS: usize = 32;

struct Settings {
    each: Duration,
    refreshes: usize,
    tokens: usize,
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
    let bare = limits::Bare::start().await;

    eprintln!("limits of this machine");
    let load = |server, address, request: Vec<u8>| async move {
        load::repeat(address, CONNECTIONS, settings.each, server, &request).await
    };
    let hello = load(&bare.server, bare.address, load::get("/hello")).await;
    let signed = load(&bare.server, bare.address, load::get("/signed")).await;
    table.limit("bare hello", &hello);
    table.limit("bare hello with one ES256 signature", &signed);
    let update = limits::pgbench(&scene, limits::GUARDED_UPDATE, settings.each);
    let insert = limits::pgbench(&scene, limits::SINGLE_INSERT, settings.each);
    table.limit("guarded single-row UPDATE", &update);
    table.limit("single-row INSERT", &insert);

    let fixed = [
        (INTROSPECTION, scene.introspection().await, &hello, 0.60),
        (
            METADATA,
            load::get("/.well-known/openid-configuration"),
            &hello,
            0.85,
        ),
        (JWKS, load::get("/.well-known/jwks.json"), &hello, 0.85),
        (CLIENT_CREDENTIALS, scene.client_credentials(), &signed, 0.60),
    ];
    for (work, request, limit, goal) in fixed {
        if settings.has(work) {
            let loaded = load(&scene.server, scene.address, request).await;
            table.row(work, &loaded, limit, goal);
        }
    }
    let grants = scene.grants(1_000).await;
    if settings.has(REFRESH) {
        let loaded = scene.refresh_for(&grants, CONNECTIONS, settings.each).await;
        table.row(REFRESH, &loaded, &update, 0.55);
    }
    if settings.has(FLOW) {
        let loaded = scene.flows_for(CONNECTIONS, settings.each).await;
        table.row(FLOW, &loaded, &insert, 0.25);
    }
    if settings.only.is_some() {
        return;
    }

    sizes(settings, &scene, &grants, &mut table).await;
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

/// What grows, and what does not.
async fn sizes(settings: &Settings, scene: &Scene, grants: &scene::Held, table: &mut Table) {
    eprintln!("{} refreshes of 1,000 grants", settings.refreshes);
    let before = scene.rows();
    scene.refresh_count(grants, CONNECTIONS, settings.refreshes).await;
    let after = scene.rows();
    table.fact(
        "rows added by refreshes",
        &format!("{} after {}", after - before, settings.refreshes),
        "0",
    );
    table.fact("size of `grants` after vacuum", &scene.size_of_grants(), "flat");

    eprintln!("{} live access tokens", settings.tokens);
    let (before, held) = (scene.server.memory(), scene.live_tokens().await);
    scene.mint(CONNECTIONS, settings.tokens).await;
    let more = scene.live_tokens().await - held;
    let each = (scene.server.memory().saturating_sub(before)) as f64 / more as f64;
    table.fact(
        "memory for each live access token",
        &format!("{each:.0} bytes ({more} tokens)"),
        "≤ 250 bytes",
    );
}
