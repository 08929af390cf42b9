use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use aws_lc_rs::{
    aead::{AES_256_GCM, LessSafeKey, UnboundKey},
    hmac,
};
use diesel_async::AsyncPgConnection;
use time::OffsetDateTime;

use super::{MasterKeys, store};
use crate::types::{Clock, Entropy, Fault};

/// What a derived key is for. No key serves two purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Seals authorization codes.
    AuthorizationCode,
    /// Authenticates refresh tokens.
    RefreshToken,
    /// Digests client secrets, so that a stolen table alone is no use.
    ClientSecret,
    /// Seals the private halves of signing keys.
    SigningKey,
    /// Seals addresses and user agents on sessions and grants.
    ClientContext,
    /// Compares addresses and user agents without opening them, and digests subjects of throttling.
    Fingerprint,
    /// Binds forms to a browser.
    Csrf,
}

impl Purpose {
    pub const ALL: [Self; 7] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientSecret,
        Self::SigningKey,
        Self::ClientContext,
        Self::Fingerprint,
        Self::Csrf,
    ];

    /// The name in the database and in the derivation. It can never change.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization-code",
            Self::RefreshToken => "refresh-token",
            Self::ClientSecret => "client-secret",
            Self::SigningKey => "signing-key",
            Self::ClientContext => "client-context",
            Self::Fingerprint => "fingerprint",
            Self::Csrf => "csrf",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }
}

/// Names a derived key; stands before what it sealed and in what it authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub i32);

impl KeyId {
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }

    #[must_use]
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(i32::from_be_bytes(bytes))
    }
}

/// HMAC-SHA256 and the key that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac {
    pub key_id: KeyId,
    pub tag: [u8; 32],
}

/// A derived key without itself.
#[derive(Clone, Debug)]
pub struct KeyStatus {
    pub id: KeyId,
    pub purpose: Purpose,
    pub master_key_id: String,
    pub active_from: OffsetDateTime,
    /// Whether it seals and authenticates now; the others only open and verify, or wait for their time.
    pub current: bool,
}

pub(super) struct DerivedKey {
    pub(super) id: KeyId,
    master_key_id: String,
    pub(super) purpose: Purpose,
    active_from: OffsetDateTime,
    mac: hmac::Key,
    pub(super) aead: LessSafeKey,
}

/// A row of `derived_keys`: which key there is, not what it is.
pub(super) struct KeyRecord {
    pub(super) id: KeyId,
    pub(super) purpose: Purpose,
    pub(super) version: i32,
    pub(super) master_key_id: String,
    pub(super) active_from: OffsetDateTime,
}

/// All derived keys, in memory. Each is HKDF-Expand (RFC 5869 §2.3) of a master key with its own `info`;
/// Extract is skipped because the master key is uniform (§3.3).
#[derive(Clone)]
pub struct Keyring {
    masters: MasterKeys,
    clock: Clock,
    pub(super) entropy: Entropy,
    keys: Arc<RwLock<HashMap<KeyId, Arc<DerivedKey>>>>,
}

impl Keyring {
    /// How long before a new key seals: every node has read of it by then.
    pub const LEAD: Duration = Duration::from_secs(30);

    /// Derives all keys that the database names, and the first of each purpose where there is none under
    /// the newest master key.
    ///
    /// # Errors
    ///
    /// If the database is out of reach, or a key's master key is not given.
    pub async fn load(
        connection: &mut AsyncPgConnection,
        masters: MasterKeys,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<Self, Fault> {
        let keyring = Self {
            masters,
            clock,
            entropy,
            keys: Arc::default(),
        };
        keyring.reload(connection).await?;
        let newest = keyring.newest_master()?;
        for purpose in Purpose::ALL {
            let known = keyring.records_of(connection, purpose).await?;
            if !known.iter().any(|record| record.master_key_id == newest) {
                let active_from = if known.is_empty() {
                    keyring.clock.now()
                } else {
                    keyring.clock.now() + Self::LEAD
                };
                let version = known.iter().map(|record| record.version).max().unwrap_or(0) + 1;
                store::insert(connection, purpose, version, &newest, active_from).await?;
            }
        }
        keyring.reload(connection).await?;
        Ok(keyring)
    }

    /// Reads keys that were added since, by this node or another.
    ///
    /// # Errors
    ///
    /// As [`Keyring::load`].
    pub async fn reload(&self, connection: &mut AsyncPgConnection) -> Result<(), Fault> {
        let records = store::all(connection).await?;
        let mut keys = HashMap::with_capacity(records.len());
        for record in records {
            keys.insert(record.id, Arc::new(self.derive(&record)?));
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Adds the next version of a purpose's key: it seals and authenticates from [`Keyring::LEAD`] on, the
    /// older ones go on opening and verifying.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn rotate(&self, connection: &mut AsyncPgConnection, purpose: Purpose) -> Result<i32, Fault> {
        let newest = self.newest_master()?;
        let known = self.records_of(connection, purpose).await?;
        let version = known.iter().map(|record| record.version).max().unwrap_or(0) + 1;
        store::insert(
            connection,
            purpose,
            version,
            &newest,
            self.clock.now() + Self::LEAD,
        )
        .await?;
        self.reload(connection).await?;
        Ok(version)
    }

    /// The key that seals and authenticates now.
    pub(super) fn current(&self, purpose: Purpose) -> Result<Arc<DerivedKey>, Fault> {
        let now = self.clock.now();
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .filter(|key| key.purpose == purpose && key.active_from <= now)
            .max_by_key(|key| (key.active_from, key.id))
            .cloned()
            .ok_or_else(|| Fault::internal(format!("no key for {}", purpose.name())))
    }

    /// All keys, oldest first.
    #[must_use]
    pub fn status(&self) -> Vec<KeyStatus> {
        let current: Vec<KeyId> = Purpose::ALL
            .into_iter()
            .filter_map(|purpose| self.current_id(purpose).ok())
            .collect();
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let mut status: Vec<_> = keys
            .values()
            .map(|key| KeyStatus {
                id: key.id,
                purpose: key.purpose,
                master_key_id: key.master_key_id.clone(),
                active_from: key.active_from,
                current: current.contains(&key.id),
            })
            .collect();
        status.sort_by_key(|key| key.id);
        status
    }

    /// The id of the key that seals and authenticates now.
    ///
    /// # Errors
    ///
    /// If there is none, which [`Keyring::load`] rules out.
    pub fn current_id(&self, purpose: Purpose) -> Result<KeyId, Fault> {
        self.current(purpose).map(|key| key.id)
    }

    pub(super) fn by_id(&self, purpose: Purpose, id: KeyId) -> Option<Arc<DerivedKey>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.get(&id).filter(|key| key.purpose == purpose).cloned()
    }

    /// HMAC-SHA256 of `message` under the current key of `purpose`.
    ///
    /// # Errors
    ///
    /// If there is no such key, which [`Keyring::load`] rules out.
    pub fn mac(&self, purpose: Purpose, message: &[u8]) -> Result<Mac, Fault> {
        self.current(purpose).map(|key| key.mac(message))
    }

    /// The same under a named key; none if that key is not of this purpose, or not known.
    #[must_use]
    pub fn mac_with(&self, purpose: Purpose, id: KeyId, message: &[u8]) -> Option<Mac> {
        self.by_id(purpose, id).map(|key| key.mac(message))
    }

    /// `message` under every key of `purpose`, for looking up what any of them may have digested.
    #[must_use]
    pub fn macs(&self, purpose: Purpose, message: &[u8]) -> Vec<Mac> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.values()
            .filter(|key| key.purpose == purpose)
            .map(|key| key.mac(message))
            .collect()
    }

    fn newest_master(&self) -> Result<String, Fault> {
        self.masters
            .ids()
            .next()
            .map(str::to_owned)
            .ok_or_else(|| Fault::internal("no master key"))
    }

    async fn records_of(
        &self,
        connection: &mut AsyncPgConnection,
        purpose: Purpose,
    ) -> Result<Vec<KeyRecord>, Fault> {
        let records = store::all(connection).await?;
        Ok(records
            .into_iter()
            .filter(|record| record.purpose == purpose)
            .collect())
    }

    fn derive(&self, record: &KeyRecord) -> Result<DerivedKey, Fault> {
        let master = self.masters.find(&record.master_key_id).ok_or_else(|| {
            Fault::internal(format!(
                "the master key {} is not given, but data is sealed under it: is this the right master key for this database?",
                record.master_key_id
            ))
        })?;
        // info = purpose, tenant, provider, version; tenant and provider are for keys of the vault. The one
        // block of output is T(1) = HMAC(PRK, info | 0x01).
        let info = format!("claviger/v1/{}/-/-/{}", record.purpose.name(), record.version);
        let mut message = info.into_bytes();
        message.push(1);
        let secret = master.hmac_sha256(&message).map_err(Fault::internal)?;
        let aead = UnboundKey::new(&AES_256_GCM, secret.as_slice()).map_err(Fault::internal)?;
        Ok(DerivedKey {
            id: record.id,
            master_key_id: record.master_key_id.clone(),
            purpose: record.purpose,
            active_from: record.active_from,
            mac: hmac::Key::new(hmac::HMAC_SHA256, secret.as_slice()),
            aead: LessSafeKey::new(aead),
        })
    }
}

impl DerivedKey {
    fn mac(&self, message: &[u8]) -> Mac {
        let mut tag = [0; 32];
        for (to, from) in tag.iter_mut().zip(hmac::sign(&self.mac, message).as_ref()) {
            *to = *from;
        }
        Mac { key_id: self.id, tag }
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyring({:?})", self.masters)
    }
}
