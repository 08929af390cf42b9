use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Keyring, Place, Purpose};
use crate::types::{ClientContext, Fault};

/// From where a session or a grant was used: kept sealed, for its person to see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub address: IpAddr,
    pub user_agent: String,
}

impl From<&ClientContext> for Origin {
    fn from(context: &ClientContext) -> Self {
        Self {
            address: context.address,
            user_agent: context.user_agent.clone(),
        }
    }
}

impl Keyring {
    /// Seals where a request came from, for its `place`.
    ///
    /// # Errors
    ///
    /// As [`Keyring::current_id`].
    pub fn seal_origin(&self, place: &Place, origin: &Origin) -> Result<Vec<u8>, Fault> {
        let plain = postcard::to_stdvec(origin).map_err(Fault::internal)?;
        self.seal(Purpose::ClientContext, place, &plain)
    }

    /// Opens what [`Keyring::seal_origin`] made for the same place.
    #[must_use]
    pub fn open_origin(&self, place: &Place, sealed: &[u8]) -> Option<Origin> {
        postcard::from_bytes(&self.open(Purpose::ClientContext, place, sealed)?).ok()
    }
}
