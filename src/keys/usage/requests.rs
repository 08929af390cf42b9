//! The last requests of each key, for its developer: some of each batch, refusals first.

use std::time::Duration;

use diesel_async::AsyncPgConnection;
use time::OffsetDateTime;

use super::{model::Outcome, store::samples};
use crate::types::{ApiKeyId, Fault};

/// One request as it is read back.
#[derive(Clone, Debug)]
pub struct PastRequest {
    /// Its place among all.
    pub number: i64,
    pub at: OffsetDateTime,
    pub route: String,
    pub outcome: Outcome,
    pub status: u16,
    pub address: Option<String>,
    pub latency: Duration,
    pub request_id: String,
}

/// Some requests, newest first.
#[derive(Clone, Debug, Default)]
pub struct PastRequests {
    pub requests: Vec<PastRequest>,
    /// Where the next page begins, if there is one: the number before which to go on.
    pub next: Option<i64>,
}

/// The last requests of a key, newest first, before the one of the number `before`.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn last_requests(
    connection: &mut AsyncPgConnection,
    key: ApiKeyId,
    before: Option<i64>,
    most: usize,
) -> Result<PastRequests, Fault> {
    let asked = i64::try_from(most.saturating_add(1)).map_err(Fault::internal)?;
    let mut requests = samples::last(connection, key, before, asked).await?;
    let more = requests.len() > most;
    requests.truncate(most);
    let next = requests.last().filter(|_| more).map(|request| request.number);
    Ok(PastRequests { requests, next })
}
