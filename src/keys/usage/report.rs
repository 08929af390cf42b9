//! Reading what was counted: over time, by outcome, by scope, by key. What has not been rolled up yet is in it.

use std::collections::BTreeMap;

use diesel_async::AsyncPgConnection;
use time::{Duration, OffsetDateTime};

use super::{
    model::{Count, Outcome},
    store::read::{self, By},
};
use crate::types::{AccountId, ApiKeyId, AppId, Fault};

/// Scopes in a report; those that were asked for least are left out of it.
const SCOPES: i64 = 50;
/// Apps and keys in a report.
const APPS_AND_KEYS: i64 = 1_000;

/// Whose usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// All keys that an account has, or had until their tombstones go.
    Account(AccountId),
    App(AppId),
    Key(ApiKeyId),
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    pub of: Of,
    /// Of requests for this scope alone.
    pub scope: Option<&'a str>,
    /// Of requests that were judged so alone.
    pub outcome: Option<Outcome>,
}

impl From<Of> for Asked<'_> {
    fn from(of: Of) -> Self {
        Self {
            of,
            scope: None,
            outcome: None,
        }
    }
}

/// By what time is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    Minute,
    Hour,
    Day,
}

impl Resolution {
    const fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    /// When the minute, hour or day began that `at` is in (UTC).
    #[must_use]
    pub fn start_of(self, at: OffsetDateTime) -> OffsetDateTime {
        let seconds = at.unix_timestamp();
        OffsetDateTime::from_unix_timestamp(seconds - seconds.rem_euclid(self.seconds())).unwrap_or(at)
    }

    #[must_use]
    pub const fn length(self) -> Duration {
        Duration::seconds(self.seconds())
    }
}

/// From when (it is in it) to when (it is not), by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub from: OffsetDateTime,
    pub to: OffsetDateTime,
    pub resolution: Resolution,
}

impl Window {
    /// The longest, in units of its resolution.
    pub const LONGEST: i32 = 10_000;

    /// The whole units of `resolution` that the time from `from` to `to` touches, of which there are 10,000 at the most:
    /// the last ones.
    #[must_use]
    pub fn of(from: OffsetDateTime, to: OffsetDateTime, resolution: Resolution) -> Self {
        let last = to - Duration::nanoseconds(1);
        let to = resolution.start_of(last.max(from)) + resolution.length();
        let longest = resolution.length().saturating_mul(Self::LONGEST);
        Self {
            from: resolution.start_of(from.max(to.checked_sub(longest).unwrap_or(from))),
            to,
            resolution,
        }
    }
}

/// The times that pages offer to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Span {
    pub const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// As links name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Year => "13mo",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|span| span.name() == name)
    }

    /// In a person's words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Hour => "Last hour",
            Self::Day => "24 hours",
            Self::Week => "7 days",
            Self::Month => "30 days",
            Self::Year => "13 months",
        }
    }

    /// By what it is counted, and how many of those are in one bar of a chart, and how many bars.
    #[must_use]
    pub const fn bars(self) -> (Resolution, i32, i32) {
        match self {
            Self::Hour => (Resolution::Minute, 1, 60),
            Self::Day => (Resolution::Hour, 1, 24),
            Self::Week => (Resolution::Hour, 6, 28),
            Self::Month => (Resolution::Day, 1, 30),
            Self::Year => (Resolution::Day, 7, 57),
        }
    }

    /// What one bar stands for.
    #[must_use]
    pub const fn bar_words(self) -> &'static str {
        match self {
            Self::Hour => "by the minute",
            Self::Day => "by the hour",
            Self::Week => "by six hours",
            Self::Month => "by the day",
            Self::Year => "by the week",
        }
    }

    /// The window that ends with the bar in which `now` is. Weeks begin on Mondays, six hours at midnight.
    #[must_use]
    pub fn window(self, now: OffsetDateTime) -> Window {
        /// 1970 began on a Thursday.
        const FIRST_MONDAY: i64 = 4 * 86_400;
        let (resolution, units, bars) = self.bars();
        let bar = resolution.length() * units;
        let into = (now.unix_timestamp() - FIRST_MONDAY).rem_euclid(bar.whole_seconds());
        let to = Resolution::Minute.start_of(now) - Duration::seconds(into - into.rem_euclid(60)) + bar;
        let to = resolution.start_of(to);
        Window {
            from: to - bar * bars,
            to,
            resolution,
        }
    }
}

/// What was counted in one unit of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    pub at: OffsetDateTime,
    pub count: Count,
    /// Requests by how they were judged; those that there were none of are left out.
    pub outcomes: BTreeMap<Outcome, u64>,
}

impl Point {
    /// Those that were accepted, those that were over a limit, and the others that were refused.
    #[must_use]
    pub fn parts(&self) -> [u64; 3] {
        let of = |outcome| self.outcomes.get(&outcome).copied().unwrap_or_default();
        let (accepted, limited) = (of(Outcome::Valid), of(Outcome::RateLimited));
        [
            accepted,
            limited,
            self.count
                .requests
                .saturating_sub(accepted)
                .saturating_sub(limited),
        ]
    }
}

/// How much one app, key or scope was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share<T> {
    pub of: T,
    pub count: Count,
    /// Requests that were accepted.
    pub accepted: u64,
}

/// All that is to be said of the usage of an account, an app or a key.
#[derive(Clone, Debug)]
pub struct Report {
    pub window: Window,
    pub total: Count,
    /// Requests by how they were judged; those that there were none of are left out.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// One for each unit of the window, also where nothing was counted.
    pub points: Vec<Point>,
    /// The 1,000 busiest, the busiest first.
    pub apps: Vec<Share<AppId>>,
    pub keys: Vec<Share<ApiKeyId>>,
    /// The 50 that were asked for most; the empty one stands for requests that asked for none.
    pub scopes: Vec<Share<String>>,
}

/// What was counted in each unit of a window, also where that is nothing.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn series(
    connection: &mut AsyncPgConnection,
    asked: impl Into<Asked<'_>>,
    window: &Window,
) -> Result<Vec<Point>, Fault> {
    let mut counted: BTreeMap<OffsetDateTime, Point> = BTreeMap::new();
    let mut at = window.from;
    while at < window.to {
        counted.insert(
            at,
            Point {
                at,
                count: Count::default(),
                outcomes: BTreeMap::new(),
            },
        );
        at += window.resolution.length();
    }
    for (at, outcome, count) in read::in_time(connection, asked.into(), window).await? {
        if let Some(point) = counted.get_mut(&at) {
            point.count += count;
            *point.outcomes.entry(outcome).or_default() += count.requests;
        }
    }
    Ok(counted.into_values().collect())
}

/// What was counted of each key in a window, the busiest first; and how many of its requests were accepted.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn counts_by_key(
    connection: &mut AsyncPgConnection,
    asked: impl Into<Asked<'_>>,
    window: &Window,
) -> Result<Vec<Share<ApiKeyId>>, Fault> {
    let keys = read::shares(connection, By::Key, asked.into(), window, APPS_AND_KEYS).await?;
    shares(keys, |id| id.parse().map(ApiKeyId::from_uuid))
}

/// All of it.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn report(
    connection: &mut AsyncPgConnection,
    asked: impl Into<Asked<'_>>,
    window: Window,
) -> Result<Report, Fault> {
    let asked = asked.into();
    let points = series(connection, asked, &window).await?;
    let mut total = Count::default();
    let mut outcomes = BTreeMap::new();
    for point in &points {
        total += point.count;
        for (outcome, requests) in &point.outcomes {
            *outcomes.entry(*outcome).or_default() += requests;
        }
    }
    let apps = read::shares(connection, By::App, asked, &window, APPS_AND_KEYS).await?;
    let scopes = read::shares(connection, By::Scope, asked, &window, SCOPES).await?;
    Ok(Report {
        window,
        total,
        outcomes,
        points,
        apps: shares(apps, |id| id.parse().map(AppId::from_uuid))?,
        keys: counts_by_key(connection, asked, &window).await?,
        scopes: shares(scopes, Ok)?,
    })
}

fn shares<T>(
    read: Vec<(String, Count, u64)>,
    of: impl Fn(String) -> Result<T, uuid::Error>,
) -> Result<Vec<Share<T>>, Fault> {
    read.into_iter()
        .map(|(name, count, accepted)| {
            Ok(Share {
                of: of(name).map_err(Fault::internal)?,
                count,
                accepted,
            })
        })
        .collect()
}
