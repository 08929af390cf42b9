use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use time::OffsetDateTime;

/// What time it is. Passed in, so that tests can cross thirty days without sleeping.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> OffsetDateTime + Send + Sync>);

impl Clock {
    /// The machine's clock.
    #[must_use]
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place where the machine's clock is read"
    )]
    pub fn system() -> Self {
        Self(Arc::new(OffsetDateTime::now_utc))
    }

    /// A clock that stands still until its hand is moved.
    #[must_use]
    pub fn manual(start: OffsetDateTime) -> (Self, ManualClock) {
        let hand = ManualClock(Arc::new(Mutex::new(start)));
        let read = hand.clone();
        (Self(Arc::new(move || read.now())), hand)
    }

    /// Now, in UTC, cut to the microseconds that the database keeps.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        let now = (self.0)();
        now.replace_nanosecond(now.microsecond() * 1_000).unwrap_or(now)
    }

    /// Now, in whole seconds since 1970, as JWTs count (RFC 7519 §2).
    #[must_use]
    pub fn unix(&self) -> i64 {
        self.now().unix_timestamp()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// The hand of a [`Clock::manual`].
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<OffsetDateTime>>);

impl ManualClock {
    fn now(&self) -> OffsetDateTime {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }

    pub fn set(&self, to: OffsetDateTime) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }
}
