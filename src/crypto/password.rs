use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use argon2::{
    Algorithm, Argon2, Block, Params, PasswordHash, Version,
    password_hash::{
        self,
        phc::{Output, ParamsString, Salt},
    },
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
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.to_string());
        let matches = self
            .run(move || verify(password.expose_secret().as_bytes(), &hash))
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
    let params = argon2.params();
    let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let made = || -> password_hash::Result<PasswordHash> {
        Ok(PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(params)?,
            salt: Some(Salt::new(salt)?),
            hash: Some(output(argon2, password, salt, length)?),
        })
    };
    made()
        .map(|hash| hash.to_string())
        .map_err(|error| Fault::internal(error.to_string()))
}

/// Whether `password` gives `hash`, with the parameters that it was made with.
fn verify(password: &[u8], hash: &str) -> Result<bool, Fault> {
    let own = || -> password_hash::Result<bool> {
        let hash = PasswordHash::new(hash)?;
        let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
            return Err(password_hash::Error::EncodingInvalid);
        };
        let algorithm = Algorithm::try_from(hash.algorithm.as_str())?;
        let version = hash.version.map_or(Ok(Version::V0x13), Version::try_from)?;
        let argon2 = Argon2::new(algorithm, version, Params::try_from(&hash)?);
        Ok(output(&argon2, password, salt, expected.len())? == *expected)
    };
    own().map_err(|error| Fault::internal(error.to_string()))
}

/// Bytes that no allocator keeps for later: glibc's gives what is larger than this back to the system when it is freed.
/// What is only reserved takes no memory.
const GIVEN_BACK: usize = 33 * 1024 * 1024;

fn output(argon2: &Argon2<'_>, password: &[u8], salt: &[u8], length: usize) -> password_hash::Result<Output> {
    let count = argon2.params().block_count();
    let mut blocks = Vec::with_capacity(count.max(GIVEN_BACK / Block::SIZE));
    blocks.resize(count, Block::new());
    let mut bytes = vec![0; length];
    argon2.hash_password_into_with_memory(password, salt, &mut bytes, &mut blocks)?;
    Ok(Output::new(&bytes)?)
}

impl std::fmt::Debug for PasswordHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHasher")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_the_reference_implementation_are_told_apart() {
        let salted = "$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBieXRlcyBvaw";
        let hash = format!("{salted}$bAfnes5HACCDehV3nD4BAoSgv8xaEH/F3i1SkZIIJbI");
        assert!(verify(b"correct horse battery staple", &hash).expect("a hash"));
        assert!(!verify(b"correct horse battery staples", &hash).expect("a hash"));
        assert!(verify(b"correct horse battery staple", salted).is_err());
    }
}
