use std::{fmt, sync::Arc};

use rand::Rng as _;
use uuid::Uuid;

use super::Clock;

/// Randomness for secrets and ids. Passed in, so that a test can fix it.
#[derive(Clone)]
pub struct Entropy(Arc<Fill>);

type Fill = dyn Fn(&mut [u8]) + Send + Sync;

impl Entropy {
    /// A cryptographic generator in each thread, seeded by the operating system and again now and then: the id of a
    /// request costs no system call.
    #[must_use]
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place where the machine's randomness is read"
    )]
    pub fn system() -> Self {
        Self(Arc::new(|bytes| rand::rng().fill_bytes(bytes)))
    }

    /// A generator of the caller's own.
    pub fn from_fn(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }

    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }

    /// A time-ordered id (UUID version 7, RFC 9562 §5.7).
    #[must_use]
    pub fn uuid(&self, clock: &Clock) -> Uuid {
        let milliseconds = u64::try_from(clock.now().unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(milliseconds, &self.bytes()).into_uuid()
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}
