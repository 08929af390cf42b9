//! How many keys this process has judged, by what came of it; for its metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Judgement, Refusal};

/// As the answers name them.
const CODES: [&str; 7] = [
    "VALID",
    "NOT_FOUND",
    "EXPIRED",
    "WRONG_ENVIRONMENT",
    "IP_NOT_ALLOWED",
    "INSUFFICIENT_SCOPE",
    "RATE_LIMITED",
];

#[derive(Debug, Default)]
pub(super) struct Tally([AtomicU64; CODES.len()]);

impl Tally {
    pub(super) fn note(&self, judgement: &Judgement) {
        let [valid, not_found, expired, environment, address, scope, limited] = &self.0;
        let count = match &judgement.result {
            Ok(_) => valid,
            Err(Refusal::NotFound) => not_found,
            Err(Refusal::Expired) => expired,
            Err(Refusal::WrongEnvironment { .. }) => environment,
            Err(Refusal::AddressNotAllowed) => address,
            Err(Refusal::InsufficientScope { .. }) => scope,
            Err(Refusal::RateLimited { .. }) => limited,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn all(&self) -> [(&'static str, u64); CODES.len()] {
        let mut all = CODES.map(|code| (code, 0));
        for ((_, told), count) in all.iter_mut().zip(&self.0) {
            *told = count.load(Ordering::Relaxed);
        }
        all
    }
}
