//! Usage as it is shown.

use std::collections::BTreeMap;

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::body::Listing;
use crate::keys::usage::{Outcome, PastRequest, Point, Report, Resolution, Share};

/// By what time is counted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum By {
    Minute,
    Hour,
    Day,
}

/// How many requests, and what they took of the limits.
#[derive(Debug, Serialize, ToSchema)]
struct Count {
    #[schema(example = 1_236)]
    requests: u64,
    /// Of those that were accepted; the others cost nothing.
    #[schema(example = 1_234)]
    cost: u64,
}

impl From<crate::keys::usage::Count> for Count {
    fn from(count: crate::keys::usage::Count) -> Self {
        Self {
            requests: count.requests,
            cost: count.cost,
        }
    }
}

/// What was counted in one unit of time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PointAnswer {
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    at: OffsetDateTime,
    #[serde(flatten)]
    count: Count,
    /// Requests by how they were judged; those that there were none of are left out.
    #[schema(example = json!({ "valid": 1234, "rate_limited": 2 }))]
    outcomes: BTreeMap<&'static str, u64>,
}

/// How much of it is one app's, one key's, or was for one scope.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShareAnswer {
    /// The id of the app or the key, or the scope; the empty one stands for requests that asked for none.
    #[schema(example = "key_01m892s83efe5t0103dmrmhman")]
    of: String,
    #[serde(flatten)]
    count: Count,
    /// Requests that were accepted.
    accepted: u64,
}

impl<T: ToString> From<Share<T>> for ShareAnswer {
    fn from(share: Share<T>) -> Self {
        Self {
            of: share.of.to_string(),
            count: share.count.into(),
            accepted: share.accepted,
        }
    }
}

/// What was counted, right up to the last few seconds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UsageAnswer {
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    from: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    to: OffsetDateTime,
    resolution: By,
    #[serde(flatten)]
    total: Count,
    /// Requests by how they were judged.
    #[schema(example = json!({ "valid": 1234, "rate_limited": 2 }))]
    outcomes: BTreeMap<&'static str, u64>,
    /// One for each unit of time, also where nothing was counted.
    points: Vec<PointAnswer>,
    /// The 1,000 busiest, the busiest first.
    apps: Vec<ShareAnswer>,
    /// The 1,000 busiest, the busiest first.
    keys: Vec<ShareAnswer>,
    /// The 50 that were asked for most.
    scopes: Vec<ShareAnswer>,
}

impl From<Report> for UsageAnswer {
    fn from(report: Report) -> Self {
        let named = |outcomes: &BTreeMap<Outcome, u64>| {
            let named = outcomes
                .iter()
                .map(|(outcome, requests)| (outcome.name(), *requests));
            named.collect()
        };
        let point = |point: &Point| PointAnswer {
            at: point.at,
            count: point.count.into(),
            outcomes: named(&point.outcomes),
        };
        Self {
            from: report.window.from,
            to: report.window.to,
            resolution: match report.window.resolution {
                Resolution::Minute => By::Minute,
                Resolution::Hour => By::Hour,
                Resolution::Day => By::Day,
            },
            total: report.total.into(),
            outcomes: named(&report.outcomes),
            points: report.points.iter().map(point).collect(),
            apps: report.apps.into_iter().map(ShareAnswer::from).collect(),
            keys: report.keys.into_iter().map(ShareAnswer::from).collect(),
            scopes: report.scopes.into_iter().map(ShareAnswer::from).collect(),
        }
    }
}

/// One of the last requests with a key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RequestAnswer {
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    at: OffsetDateTime,
    #[schema(example = "/v1/orders")]
    route: String,
    #[schema(example = "valid")]
    outcome: &'static str,
    #[schema(example = 200)]
    status: u16,
    /// From where it came, where that is known.
    #[schema(example = "203.0.113.7")]
    address: Option<String>,
    #[schema(example = 1.7)]
    latency_ms: f64,
    request_id: String,
}

impl From<PastRequest> for RequestAnswer {
    fn from(request: PastRequest) -> Self {
        Self {
            at: request.at,
            route: request.route,
            outcome: request.outcome.name(),
            status: request.status,
            address: request.address,
            latency_ms: request.latency.as_secs_f64() * 1_000.0,
            request_id: request.request_id,
        }
    }
}

/// What was counted of one key, and its last requests.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyUsageAnswer {
    #[serde(flatten)]
    pub(super) usage: UsageAnswer,
    /// Newest first, whatever time was asked for; some of them are kept for a week.
    pub(super) last_requests: Listing<RequestAnswer>,
}
