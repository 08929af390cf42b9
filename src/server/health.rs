//! `/healthz`: the process is there. `/readyz`: it can do its work.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    http::header,
    web::{self, Data, ServiceConfig},
};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::Services;
use crate::{crypto::Keyring, db::Db, revocation::Revocations};

/// What readiness depends on.
pub(super) struct Health {
    db: Db,
    revocations: Revocations,
    keyring: Keyring,
}

/// Whoever asks whether we are ready wants to know soon.
const PATIENCE: Duration = Duration::from_secs(2);

impl Health {
    pub(super) fn of(services: &Services) -> Self {
        Self {
            db: services.db.clone(),
            revocations: services.revocations.clone(),
            keyring: services.keyring.clone(),
        }
    }

    /// Each thing that must be well, and whether it is. Migrations are done: without them no server starts.
    async fn checks(&self) -> [(&'static str, bool); 3] {
        let database = matches!(timeout(PATIENCE, self.db.ping()).await, Ok(Ok(())));
        [
            ("database", database),
            ("revocation_log", self.revocations.view().is_ok()),
            ("master_key", self.keyring.missing_master_keys().is_empty()),
        ]
    }
}

pub(super) fn routes(routes: &mut ServiceConfig) {
    routes
        .service(web::resource("/healthz").route(web::get().to(healthz)))
        .service(web::resource("/readyz").route(web::get().to(readyz)));
}

async fn healthz() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "status": "up" }))
}

async fn readyz(health: Data<Health>) -> HttpResponse {
    let checks = health.checks().await;
    let ready = checks.iter().all(|(_, well)| *well);
    let mut answer = if ready {
        HttpResponse::Ok()
    } else {
        HttpResponse::ServiceUnavailable()
    };
    let checks: Map<String, Value> = checks
        .iter()
        .map(|(name, well)| ((*name).to_owned(), (*well).into()))
        .collect();
    answer
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "status": if ready { "ready" } else { "not ready" }, "checks": checks }))
}
