//! How much an app, or one of its keys, is used.

use askama::Template;

use super::AppRef;
use crate::web::{
    chart::{Bar, Chart, Look, brief, share},
    page::{Frame, Moment, Pages},
};

/// One of the links that choose what to look at.
#[derive(Clone, Debug)]
pub struct Tab {
    pub label: String,
    pub path: String,
    pub chosen: bool,
}

/// A row of a table of shares: of keys, scopes or outcomes.
#[derive(Clone, Debug)]
pub struct ShareRow {
    pub name: String,
    /// What stands below the name: the hint of a key, say.
    pub more: Option<String>,
    /// Where there is more about it.
    pub path: Option<String>,
    pub requests: u64,
    /// Of those, the ones that were refused; none where that goes without saying.
    pub refused: Option<u64>,
    /// Of all requests of the page.
    pub total: u64,
}

impl ShareRow {
    fn width(&self) -> String {
        share(self.requests, self.total)
    }
}

/// One of the last requests of a key; see `dashboard/key_requests.html`.
#[derive(Clone, Debug)]
pub struct KeyRequestRow {
    pub at: Moment,
    pub route: String,
    pub outcome: String,
    pub accepted: bool,
    pub status: u16,
    pub address: Option<String>,
    /// "1.2 ms"
    pub latency: String,
    pub request_id: String,
}

/// One key, where the page is about one.
pub struct OneKey {
    pub name: String,
    pub hint: String,
    pub requests: Vec<KeyRequestRow>,
    pub pages: Pages,
    /// Its traffic beside that of its successor, once it was rotated.
    pub rotation: Option<Chart>,
}

/// `/apps/{app}/usage`
#[derive(Template)]
#[template(path = "dashboard/usage.html")]
pub struct UsagePage {
    pub frame: Frame,
    pub app: AppRef,
    /// "24 hours", "by the hour"
    pub span: String,
    pub bars: String,
    pub spans: Vec<Tab>,
    /// The same as a file.
    pub csv: String,
    /// The page of the whole app.
    pub all: String,
    pub key: Option<OneKey>,
    pub requests: u64,
    pub accepted: u64,
    pub limited: u64,
    pub refused: u64,
    pub cost: u64,
    pub chart: Chart,
    pub outcomes: Vec<ShareRow>,
    pub keys: Vec<ShareRow>,
    pub scopes: Vec<ShareRow>,
}

impl UsagePage {
    fn total(&self) -> String {
        brief(self.requests)
    }

    /// What all requests came to: in words, how many, and in percent.
    fn parts(&self) -> [(&'static str, String, String); 3] {
        [
            ("Accepted", self.accepted),
            ("Over a limit", self.limited),
            ("Refused", self.refused),
        ]
        .map(|(words, part)| (words, brief(part), share(part, self.requests)))
    }

    fn sample_with(scale: u64) -> Self {
        let wave = [
            3, 2, 1, 1, 2, 4, 9, 14, 22, 31, 34, 30, 27, 33, 38, 36, 29, 21, 16, 12, 9, 7, 5, 4_u64,
        ];
        let bars: Vec<Bar> = wave
            .iter()
            .enumerate()
            .map(|(hour, height)| Bar {
                tick: format!("{hour:02}:00"),
                label: format!("24 Nov 2026, {hour:02}:00"),
                parts: vec![height * scale, height * scale / 12, height * scale / 20],
            })
            .collect();
        let sum = |layer: usize| -> u64 { bars.iter().filter_map(|bar| bar.parts.get(layer)).sum() };
        let (accepted, limited, refused) = (sum(0), sum(1), sum(2));
        let requests = accepted + limited + refused;
        let row = |name: &str, more: Option<&str>, requests_: u64, refused_: Option<u64>| ShareRow {
            name: name.to_owned(),
            more: more.map(str::to_owned),
            path: more.map(|_| "/apps/app_one/usage?span=24h&key=key_one".to_owned()),
            requests: requests_,
            refused: refused_,
            total: requests,
        };
        Self {
            frame: Frame::sample(),
            app: AppRef {
                id: "app_one".to_owned(),
                name: "Fieldnotes".to_owned(),
            },
            span: "24 hours".to_owned(),
            bars: "by the hour".to_owned(),
            spans: ["Last hour", "24 hours", "7 days", "30 days", "13 months"]
                .into_iter()
                .map(|label| Tab {
                    label: label.to_owned(),
                    path: "/apps/app_one/usage?span=24h".to_owned(),
                    chosen: label == "24 hours",
                })
                .collect(),
            csv: "/apps/app_one/usage.csv?span=24h".to_owned(),
            all: "/apps/app_one/usage?span=24h".to_owned(),
            key: None,
            requests,
            accepted,
            limited,
            refused,
            cost: accepted,
            chart: Chart::new("requests", "Requests in 24 hours, by the hour", LAYERS, &bars),
            outcomes: vec![
                row("Accepted", None, accepted, None),
                row("Over a limit", None, limited, None),
                row("Scope missing", None, refused, None),
            ],
            keys: vec![
                row(
                    "Warehouse sync",
                    Some("sk_live_3xKj…"),
                    requests * 3 / 4,
                    Some(refused),
                ),
                row(
                    "Nightly export of all orders",
                    Some("rk_live_9aQz…"),
                    requests / 4,
                    Some(limited),
                ),
            ],
            scopes: vec![
                row("read:orders", None, requests * 2 / 3, Some(limited)),
                row("write:orders", None, requests / 4, Some(refused)),
                row("No scope asked for", None, requests / 12, Some(0)),
            ],
        }
    }

    #[must_use]
    pub fn sample() -> Self {
        Self::sample_with(120)
    }

    #[must_use]
    pub fn sample_small() -> Self {
        Self::sample_with(1)
    }

    #[must_use]
    pub fn sample_big() -> Self {
        Self::sample_with(987_654_321)
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        let mut page = Self::sample_with(0);
        page.outcomes.clear();
        page.keys.clear();
        page.scopes.clear();
        page
    }

    /// A key that was rotated.
    #[must_use]
    pub fn sample_key() -> Self {
        let mut page = Self::sample();
        let bars: Vec<Bar> = (0..24_u64)
            .map(|hour| Bar {
                tick: format!("{hour:02}:00"),
                label: format!("24 Nov 2026, {hour:02}:00"),
                parts: vec![(24 - hour) * 40, hour * hour * 2],
            })
            .collect();
        let request = |minutes, route: &str, outcome: &str, status| KeyRequestRow {
            at: Moment::sample(minutes),
            route: route.to_owned(),
            outcome: outcome.to_owned(),
            accepted: status == 200,
            status,
            address: Some("2001:db8:85a3:8d3:1319:8a2e:370:7348".to_owned()),
            latency: "0.4 ms".to_owned(),
            request_id: "req_01kasample".to_owned(),
        };
        page.key = Some(OneKey {
            name: "Warehouse sync".to_owned(),
            hint: "sk_live_3xKj…".to_owned(),
            requests: vec![
                request(1, "POST /v1/keys/verify", "Accepted", 200),
                request(
                    2,
                    "GET /v1/orders/2026/november/with/a/long/path",
                    "Over a limit",
                    429,
                ),
            ],
            pages: Pages {
                newer: None,
                older: Some("/apps/app_one/usage?span=24h&key=key_one&before=7".to_owned()),
            },
            rotation: Some(Chart::new("rotation", "Old and new key", ROTATION, &bars)),
        });
        page
    }
}

/// What the bars of a chart of requests are made of, from the ground up.
pub const LAYERS: &[(&str, Look)] = &[
    ("Accepted", Look::Accent),
    ("Over a limit", Look::Warning),
    ("Refused", Look::Danger),
];

/// What those of a chart of a rotation are made of.
pub const ROTATION: &[(&str, Look)] = &[("Old key", Look::Accent), ("Successor", Look::Second)];
