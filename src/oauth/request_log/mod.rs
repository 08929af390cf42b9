//! The last requests of each client, with the exact errors: so that a developer finds out in the dashboard why a
//! flow fails. Written in batches off the path of the request, and trimmed to a fixed number a client,
//! of which what anybody can send in its name takes half at most.

mod store;

use std::{collections::HashMap, time::Duration};

use diesel_async::AsyncPgConnection;
use time::OffsetDateTime;
use tokio::sync::mpsc;

use crate::{
    db::Db,
    types::{AppId, ClientId, Fault},
};

/// One request of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRequest {
    pub client: ClientId,
    pub at: OffsetDateTime,
    /// `authorize`, `token`, `introspect` or `revoke`.
    pub endpoint: &'static str,
    /// The OAuth error code, if it was refused.
    pub error: Option<&'static str>,
    /// What to mend, in words for the client's own developer.
    pub description: Option<String>,
    pub request_id: String,
}

/// The same as it is read back.
#[derive(Clone, Debug)]
pub struct PastRequest {
    pub at: OffsetDateTime,
    pub endpoint: String,
    pub error: Option<String>,
    pub description: Option<String>,
    pub request_id: String,
}

/// Takes requests to be written.
#[derive(Clone, Debug)]
pub struct RequestLog(mpsc::Sender<LoggedRequest>);

/// Requests that may wait; more are dropped, for nothing on the way of a request waits for its log.
const QUEUE: usize = 4_096;
/// Characters of a description.
const LONGEST_DESCRIPTION: usize = 1_000;
/// How long a batch is gathered.
const GATHER: Duration = Duration::from_millis(500);
/// Of one client at one endpoint, no more than these a batch: the log is for reading, and a busy client would write without end.
const MOST_OF_ONE: usize = 10;

impl RequestLog {
    /// Starts the task that writes, keeping the last `most` requests of each client.
    #[must_use]
    pub fn start(db: Db, most: u32) -> Self {
        let (queue, requests) = mpsc::channel(QUEUE);
        tokio::spawn(write_all(db, most, requests));
        Self(queue)
    }

    /// Takes a request to be written soon.
    pub fn push(&self, mut request: LoggedRequest) {
        // Some of it is what a stranger sent; thousands may wait here, and a hundred are kept of each client.
        if let Some(description) = &mut request.description
            && let Some((end, _)) = description.char_indices().nth(LONGEST_DESCRIPTION)
        {
            description.truncate(end);
            description.push('…');
        }
        if self.0.try_send(request).is_err() {
            tracing::debug!("request log full: a line is dropped");
        }
    }
}

async fn write_all(db: Db, most: u32, mut requests: mpsc::Receiver<LoggedRequest>) {
    let mut batch = Vec::new();
    while requests.recv_many(&mut batch, QUEUE).await > 0 {
        tokio::time::sleep(GATHER).await;
        while let Ok(more) = requests.try_recv() {
            batch.push(more);
        }
        if let Err(error) = write(&db, most, last_of_each(std::mem::take(&mut batch))).await {
            tracing::warn!(%error, "request log not written");
        }
    }
}

/// Keeps the last few of each client at each endpoint, refusals before successes.
fn last_of_each(batch: Vec<LoggedRequest>) -> Vec<LoggedRequest> {
    let mut kept: HashMap<(ClientId, &str), usize> = HashMap::new();
    let (refused, good): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .rev()
        .partition(|request| request.error.is_some());
    let mut last: Vec<LoggedRequest> = refused
        .into_iter()
        .chain(good)
        .filter(|request| {
            let count = kept.entry((request.client, request.endpoint)).or_default();
            *count += 1;
            *count <= MOST_OF_ONE
        })
        .collect();
    last.sort_by_key(|request| request.at);
    last
}

async fn write(db: &Db, most: u32, batch: Vec<LoggedRequest>) -> Result<(), Fault> {
    let mut transaction = db.begin().await?;
    let clients = store::insert(&mut transaction, &batch).await?;
    for client in clients {
        store::trim(&mut transaction, client, i64::from(most)).await?;
    }
    transaction.commit().await
}

/// The last requests of a client, newest first.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn last_requests(
    connection: &mut AsyncPgConnection,
    client: ClientId,
    most: u32,
) -> Result<Vec<PastRequest>, Fault> {
    store::last(connection, client, i64::from(most)).await
}

/// When each client of an app last asked for anything; those that never did are not named.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn last_request_of_each(
    connection: &mut AsyncPgConnection,
    app: AppId,
) -> Result<HashMap<ClientId, OffsetDateTime>, Fault> {
    store::last_of_app(connection, app).await
}
