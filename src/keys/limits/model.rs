use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use time::{OffsetDateTime, Time};
use uuid::Uuid;

/// What one key may do; None is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests a second; as many at once.
    pub per_second: Option<NonZeroU32>,
    /// Requests a clock hour (UTC).
    pub per_hour: Option<NonZeroU64>,
    /// Requests a calendar month (UTC).
    pub per_month: Option<NonZeroU64>,
    /// Requests a calendar month (UTC) of all keys of the account together.
    pub account_per_month: Option<NonZeroU64>,
}

/// One of the limits of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Span {
    Second,
    Hour,
    Month,
    /// The calendar month, over all keys of the account.
    Account,
}

impl Span {
    /// All, in the order in which they are taken and told.
    pub const ALL: [Self; 4] = [Self::Second, Self::Hour, Self::Month, Self::Account];

    /// As clients read it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Hour => "hour",
            Self::Month => "month",
            Self::Account => "account",
        }
    }

    /// When the period began, at that time, in which using it up is worth one word: its window, and for seconds the hour.
    #[must_use]
    pub fn period(self, at: OffsetDateTime) -> OffsetDateTime {
        let window = match self {
            Self::Second | Self::Hour => Window::hour(at),
            Self::Month | Self::Account => Window::month(at),
        };
        OffsetDateTime::from_unix_timestamp(window.began).unwrap_or(at)
    }
}

/// How one limit stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stand {
    pub span: Span,
    /// Requests in a window.
    pub quota: u64,
    /// Length of the window, in seconds.
    pub window: u64,
    /// Requests left, as far as this node knows of what others have taken.
    pub remaining: u64,
    /// Until all of the quota is there again, in seconds, rounded up.
    pub reset: u64,
}

/// How the limits stand; those that there are, in the order of [`Span::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub(super) stands: [Option<Stand>; 4],
}

impl Standing {
    pub fn iter(&self) -> impl Iterator<Item = &Stand> {
        self.stands.iter().flatten()
    }

    #[must_use]
    pub fn of(&self, span: Span) -> Option<&Stand> {
        self.iter().find(|stand| stand.span == span)
    }
}

/// The answer to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed(Standing),
    Refused {
        /// The limit that takes the longest to allow it.
        over: Span,
        /// When to come again, at the earliest.
        retry_after: Duration,
        standing: Standing,
    },
}

impl Verdict {
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }

    #[must_use]
    pub const fn standing(&self) -> &Standing {
        match self {
            Self::Allowed(standing) | Self::Refused { standing, .. } => standing,
        }
    }
}

/// Spans as the database knows them: an account's month is a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Second,
    Hour,
    Month,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Hour => "hour",
            Self::Month => "month",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Second, Self::Hour, Self::Month]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// One row: what a key or an account has of one span, from one moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct AllowanceId {
    pub(super) subject: Uuid,
    pub(super) kind: Kind,
    /// Seconds since 1970; 0 for seconds, which have no window.
    pub(super) began: i64,
}

/// An hour or a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) began: i64,
    pub(super) ends: i64,
}

const HOUR: i64 = 3_600;

impl Window {
    pub(super) fn hour(now: OffsetDateTime) -> Self {
        let began = now.unix_timestamp() - now.unix_timestamp().rem_euclid(HOUR);
        Self {
            began,
            ends: began.saturating_add(HOUR),
        }
    }

    pub(super) fn month(now: OffsetDateTime) -> Self {
        let date = now.date();
        let days = date.month().length(date.year());
        let first = date.replace_day(1).unwrap_or(date);
        let began = first.with_time(Time::MIDNIGHT).assume_utc().unix_timestamp();
        Self {
            began,
            ends: began.saturating_add(i64::from(days) * 24 * HOUR),
        }
    }

    /// In seconds.
    pub(super) fn length(self) -> u64 {
        u64::try_from(self.ends.saturating_sub(self.began)).unwrap_or_default()
    }

    /// From `now`, in microseconds since 1970, to the end.
    pub(super) fn left(self, now: i64) -> Duration {
        let end = self.ends.saturating_mul(1_000_000);
        Duration::from_micros(u64::try_from(end.saturating_sub(now)).unwrap_or_default())
    }
}

/// In microseconds since 1970.
pub(super) fn micros(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

/// In whole seconds, rounded up.
pub(super) fn whole_seconds(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn windows_are_those_of_the_calendar() {
        let at = datetime!(2028-02-29 23:59:59.999 UTC);
        let (hour, month) = (Window::hour(at), Window::month(at));
        assert_eq!(hour.began, datetime!(2028-02-29 23:00 UTC).unix_timestamp());
        assert_eq!(month.began, datetime!(2028-02-01 0:00 UTC).unix_timestamp());
        assert_eq!(month.ends, datetime!(2028-03-01 0:00 UTC).unix_timestamp());
        assert_eq!(hour.ends, month.ends);
        assert_eq!(month.length(), 29 * 86_400);
        assert_eq!(hour.left(micros(at)), Duration::from_millis(1));
        let next = datetime!(2028-03-01 0:00 UTC);
        assert_eq!(Window::month(next).began, month.ends);
        assert_eq!(Window::hour(next).began, hour.ends);
    }
}
