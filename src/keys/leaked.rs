//! Values that somebody found where they should not be: which keys have them, or had them before.
//!
//! Whoever takes a report looks them up, holds the apps, then holds the keys: what is decided of a key is decided of what it
//! is by then. A value that it had before it was regenerated says nothing against the one that it has now.

use std::collections::HashMap;

use diesel_async::AsyncPgConnection;
use time::OffsetDateTime;

use super::{ApiKey, Keys, RevokedBecause, revoke::revoke_in, store};
use crate::{
    audit::By,
    crypto::Purpose,
    types::{ApiKeyId, AppId, Fault},
};

/// What a presented value is known by: its digests under all peppers.
#[derive(Clone, Debug)]
pub struct ValueDigests(Vec<[u8; 32]>);

/// The key of a value, before it is held.
#[derive(Clone, Copy, Debug)]
pub struct ValueOf {
    pub key: ApiKeyId,
    pub app: Option<AppId>,
}

impl Keys {
    /// What a string is looked up by; none for what has not the form of a key, checksum and all.
    #[must_use]
    pub fn digests_of(&self, presented: &str) -> Option<ValueDigests> {
        self.formats.read(presented)?;
        let macs = self.keyring.macs(Purpose::ApiKey, presented.as_bytes());
        Some(ValueDigests(macs.into_iter().map(|mac| mac.tag).collect()))
    }

    /// The keys that have these values, or had them, in their order.
    ///
    /// # Errors
    ///
    /// If the database is out of reach, or this node lacks the current pepper: then it cannot be known.
    pub async fn values_of(
        &self,
        connection: &mut AsyncPgConnection,
        values: &[&ValueDigests],
    ) -> Result<Vec<Option<ValueOf>>, Fault> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        self.keyring.current_id(Purpose::ApiKey)?;
        let tags: Vec<&[u8]> = values
            .iter()
            .flat_map(|value| value.0.iter().map(<[u8; 32]>::as_slice))
            .collect();
        let found: HashMap<Vec<u8>, ValueOf> = store::by_values(connection, tags).await?;
        let of = |value: &&ValueDigests| {
            let mut own = value.0.iter();
            own.find_map(|tag| found.get(tag.as_slice())).copied()
        };
        Ok(values.iter().map(of).collect())
    }

    /// Those keys as they are, held until the transaction ends.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn hold_keys(
        &self,
        connection: &mut AsyncPgConnection,
        ids: &[ApiKeyId],
    ) -> Result<HashMap<ApiKeyId, ApiKey>, Fault> {
        let keys = store::held_all(connection, ids).await?;
        Ok(keys.into_iter().map(|key| (key.id, key)).collect())
    }

    /// Revokes held keys that were found, with their records and what their apps are told; says which of them were not
    /// revoked before: those the caller appends to the revocation log.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn revoke_found(
        &self,
        connection: &mut AsyncPgConnection,
        keys: &[ApiKey],
        now: OffsetDateTime,
        by: By<'_>,
    ) -> Result<Vec<ApiKeyId>, Fault> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let with = (&self.clock, &self.entropy);
        revoke_in(connection, with, keys, RevokedBecause::Leaked, now, by).await
    }
}

impl ApiKey {
    /// Whether that is the value that it has now.
    #[must_use]
    pub fn has(&self, value: &ValueDigests) -> bool {
        value.0.contains(&self.mac.tag)
    }
}
