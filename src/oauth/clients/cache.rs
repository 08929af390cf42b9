use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::{Client, store};
use crate::{
    db::Db,
    revocation::{Applied, Revocations, Subject},
    types::{ClientId, Fault},
};

/// This node's copies of clients. They may be answered from because whoever changes a client records that in
/// the revocation log, and waits until every node has dropped its copy or lost its lease.
#[derive(Clone)]
pub struct ClientCache {
    db: Db,
    revocations: Revocations,
    copies: Arc<RwLock<HashMap<ClientId, Arc<Client>>>>,
}

impl ClientCache {
    /// Copies kept before all are dropped; a registry of millions must not fill the memory.
    const MOST: usize = 10_000;

    #[must_use]
    pub fn new(db: Db, revocations: Revocations) -> Self {
        let copies = Arc::<RwLock<HashMap<ClientId, Arc<Client>>>>::default();
        let applied_to = copies.clone();
        revocations.on_applied(move |applied| {
            let mut copies = applied_to.write().unwrap_or_else(PoisonError::into_inner);
            match applied {
                Applied::Entry(Subject::Client(id)) => {
                    copies.remove(id);
                }
                Applied::Entry(_) => {}
                Applied::Gap => copies.clear(),
            }
        });
        Self {
            db,
            revocations,
            copies,
        }
    }

    /// Drops this node's copy; the next request reads the row.
    pub(super) fn forget(&self, id: ClientId) {
        self.copies
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
    }

    /// Whether this node has a copy of that client.
    pub(super) fn holds(&self, id: ClientId) -> bool {
        self.copies
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(&id)
    }

    /// The client of that id, from memory while this node's lease lasts and from the database otherwise.
    ///
    /// # Errors
    ///
    /// If the database is needed and out of reach.
    pub async fn get(&self, id: ClientId) -> Result<Option<Arc<Client>>, Fault> {
        if self.revocations.view().is_ok()
            && let Some(client) = self
                .copies
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&id)
        {
            return Ok(Some(client.clone()));
        }
        let epoch = self.revocations.epoch();
        let Some(client) = store::client(&mut *self.db.connection().await?, id).await? else {
            return Ok(None);
        };
        let client = Arc::new(client);
        let mut copies = self.copies.write().unwrap_or_else(PoisonError::into_inner);
        // A change that was applied while the row was being read may not be in it.
        if self.revocations.epoch() == epoch {
            if copies.len() >= Self::MOST {
                copies.clear();
            }
            copies.insert(id, client.clone());
        }
        Ok(Some(client))
    }
}
