//! The keys that sign tokens: made on first start, sealed at rest, published before they sign and kept after as
//! long as what they signed can live.

mod retire;
mod store;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use diesel_async::AsyncPgConnection;
use jsonwebtoken::{Algorithm, DecodingKey, jwk::Jwk};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{
    audit::{Action, Actor, Record, Subject},
    config::{Config, SigningAlgorithm},
    crypto::{JwtType, Keyring, Purpose, SigningKey},
    db::Db,
    types::{Clock, Entropy, Fault, SigningKeyId},
};

/// One key, and from when on it signs.
pub(super) struct Published {
    pub(super) key: SigningKey,
    pub(super) verifies: DecodingKey,
    pub(super) signs_from: OffsetDateTime,
    /// From when on nothing that it signed is believed, where an operator has said so.
    pub(super) ends_at: Option<OffsetDateTime>,
}

impl Published {
    fn is_over(&self, now: OffsetDateTime) -> bool {
        self.ends_at.is_some_and(|end| end <= now)
    }
}

/// A signing key without its private half.
#[derive(Clone, Debug)]
pub struct SigningKeyStatus {
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    pub signs_from: OffsetDateTime,
    /// When its successor takes over, if there is one.
    pub signs_until: Option<OffsetDateTime>,
}

/// All keys that are published now.
#[derive(Default)]
struct Keys {
    published: Vec<Arc<Published>>,
    jwks: String,
}

/// This node's copy of the keys.
#[derive(Clone)]
pub struct SigningKeys {
    db: Db,
    clock: Clock,
    entropy: Entropy,
    keyring: Keyring,
    rotation: Duration,
    lead: Duration,
    /// How long a token outlives the moment it was signed.
    longest_token: Duration,
    keys: Arc<RwLock<Arc<Keys>>>,
}

/// All algorithms are there from the start: clients choose the one of their ID tokens.
const ALGORITHMS: [SigningAlgorithm; 3] = [
    SigningAlgorithm::ES256,
    SigningAlgorithm::EdDSA,
    SigningAlgorithm::RS256,
];

/// Clocks that verify tokens differ from ours by less.
const SKEW: Duration = Duration::from_mins(5);

impl SigningKeys {
    /// Reads the keys, and makes the first of each algorithm where there is none.
    ///
    /// # Errors
    ///
    /// If the database is out of reach or a key does not open.
    pub async fn load(
        db: Db,
        clock: Clock,
        entropy: Entropy,
        keyring: Keyring,
        config: &Config,
    ) -> Result<Self, Fault> {
        let lifetimes = &config.lifetimes;
        let this = Self {
            db,
            clock,
            entropy,
            keyring,
            rotation: config.oauth.signing_key_rotation.duration(),
            lead: config.oauth.signing_key_lead.duration(),
            longest_token: lifetimes
                .access_token
                .duration()
                .max(lifetimes.id_token.duration()),
            keys: Arc::default(),
        };
        this.rotate_due(Actor::System).await?;
        Ok(this)
    }

    /// Reads the keys again, for those that another node has made.
    ///
    /// # Errors
    ///
    /// As [`SigningKeys::load`].
    pub async fn reload(&self, connection: &mut AsyncPgConnection) -> Result<(), Fault> {
        let now = self.clock.now();
        let published: Vec<_> = store::all(connection, &self.keyring)
            .await?
            .into_iter()
            .filter(|own| !own.is_over(now))
            .map(Arc::new)
            .collect();
        let jwks =
            json!({ "keys": published.iter().map(|own| own.key.public_jwk()).collect::<Vec<&Value>>() });
        let keys = Arc::new(Keys {
            published,
            jwks: jwks.to_string(),
        });
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Makes whatever key is due: the first of an algorithm at once, a successor ahead of its time.
    /// Removes keys that nothing can need any more. Returns how many rows it changed.
    ///
    /// # Errors
    ///
    /// As [`SigningKeys::load`].
    pub async fn rotate_due(&self, actor: Actor) -> Result<usize, Fault> {
        let now = self.clock.now();
        self.reload(&mut *self.db.connection().await?).await?;
        let mut changed = 0;
        for algorithm in ALGORITHMS {
            let newest = self
                .current()
                .published
                .iter()
                .filter(|own| own.key.algorithm() == algorithm)
                .fold(None, |newest: Option<OffsetDateTime>, own| {
                    newest.max(Some(own.signs_from))
                });
            let due = newest.is_none_or(|newest| now >= newest + self.rotation.saturating_sub(self.lead));
            if due {
                let signs_from = newest.map_or(now, |_| now + self.lead);
                changed += usize::from(self.add(algorithm, newest, signs_from, actor).await?);
            }
        }
        let gone = now - self.longest_token - SKEW;
        changed += store::delete_retired(&mut *self.db.connection().await?, gone).await?;
        self.reload(&mut *self.db.connection().await?).await?;
        Ok(changed)
    }

    /// Makes the successor of each algorithm's key now, whether it is due or not. It signs after the lead,
    /// when clients have read it.
    ///
    /// # Errors
    ///
    /// As [`SigningKeys::load`].
    pub async fn rotate_now(&self, actor: Actor) -> Result<usize, Fault> {
        let now = self.clock.now();
        let mut changed = 0;
        for algorithm in ALGORITHMS {
            let newest = self
                .current()
                .published
                .iter()
                .filter(|own| own.key.algorithm() == algorithm)
                .map(|own| own.signs_from)
                .max();
            let signs_from = newest.map_or(now, |_| now + self.lead);
            changed += usize::from(self.add(algorithm, newest, signs_from, actor).await?);
        }
        self.reload(&mut *self.db.connection().await?).await?;
        Ok(changed)
    }

    /// Adds a key, unless another node has added one since `newest` was read.
    async fn add(
        &self,
        algorithm: SigningAlgorithm,
        newest: Option<OffsetDateTime>,
        signs_from: OffsetDateTime,
        actor: Actor,
    ) -> Result<bool, Fault> {
        let now = self.clock.now();
        // RSA keys take their time.
        let pkcs8 = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm))
            .await
            .map_err(Fault::internal)??;
        let key = SigningKey::from_pkcs8(algorithm, &pkcs8)?;
        let id = SigningKeyId::new(&self.clock, &self.entropy);
        let sealed = self
            .keyring
            .seal(Purpose::SigningKey, &store::place(id), &pkcs8)?;
        let mut transaction = self.db.begin().await?;
        store::lock(&mut transaction).await?;
        if store::newest(&mut transaction, algorithm).await? != newest {
            return Ok(false);
        }
        store::retire(&mut transaction, algorithm, signs_from).await?;
        store::insert(&mut transaction, id, &key, &sealed, now, signs_from).await?;
        Record::done(
            now,
            actor,
            Action::ServerKeyRotated,
            Subject::Key(key.kid().to_owned()),
        )
        .detail("algorithm", store::name(algorithm))
        .write(&mut transaction)
        .await?;
        transaction.commit().await?;
        Ok(true)
    }

    fn current(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All published keys.
    #[must_use]
    pub fn status(&self) -> Vec<SigningKeyStatus> {
        let keys = self.current();
        let successor_of = |own: &Published| {
            keys.published
                .iter()
                .filter(|other| other.key.algorithm() == own.key.algorithm())
                .map(|other| other.signs_from)
                .filter(|from| *from > own.signs_from)
                .min()
        };
        keys.published
            .iter()
            .map(|own| SigningKeyStatus {
                kid: own.key.kid().to_owned(),
                algorithm: own.key.algorithm(),
                signs_from: own.signs_from,
                signs_until: successor_of(own),
            })
            .collect()
    }

    /// The key set as JSON (RFC 7517 §5).
    #[must_use]
    pub fn jwks(&self) -> String {
        self.current().jwks.clone()
    }

    /// Signs `payload` with the key of that algorithm whose turn it is.
    ///
    /// # Errors
    ///
    /// If there is none, which [`SigningKeys::load`] rules out.
    pub fn sign(&self, algorithm: SigningAlgorithm, typ: JwtType, payload: &[u8]) -> Result<String, Fault> {
        let now = self.clock.now();
        let keys = self.current();
        let usable = || {
            keys.published
                .iter()
                .filter(|own| own.key.algorithm() == algorithm && !own.is_over(now))
        };
        usable()
            .filter(|own| own.signs_from <= now)
            .max_by_key(|own| own.signs_from)
            // Before the first key's time: the clock has stepped back, or is behind that of the node that made it.
            .or_else(|| usable().min_by_key(|own| own.signs_from))
            .ok_or_else(|| Fault::internal(format!("no {algorithm:?} key to sign with")))?
            .key
            .sign(typ, payload)
    }

    /// The key that `kid` names, with its algorithm, for verifying.
    #[must_use]
    pub(super) fn verifier(&self, kid: &str) -> Option<(Algorithm, DecodingKey)> {
        let now = self.clock.now();
        let keys = self.current();
        let own = keys
            .published
            .iter()
            .find(|own| own.key.kid() == kid && !own.is_over(now))?;
        let algorithm = match own.key.algorithm() {
            SigningAlgorithm::ES256 => Algorithm::ES256,
            SigningAlgorithm::EdDSA => Algorithm::EdDSA,
            SigningAlgorithm::RS256 => Algorithm::RS256,
        };
        Some((algorithm, own.verifies.clone()))
    }

    /// Seals private halves anew that are still under an older key.
    ///
    /// # Errors
    ///
    /// If the database is out of reach or a key does not open.
    pub async fn reseal(&self) -> Result<usize, Fault> {
        store::reseal(&mut *self.db.connection().await?, &self.keyring).await
    }
}

pub(super) fn verifying_half(key: &SigningKey) -> Result<DecodingKey, Fault> {
    let jwk: Jwk = serde_json::from_value(key.public_jwk().clone()).map_err(Fault::internal)?;
    DecodingKey::from_jwk(&jwk).map_err(Fault::internal)
}
