use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordVerifier as _, Version,
    password_hash::PasswordHasher as _,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::{
    config::Passwords,
    types::{Entropy, Fault},
};

/// Argon2id (RFC 9106), off the async threads and behind a bounded queue: a flood of sign-ins costs
/// latency, then a 503, never all memory.
#[derive(Clone)]
pub struct PasswordHasher {
    argon2: Argon2<'static>,
    entropy: Entropy,
    places: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    computed: Arc<AtomicU64>,
    queue: usize,
    /// A hash that no password has, for people who do not exist.
    nobody: Arc<str>,
}

impl PasswordHasher {
    /// # Errors
    ///
    /// If the parameters are none that Argon2 takes.
    pub fn new(settings: &Passwords, entropy: Entropy) -> Result<Self, Fault> {
        let params = Params::new(
            settings.memory_kib,
            settings.iterations,
            settings.parallelism,
            None,
        )
        .map_err(|error| Fault::internal(error.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let places = match settings.concurrency {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            some => some,
        };
        let nobody = hash(&argon2, &entropy.bytes::<32>(), &entropy.bytes::<16>())?;
        Ok(Self {
            argon2,
            entropy,
            places: Arc::new(Semaphore::new(places)),
            waiting: Arc::default(),
            computed: Arc::default(),
            queue: settings.queue,
            nobody: nobody.into(),
        })
    }

    /// The PHC string of `password` with a fresh salt.
    ///
    /// # Errors
    ///
    /// [`Fault::Unavailable`] when the queue is full.
    pub async fn hash(&self, password: SecretString) -> Result<String, Fault> {
        let (argon2, salt) = (self.argon2.clone(), self.entropy.bytes::<16>());
        self.run(move || hash(&argon2, password.expose_secret().as_bytes(), &salt))
            .await?
    }

    /// Whether `password` is the one that was hashed. With no hash (nobody has that address) it takes the
    /// same time and says no.
    ///
    /// # Errors
    ///
    /// [`Fault::Unavailable`] when the queue is full.
    pub async fn verify(&self, password: SecretString, hash: Option<String>) -> Result<bool, Fault> {
        let argon2 = self.argon2.clone();
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.to_string());
        let matches = self
            .run(move || -> Result<bool, Fault> {
                let hash = PasswordHash::new(&hash).map_err(|error| Fault::internal(error.to_string()))?;
                Ok(argon2
                    .verify_password(password.expose_secret().as_bytes(), &hash)
                    .is_ok())
            })
            .await??;
        Ok(known && matches)
    }

    /// Whether a hash was made with weaker parameters than today's, and should be made anew.
    #[must_use]
    pub fn is_outdated(&self, hash: &str) -> bool {
        let today = self.argon2.params();
        PasswordHash::new(hash)
            .ok()
            .and_then(|hash| Params::try_from(&hash).ok())
            .is_none_or(|params| {
                params.m_cost() < today.m_cost()
                    || params.t_cost() < today.t_cost()
                    || params.p_cost() < today.p_cost()
            })
    }

    /// How many hashes were computed so far.
    #[must_use]
    pub fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    async fn run<T: Send + 'static>(&self, act: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
        /// Leaves the queue also when the request is dropped while it waits.
        struct Waiting(Arc<AtomicUsize>);
        impl Drop for Waiting {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }

        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(self.waiting.clone());
        if before >= self.queue {
            return Err(Fault::unavailable("too many passwords wait to be hashed"));
        }
        let place = self
            .places
            .clone()
            .acquire_owned()
            .await
            .map_err(Fault::internal)?;
        drop(waiting);
        self.computed.fetch_add(1, Ordering::Relaxed);
        tokio::task::spawn_blocking(move || {
            let result = act();
            drop(place);
            result
        })
        .await
        .map_err(Fault::internal)
    }
}

fn hash(argon2: &Argon2<'_>, password: &[u8], salt: &[u8]) -> Result<String, Fault> {
    argon2
        .hash_password_with_salt(password, salt)
        .map(|hash| hash.to_string())
        .map_err(|error| Fault::internal(error.to_string()))
}

impl std::fmt::Debug for PasswordHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHasher")
    }
}
