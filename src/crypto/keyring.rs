use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use aws_lc_rs::{
    aead::{AES_256_GCM, LessSafeKey, UnboundKey},
    hmac,
};
use diesel_async::AsyncPgConnection;
use time::OffsetDateTime;

use super::{FileMasterKey, KeyId, KeyState, KeyStatus, Mac, MasterKeys, Purpose, store};
use crate::types::{Clock, Entropy, Fault};

pub(super) struct DerivedKey {
    pub(super) id: KeyId,
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
    pub(super) retired_at: Option<OffsetDateTime>,
}

impl KeyRecord {
    fn is_retired(&self, now: OffsetDateTime) -> bool {
        self.retired_at.is_some_and(|at| at <= now)
    }

    /// Of several keys that are active, the greatest is current.
    const fn rank(&self) -> (OffsetDateTime, KeyId) {
        (self.active_from, self.id)
    }
}

/// A row, with the key unless it is retired or its master key is not here.
struct Slot {
    record: KeyRecord,
    key: Option<Arc<DerivedKey>>,
}

struct Ring {
    masters: MasterKeys,
    slots: HashMap<KeyId, Slot>,
    /// Master keys of keys that are not retired, and that are not here.
    missing: BTreeSet<String>,
}

impl Ring {
    fn current(&self, purpose: Purpose, now: OffsetDateTime) -> Option<&Slot> {
        let usable = || {
            self.slots
                .values()
                .filter(|slot| slot.record.purpose == purpose && !slot.record.is_retired(now))
        };
        usable()
            .filter(|slot| slot.record.active_from <= now)
            .max_by_key(|slot| slot.record.rank())
            // Before the first key's time: the clock has stepped back, or is behind that of the node that made it.
            .or_else(|| usable().min_by_key(|slot| slot.record.rank()))
    }
}

/// All derived keys, in memory. Each is HKDF-Expand (RFC 5869 §2.3) of a master key with its own `info`;
/// Extract is skipped because the master key is uniform (§3.3).
///
/// A node that lacks the master key of a purpose's current key neither seals nor authenticates for that purpose:
/// what it made with an older one would go when that is retired. It goes on opening and verifying.
#[derive(Clone)]
pub struct Keyring {
    /// Where master keys are read again, when a row names one that is not here.
    file: Option<FileMasterKey>,
    clock: Clock,
    pub(super) entropy: Entropy,
    ring: Arc<RwLock<Ring>>,
}

impl Keyring {
    /// The master keys that keys in use come from, each with how many.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn masters_in_use(
        connection: &mut AsyncPgConnection,
        now: OffsetDateTime,
    ) -> Result<BTreeMap<String, usize>, Fault> {
        let mut used = BTreeMap::new();
        for record in store::all(connection).await? {
            if !record.is_retired(now) {
                *used.entry(record.master_key_id).or_default() += 1;
            }
        }
        Ok(used)
    }

    /// How long before a new key seals, and before one that an operator retires ends: every node has read of it by
    /// then.
    pub const LEAD: Duration = Duration::from_secs(30);

    /// Derives all keys that the database names, and makes the first of each purpose that has none. Further ones
    /// come of [`Keyring::rotate`] alone, those of a new master key too: by then every node has it.
    ///
    /// # Errors
    ///
    /// If the database is out of reach, or a key's master key is not given.
    pub async fn load(
        connection: &mut AsyncPgConnection,
        masters: MasterKeys,
        file: Option<FileMasterKey>,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<Self, Fault> {
        let keyring = Self {
            file,
            clock,
            entropy,
            ring: Arc::new(RwLock::new(Ring {
                masters,
                slots: HashMap::new(),
                missing: BTreeSet::new(),
            })),
        };
        let known = store::all(connection).await?;
        for purpose in Purpose::ALL {
            if !known.iter().any(|record| record.purpose == purpose) {
                let newest = keyring.newest_master()?;
                store::insert(connection, purpose, 1, &newest, keyring.clock.now()).await?;
            }
        }
        keyring.reload(connection).await?;
        match keyring.missing_master_keys().first() {
            None => Ok(keyring),
            Some(missing) => Err(Fault::internal(format!(
                "the master key {missing} is not given, but data is sealed under it: is this the right master key \
                 for this database?"
            ))),
        }
    }

    /// Reads what was added and retired since, by this node or another. A master key that a row names and that is
    /// not here is looked for in the file; if it is not there either, [`Keyring::missing_master_keys`] says so.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn reload(&self, connection: &mut AsyncPgConnection) -> Result<(), Fault> {
        let records = store::all(connection).await?;
        let now = self.clock.now();
        let mut masters = self.ring().masters.clone();
        let mut missing = missing_of(&records, &masters, now);
        if !missing.is_empty()
            && let Some(file) = &self.file
        {
            match file.read_keys() {
                Ok(found) => masters = masters.and(&found),
                Err(error) => tracing::error!(%error, "cannot look for a new master key"),
            }
            missing = missing_of(&records, &masters, now);
        }
        let mut slots = HashMap::with_capacity(records.len());
        for record in records {
            let key = if record.is_retired(now) {
                None
            } else {
                derive(&masters, &record)?.map(Arc::new)
            };
            slots.insert(record.id, Slot { record, key });
        }
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        // At the start that is an error of its own.
        let started = !ring.slots.is_empty();
        for id in missing.difference(&ring.missing).filter(|_| started) {
            tracing::error!(
                master_key = %id,
                "a key comes from a master key that this node does not have: it opens what older keys sealed, and \
                 seals nothing under that one's purpose"
            );
        }
        for id in masters.ids().filter(|id| ring.masters.find(id).is_none()) {
            tracing::info!(master_key = %id, "a new master key was read");
        }
        *ring = Ring {
            masters,
            slots,
            missing,
        };
        Ok(())
    }

    /// Master keys that this node should have and has not.
    #[must_use]
    pub fn missing_master_keys(&self) -> Vec<String> {
        self.ring().missing.iter().cloned().collect()
    }

    /// Adds the next version of a purpose's key, derived from the newest master key: it seals and authenticates
    /// from [`Keyring::LEAD`] on, the older ones go on opening and verifying.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn rotate(&self, connection: &mut AsyncPgConnection, purpose: Purpose) -> Result<i32, Fault> {
        let newest = self.newest_master()?;
        let known = store::all(connection).await?;
        let last = known
            .iter()
            .filter(|record| record.purpose == purpose)
            .map(|record| record.version)
            .max()
            .unwrap_or(0);
        let version = last + 1;
        let active_from = self.clock.now() + Self::LEAD;
        store::insert(connection, purpose, version, &newest, active_from).await?;
        self.reload(connection).await?;
        Ok(version)
    }

    /// Lets a key end at `at`; false if it has an end already. Nodes follow with their next [`Keyring::reload`].
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn retire(
        &self,
        connection: &mut AsyncPgConnection,
        id: KeyId,
        at: OffsetDateTime,
    ) -> Result<bool, Fault> {
        store::retire(connection, id, at).await
    }

    /// The key that seals and authenticates now.
    pub(super) fn current(&self, purpose: Purpose) -> Result<Arc<DerivedKey>, Fault> {
        let now = self.clock.now();
        let ring = self.ring();
        let slot = ring
            .current(purpose, now)
            .ok_or_else(|| Fault::internal(format!("no key for {}", purpose.name())))?;
        slot.key
            .clone()
            .ok_or_else(|| lacking(purpose, &slot.record.master_key_id))
    }

    /// All keys, oldest first.
    #[must_use]
    pub fn status(&self) -> Vec<KeyStatus> {
        let now = self.clock.now();
        let ring = self.ring();
        let state = |record: &KeyRecord| {
            let current = ring.current(record.purpose, now);
            if record.is_retired(now) {
                KeyState::Retired
            } else if current.is_some_and(|current| current.record.id == record.id) {
                KeyState::Current
            } else if record.active_from > now {
                KeyState::Waiting
            } else {
                KeyState::Serving
            }
        };
        let successor = |record: &KeyRecord| {
            ring.slots
                .values()
                .map(|slot| &slot.record)
                .filter(|other| other.purpose == record.purpose && other.rank() > record.rank())
                .map(|other| other.active_from)
                .min()
        };
        let mut status: Vec<_> = ring
            .slots
            .values()
            .map(|slot| KeyStatus {
                id: slot.record.id,
                purpose: slot.record.purpose,
                master_key_id: slot.record.master_key_id.clone(),
                active_from: slot.record.active_from,
                superseded_at: successor(&slot.record),
                retired_at: slot.record.retired_at,
                state: state(&slot.record),
            })
            .collect();
        status.sort_by_key(|key| key.id);
        status
    }

    /// Whether an older key of `purpose` still serves beside the current one, so that something may be sealed with it.
    #[must_use]
    pub fn is_superseding(&self, purpose: Purpose) -> bool {
        self.status()
            .iter()
            .any(|key| key.purpose == purpose && key.state == KeyState::Serving)
    }

    /// The id of the key that seals and authenticates now.
    ///
    /// # Errors
    ///
    /// If there is none, which [`Keyring::load`] rules out, or this node lacks its master key.
    pub fn current_id(&self, purpose: Purpose) -> Result<KeyId, Fault> {
        self.current(purpose).map(|key| key.id)
    }

    pub(super) fn by_id(&self, purpose: Purpose, id: KeyId) -> Option<Arc<DerivedKey>> {
        let now = self.clock.now();
        let ring = self.ring();
        let slot = ring.slots.get(&id)?;
        let good = slot.record.purpose == purpose && !slot.record.is_retired(now);
        slot.key.clone().filter(|_| good)
    }

    /// Passes unless a key is in use that this node cannot derive. What names it is then neither good nor bad here, and
    /// must not be refused as if it were bad.
    ///
    /// # Errors
    ///
    /// [`Fault::Unavailable`] in that case.
    pub fn can_tell(&self, id: KeyId) -> Result<(), Fault> {
        let now = self.clock.now();
        match self.ring().slots.get(&id) {
            Some(slot) if slot.key.is_none() && !slot.record.is_retired(now) => {
                Err(lacking(slot.record.purpose, &slot.record.master_key_id))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// HMAC-SHA256 of `message` under the current key of `purpose`.
    ///
    /// # Errors
    ///
    /// As [`Keyring::current_id`].
    pub fn mac(&self, purpose: Purpose, message: &[u8]) -> Result<Mac, Fault> {
        self.current(purpose).map(|key| key.mac(message))
    }

    /// The same under every key of `purpose` that is here and serves, the current one among them: for what is looked up
    /// by its digest.
    #[must_use]
    pub fn macs(&self, purpose: Purpose, message: &[u8]) -> Vec<Mac> {
        let now = self.clock.now();
        let ring = self.ring();
        let mut keys: Vec<_> = ring
            .slots
            .values()
            .filter(|slot| slot.record.purpose == purpose && !slot.record.is_retired(now))
            .filter_map(|slot| slot.key.as_ref())
            .collect();
        keys.sort_by_key(|key| key.id);
        keys.into_iter().map(|key| key.mac(message)).collect()
    }

    /// The same under a named key; none if that key is not of this purpose, not known, or retired.
    #[must_use]
    pub fn mac_with(&self, purpose: Purpose, id: KeyId, message: &[u8]) -> Option<Mac> {
        self.by_id(purpose, id).map(|key| key.mac(message))
    }

    /// The master key that new keys are derived from.
    ///
    /// # Errors
    ///
    /// If there is none, which [`MasterKeys::new`] rules out.
    pub fn newest_master(&self) -> Result<String, Fault> {
        let ring = self.ring();
        let newest = ring.masters.ids().next().map(str::to_owned);
        newest.ok_or_else(|| Fault::internal("no master key"))
    }

    fn ring(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lacking(purpose: Purpose, master_key_id: &str) -> Fault {
    Fault::unavailable(format!(
        "the key of {} comes from the master key {master_key_id}, which this node does not have",
        purpose.name()
    ))
}

fn missing_of(records: &[KeyRecord], masters: &MasterKeys, now: OffsetDateTime) -> BTreeSet<String> {
    records
        .iter()
        .filter(|record| !record.is_retired(now) && masters.find(&record.master_key_id).is_none())
        .map(|record| record.master_key_id.clone())
        .collect()
}

/// The key that a row names; none if its master key is not here.
fn derive(masters: &MasterKeys, record: &KeyRecord) -> Result<Option<DerivedKey>, Fault> {
    let Some(master) = masters.find(&record.master_key_id) else {
        return Ok(None);
    };
    // info = purpose, tenant, provider, version; tenant and provider are for keys of the vault. The one block of
    // output is T(1) = HMAC(PRK, info | 0x01).
    let info = format!("claviger/v1/{}/-/-/{}", record.purpose.name(), record.version);
    let mut message = info.into_bytes();
    message.push(1);
    let secret = master.hmac_sha256(&message).map_err(Fault::internal)?;
    let aead = UnboundKey::new(&AES_256_GCM, secret.as_slice()).map_err(Fault::internal)?;
    Ok(Some(DerivedKey {
        id: record.id,
        mac: hmac::Key::new(hmac::HMAC_SHA256, secret.as_slice()),
        aead: LessSafeKey::new(aead),
    }))
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
        write!(f, "Keyring({:?})", self.ring().masters)
    }
}
