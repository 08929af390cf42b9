//! The rows of all allowances, as one node reads and changes them: whatever is asked for while a statement is under way is
//! done by the next one. So a node on which very many keys come into use waits for one flush of the database's log
//! where it would wait for one for each key.

use std::{collections::HashSet, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use time::OffsetDateTime;
use tokio::sync::{mpsc, oneshot};

use super::{
    model::AllowanceId,
    store::{self, Change, News, Stored},
};
use crate::{db::Db, types::Fault};

/// Rows in one statement.
const MOST: usize = 500;

/// A row as it was read or written, with its version; version 0 is none.
#[derive(Clone, Debug)]
pub(super) struct Versioned<R> {
    pub(super) version: i64,
    pub(super) row: R,
}

/// Clones share the statements.
#[derive(Clone)]
pub(super) struct Rows {
    reads: mpsc::UnboundedSender<Errand<AllowanceId, Option<Stored>>>,
    changes: mpsc::UnboundedSender<Errand<Change, bool>>,
}

/// What is to be done, and who waits for it.
struct Errand<A, B> {
    asked: A,
    answer: oneshot::Sender<Result<B, Arc<Fault>>>,
}

trait OfRow {
    fn id(&self) -> AllowanceId;
}

impl OfRow for AllowanceId {
    fn id(&self) -> AllowanceId {
        *self
    }
}

impl OfRow for Change {
    fn id(&self) -> AllowanceId {
        self.id
    }
}

impl Rows {
    /// Within a runtime. The tasks that ask the database end with the last clone.
    pub(super) fn start(db: Db) -> Self {
        let (reads, to_read) = mpsc::unbounded_channel();
        let (changes, to_change) = mpsc::unbounded_channel();
        let of = db.clone();
        tokio::spawn(run(to_read, async move |ids: &[AllowanceId]| {
            store::read(&mut *of.connection().await?, ids).await
        }));
        tokio::spawn(run(to_change, async move |changes: &[Change]| {
            store::replace(&mut *db.connection().await?, changes).await
        }));
        Self { reads, changes }
    }

    pub(super) async fn read<R: Default + DeserializeOwned>(
        &self,
        id: AllowanceId,
    ) -> Result<Versioned<R>, Fault> {
        match ask(&self.reads, id).await? {
            None => Ok(Versioned {
                version: 0,
                row: R::default(),
            }),
            Some(Stored { version, state }) => Ok(Versioned {
                version,
                row: serde_json::from_value(state)
                    .map_err(|_malformed| Fault::inconsistent("allowances", "state", id.subject))?,
            }),
        }
    }

    /// Writes what `seen` becomes, if it is still what was seen, and tells the nodes `news`. None if it is not.
    pub(super) async fn replace<R: Serialize>(
        &self,
        id: AllowanceId,
        seen: i64,
        row: R,
        at: OffsetDateTime,
        news: Option<&News>,
    ) -> Result<Option<Versioned<R>>, Fault> {
        let change = Change {
            id,
            seen,
            state: serde_json::to_string(&row).map_err(Fault::internal)?,
            at,
            news: news.map(News::write).unwrap_or_default(),
        };
        let is_done = ask(&self.changes, change).await?;
        Ok(is_done.then(|| Versioned {
            version: seen.saturating_add(1),
            row,
        }))
    }
}

async fn ask<A, B>(queue: &mpsc::UnboundedSender<Errand<A, B>>, asked: A) -> Result<B, Fault> {
    let (answer, answered) = oneshot::channel();
    let stopped = || Fault::unavailable("whoever asks for the rows of limits was stopped");
    queue
        .send(Errand { asked, answer })
        .map_err(|_stopped| stopped())?;
    match answered.await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(fault)) => Err(shared(&fault)),
        Err(_stopped) => Err(stopped()),
    }
}

/// A fault that several have to be told.
pub(super) fn shared(fault: &Fault) -> Fault {
    match fault {
        Fault::Unavailable(cause) => Fault::unavailable(cause.to_string()),
        Fault::Internal(cause) => Fault::internal(cause.to_string()),
    }
}

async fn run<A: OfRow, B>(
    mut queue: mpsc::UnboundedReceiver<Errand<A, B>>,
    mut carry_out: impl AsyncFnMut(&[A]) -> Result<Vec<B>, Fault>,
) {
    let mut waiting = Vec::new();
    while !waiting.is_empty() || queue.recv_many(&mut waiting, MOST).await > 0 {
        let (mut asked, mut answers) = (Vec::new(), Vec::new());
        let mut rows = HashSet::new();
        for errand in std::mem::take(&mut waiting) {
            // One row twice in a statement would be changed once.
            if rows.insert(errand.asked.id()) {
                asked.push(errand.asked);
                answers.push(errand.answer);
            } else {
                waiting.push(errand);
            }
        }
        match carry_out(&asked).await {
            Ok(done) => {
                for (answer, done) in answers.into_iter().zip(done) {
                    let _gone = answer.send(Ok(done));
                }
            }
            Err(fault) => {
                let fault = Arc::new(fault);
                for answer in answers {
                    let _gone = answer.send(Err(Arc::clone(&fault)));
                }
            }
        }
    }
}
