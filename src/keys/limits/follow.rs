//! The task that hears what other nodes ask for and give back.

use std::{convert::Infallible, sync::Weak, time::Duration};

use diesel_async::AsyncPgConnection;
use tokio::{sync::watch, time::sleep};

use super::{
    Shared,
    store::{self, News},
};
use crate::{db::Db, types::Fault};

/// After the connection broke, the first pause and the longest; each is twice as long as the one before.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

pub(super) async fn open(db: &Db) -> Result<AsyncPgConnection, Fault> {
    let mut connection = db.listening().await?;
    store::listen(&mut connection).await?;
    Ok(connection)
}

/// Follows until told to stop, or until the limiter is gone.
pub(super) async fn run(
    db: Db,
    connection: AsyncPgConnection,
    shared: Weak<Shared>,
    mut stop: watch::Receiver<()>,
) {
    tokio::select! {
        _ = stop.changed() => {}
        never = follow_for_ever(&db, connection, &shared) => match never {},
    }
}

async fn follow_for_ever(db: &Db, mut connection: AsyncPgConnection, shared: &Weak<Shared>) -> Infallible {
    let (mut pause, longest) = PAUSES;
    loop {
        let Err(fault) = follow(&mut connection, shared).await;
        tracing::warn!(%fault, "does not hear what other nodes ask for; trying again");
        loop {
            sleep(pause).await;
            pause = pause.saturating_mul(2).min(longest);
            if let Ok(opened) = open(db).await {
                connection = opened;
                pause = PAUSES.0;
                break;
            }
        }
    }
}

async fn follow(connection: &mut AsyncPgConnection, shared: &Weak<Shared>) -> Result<Infallible, Fault> {
    loop {
        let news = store::next_news(connection).await?;
        let Some(shared) = shared.upgrade() else {
            continue;
        };
        match news {
            News::Given(id) => shared.heard_of_given(&id),
            News::Recall(id, nodes) if nodes.contains(&shared.means.node) => {
                tokio::spawn(async move {
                    if let Err(fault) = shared.give_back(&id).await {
                        tracing::debug!(%fault, "nothing was given back; the next recall finds it");
                    }
                });
            }
            News::Recall(..) => {}
        }
    }
}
