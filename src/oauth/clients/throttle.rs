use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use time::OffsetDateTime;

/// Counts failures in the running minute, of clients and of addresses alike, in this node's memory: it
/// slows guessing down, and costs those who do not guess nothing.
#[derive(Clone)]
pub struct Throttle<K> {
    most: u32,
    failures: Arc<Mutex<HashMap<K, Window>>>,
}

struct Window {
    began: OffsetDateTime,
    failures: u32,
}

impl Window {
    const LENGTH: Duration = Duration::from_mins(1);

    const fn new(began: OffsetDateTime) -> Self {
        Self { began, failures: 0 }
    }

    /// Whether its minute is not over. One that begins far ahead is of a clock that has stepped back since, and over;
    /// a little ahead is a request that read the clock first and came here second.
    fn is_running(&self, now: OffsetDateTime) -> bool {
        (now - self.began).unsigned_abs() < Self::LENGTH
    }
}

/// An IPv6 site has as many addresses as it likes: it is counted by its network.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

impl<K: Eq + Hash> Throttle<K> {
    /// Subjects that are remembered; a flood from many addresses must not fill the memory.
    const MOST_SUBJECTS: usize = 100_000;

    #[must_use]
    pub fn new(most: u32) -> Self {
        Self {
            most,
            failures: Arc::default(),
        }
    }

    /// How long the subject has to wait, if it has failed too often.
    #[must_use]
    pub fn wait(&self, subject: &K, now: OffsetDateTime) -> Option<Duration> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let window = failures
            .get(subject)
            .filter(|window| window.failures >= self.most && window.is_running(now))?;
        let wait = Duration::try_from(window.began + Window::LENGTH - now).ok()?;
        Some(wait.min(Window::LENGTH))
    }

    /// Whether the subject has failed at all in its running minute.
    #[must_use]
    pub fn has_failed(&self, subject: &K, now: OffsetDateTime) -> bool {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(subject).is_some_and(|window| window.is_running(now))
    }

    /// Counts a failure, and says how many there were in the running minute.
    pub fn failed(&self, subject: K, now: OffsetDateTime) -> u32 {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= Self::MOST_SUBJECTS {
            failures.retain(|_, window| window.is_running(now));
            // All of this minute: looking through them for each further failure would cost more than what is
            // forgotten. Secrets have 256 random bits; the count only saves work.
            if failures.len() >= Self::MOST_SUBJECTS {
                failures.clear();
            }
        }
        let window = failures.entry(subject).or_insert(Window::new(now));
        if !window.is_running(now) {
            *window = Window::new(now);
        }
        window.failures = window.failures.saturating_add(1);
        window.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_subjects_does_not_fill_the_memory() {
        let throttle = Throttle::new(2);
        for subject in 0..=Throttle::<usize>::MOST_SUBJECTS {
            throttle.failed(subject, OffsetDateTime::UNIX_EPOCH);
        }
        let kept = throttle.failures.lock().expect("not poisoned").len();
        assert!(kept <= Throttle::<usize>::MOST_SUBJECTS, "{kept}");
    }

    #[test]
    fn an_ipv6_site_is_one_subject() {
        let from = |address: &str| network(address.parse().expect(address));
        assert_eq!(from("2001:db8:1:2::1"), from("2001:db8:1:2:ffff::2"));
        assert_ne!(from("2001:db8:1:2::1"), from("2001:db8:1:3::1"));
        assert_ne!(from("192.0.2.1"), from("192.0.2.2"));
    }

    #[test]
    fn the_window_opens_again_after_a_minute() {
        let throttle = Throttle::new(2);
        let start = OffsetDateTime::UNIX_EPOCH;
        throttle.failed("a", start);
        assert_eq!(throttle.wait(&"a", start), None);
        throttle.failed("a", start);
        assert_eq!(
            throttle.wait(&"a", start + Duration::from_secs(20)),
            Some(Duration::from_secs(40))
        );
        assert_eq!(throttle.wait(&"b", start), None);
        assert_eq!(throttle.wait(&"a", start + Duration::from_mins(1)), None);
        throttle.failed("a", start + Duration::from_mins(1));
        assert_eq!(throttle.wait(&"a", start + Duration::from_secs(61)), None);
    }
}
