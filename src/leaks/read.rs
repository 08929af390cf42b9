//! What a reported string says of itself. Nothing is looked up for what says nothing.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{Find, Leaks};
use crate::{
    keys::ValueDigests,
    oauth::leaked::{self, Read},
    types::Fault,
    webhooks,
};

/// What it is looked up as.
pub(super) enum Reading {
    Key(ValueDigests),
    OfClient(Read),
    WebhookSecret([u8; 32]),
}

impl Leaks {
    /// Reads all of them, in their order, on a thread on which nothing else waits: a thousand signatures take a while.
    pub(super) async fn read_all(&self, finds: Arc<[Find]>) -> Result<Vec<Option<Reading>>, Fault> {
        let leaks = self.clone();
        spawn_blocking(move || finds.iter().map(|find| leaks.read(find.token.expose())).collect())
            .await
            .map_err(Fault::internal)?
    }

    fn read(&self, text: &str) -> Result<Option<Reading>, Fault> {
        if let Some(digests) = self.keys.digests_of(text) {
            return Ok(Some(Reading::Key(digests)));
        }
        if let Some(digest) = webhooks::secret_digest(text) {
            return Ok(Some(Reading::WebhookSecret(digest)));
        }
        Ok(leaked::read(&self.authority, text)?.map(Reading::OfClient))
    }
}
