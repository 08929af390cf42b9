//! What this machine can do at the most: a bare actix-web, and PostgreSQL with one statement a transaction.

use std::{
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use actix_web::{App, HttpResponse, HttpServer, web};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};

use crate::{
    CONNECTIONS,
    load::{self, Loaded},
    process::Process,
    scene::Scene,
};

/// The bench starts itself with this as the bare server, so that its processor time is its own.
pub(crate) const ARGUMENT: &str = "--bare-server";
const PORT: u16 = 18_081;

pub(crate) struct Bare {
    address: SocketAddr,
    server: Process,
}

impl Bare {
    pub(crate) async fn start() -> Self {
        let program = std::env::current_exe().expect("this program");
        let address = SocketAddr::from(([127, 0, 0, 1], PORT));
        let server = Process::start(Command::new(program).arg(ARGUMENT));
        crate::scene::listens(address).await;
        Self { address, server }
    }

    pub(crate) fn load(&self, path: &str, each: Duration) -> Loaded {
        load::repeat((self.address, &self.server), each, &load::get(path))
    }
}

#[actix_web::main]
pub(crate) async fn serve() {
    let pkcs8 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
        .unwrap()
        .to_pkcs8v1()
        .unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
    let key = web::Data::new(key);
    HttpServer::new(move || {
        App::new()
            .app_data(key.clone())
            .route("/hello", web::get().to(async || HttpResponse::Ok().body("hello")))
            .route("/signed", web::get().to(signed))
    })
    .bind(("127.0.0.1", PORT))
    .unwrap()
    .run()
    .await
    .unwrap();
}

async fn signed(key: web::Data<EcdsaKeyPair>) -> HttpResponse {
    let signature = key.sign(&SystemRandom::new(), b"hello").unwrap();
    HttpResponse::Ok().body(signature.as_ref().to_vec())
}

/// As a rotation is: one row, found by id, changed only if it is as expected.
pub(crate) const GUARDED_UPDATE: &str = "UPDATE bench_rows SET generation = generation + 1, at = now() WHERE id = :client_id AND generation >= 0;\n";
/// As a grant is: one row of some two hundred bytes.
pub(crate) const SINGLE_INSERT: &str = "INSERT INTO bench_inserts (filler) VALUES (repeat('x', 200));\n";

/// Transactions a second of `script` with as many connections as our rows have.
pub(crate) fn pgbench(scene: &Scene, script: &str, each: Duration) -> Loaded {
    // It counts in whole seconds.
    let each = Duration::from_secs(each.as_secs().max(1));
    let file = scene.folder().join("pgbench.sql");
    std::fs::write(&file, script).unwrap();
    let log = scene.folder().join("pgbench_log");
    let output = Command::new("pgbench")
        .args([
            "-n",
            "-M",
            "prepared",
            "-j",
            "2",
            "-l",
            "-c",
            &CONNECTIONS.to_string(),
        ])
        .args(["-T", &each.as_secs().to_string(), "-f"])
        .arg(&file)
        .arg("--log-prefix")
        .arg(&log)
        .arg(scene.database_url())
        .stderr(Stdio::inherit())
        .output()
        .expect("pgbench is installed with PostgreSQL's server");
    assert!(output.status.success(), "pgbench failed");
    let mut times = Vec::new();
    for entry in std::fs::read_dir(scene.folder()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("pgbench_log"))
        {
            let text = std::fs::read_to_string(&path).unwrap();
            // client, transaction, microseconds, …
            times.extend(
                text.lines()
                    .map(|line| Duration::from_micros(line.split(' ').nth(2).unwrap().parse().unwrap())),
            );
            std::fs::remove_file(path).unwrap();
        }
    }
    Loaded::new(times, each, None)
}
