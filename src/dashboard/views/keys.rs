//! API keys: in lists, and on a page of their own.

use askama::Template;

use super::{AppRef, KeyForm, KeyRequestRow, LAYERS, ROTATION};
use crate::web::{
    chart::{Bar, Chart, Meter},
    page::{Frame, Moment, Place},
};

/// A word on a coloured ground.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    pub words: String,
    /// As the style sheet knows it; none is plain.
    pub tone: &'static str,
}

impl Tag {
    pub fn new(words: impl Into<String>, tone: &'static str) -> Self {
        Self {
            words: words.into(),
            tone,
        }
    }

    pub(super) fn tone(&self) -> &'static str {
        self.tone
    }
}

/// A scope of a key or an app.
#[derive(Clone, Debug)]
pub struct ScopeTag {
    pub name: String,
    /// What it is, where it is more than its name says.
    pub marks: Vec<Tag>,
}

/// One key in a list.
#[derive(Clone, Debug)]
pub struct KeyRow {
    pub path: String,
    pub name: String,
    /// What may be shown of it.
    pub hint: String,
    pub kind: String,
    pub environment: String,
    pub state: Tag,
    pub scopes: Vec<ScopeTag>,
    /// When it ends, or has ended.
    pub ends: Option<Moment>,
    /// Whether that is so soon that somebody should know.
    pub ends_soon: bool,
    pub last_used: Option<Moment>,
    /// Where keys of several apps are in one list.
    pub app: Option<String>,
}

impl KeyRow {
    pub(super) fn sample(name: &str, hint: &str) -> Self {
        Self {
            path: "/apps/app_one/keys/key_one".to_owned(),
            name: name.to_owned(),
            hint: hint.to_owned(),
            kind: "Secret".to_owned(),
            environment: "Live".to_owned(),
            state: Tag::new("Active", "success"),
            scopes: sample_scopes(),
            ends: None,
            ends_soon: false,
            last_used: Some(Moment::sample(3)),
            app: None,
        }
    }

    pub(super) fn samples() -> Vec<Self> {
        vec![
            Self::sample("Warehouse sync", "sk_live_3xKj"),
            Self {
                kind: "Publishable".to_owned(),
                environment: "Test".to_owned(),
                scopes: Vec::new(),
                last_used: None,
                ends: Some(Moment::sample(-9_000)),
                ends_soon: true,
                ..Self::sample("Shop window", "pk_test_Tz0a")
            },
            Self {
                state: Tag::new("Rotated", "warning"),
                ends: Some(Moment::sample(-1_380)),
                ..Self::sample("Nightly export of all orders of the year", "sk_live_9aQz")
            },
        ]
    }
}

fn sample_scopes() -> Vec<ScopeTag> {
    vec![
        ScopeTag {
            name: "write:orders".to_owned(),
            marks: Vec::new(),
        },
        ScopeTag {
            name: "read:*".to_owned(),
            marks: vec![Tag::new("Prefix", "info")],
        },
        ScopeTag {
            name: "global".to_owned(),
            marks: vec![Tag::new("Deprecated", "warning")],
        },
    ]
}

/// One of the two keys of a rotation.
#[derive(Clone, Debug)]
pub struct RotatedKey {
    /// "Old key"
    pub role: String,
    pub path: String,
    pub hint: String,
    pub state: Tag,
    pub requests: u64,
    pub last_used: Option<Moment>,
    /// Whether it is the one whose page this is.
    pub own: bool,
}

/// A key and its successor, with the traffic of both.
pub struct Rotation {
    pub at: Option<Moment>,
    pub keys: [RotatedKey; 2],
    pub chart: Chart,
    /// When the old key ends by itself; none is when it is retired.
    pub ends: Option<Moment>,
    /// Where the old key is retired, while it can be and the reader may.
    pub retire: Option<String>,
}

/// Why a key cannot be used any more.
#[derive(Clone, Debug)]
pub struct Tombstone {
    pub at: Moment,
    /// A sentence.
    pub why: String,
    /// Whether somebody took it back, or its time was over.
    pub revoked: bool,
}

/// The settings of a key, where the reader may change them.
pub struct KeySettings {
    pub form: KeyForm,
    /// Of what the page shows; goes with the form that changes it.
    pub version: String,
}

/// `/apps/{app}/keys/{key}`
#[derive(Template)]
#[template(path = "dashboard/key.html")]
pub struct KeyPage {
    pub frame: Frame,
    pub app: AppRef,
    pub id: String,
    /// As it is listed, and as it is now; the form may hold another name.
    pub row: KeyRow,
    /// Where keys have several forms.
    pub family: Option<String>,
    pub created: Moment,
    /// From where it was last used.
    pub last_place: Option<Place>,
    pub networks: Vec<String>,
    pub tombstone: Option<Tombstone>,
    pub rotations: Vec<Rotation>,
    pub limits: Vec<Meter>,
    pub traffic: Chart,
    /// All that is known of its use.
    pub usage: String,
    pub requests: Vec<KeyRequestRow>,
    pub settings: Option<KeySettings>,
    pub can_revoke: bool,
    /// Whether it can have a successor or a new value: not once it has a successor.
    pub can_rotate: bool,
}

impl KeyPage {
    fn path(&self, act: &str) -> String {
        format!("{}{act}", self.row.path)
    }

    fn sample_chart(id: &str, layers: &[(&str, crate::web::chart::Look)], scale: u64) -> Chart {
        let bars: Vec<Bar> = (0..24_u64)
            .map(|hour| Bar {
                tick: format!("{hour:02}:00"),
                label: format!("24 Nov 2026, {hour:02}:00"),
                parts: [(24 - hour) * scale, hour * scale / 4, hour % 3]
                    .into_iter()
                    .take(layers.len())
                    .collect(),
            })
            .collect();
        Chart::new(id, "Requests in 24 hours, by the hour", layers, &bars)
    }

    #[must_use]
    pub fn sample() -> Self {
        Self {
            frame: Frame::sample(),
            app: AppRef::sample(),
            id: "key_01m892s83efe5t0103dmrmhman".to_owned(),
            row: KeyRow::sample("Warehouse sync", "sk_live_3xKj"),
            family: Some("default".to_owned()),
            created: Moment::sample(50_000),
            last_place: Some(Place::sample("curl", "2001:db8:85a3:8d3:1319:8a2e:370:7348")),
            networks: vec!["203.0.113.0/24".to_owned(), "2001:db8::/32".to_owned()],
            tombstone: None,
            rotations: Vec::new(),
            limits: vec![
                Meter::new("This hour", 8_412, 10_000, "All of it is there again at 21:00."),
                Meter::new("This month", 120_000, 1_000_000, ""),
            ],
            traffic: Self::sample_chart("traffic", LAYERS, 40),
            usage: "/apps/app_one/usage?key=key_one".to_owned(),
            requests: vec![KeyRequestRow {
                at: Moment::sample(1),
                route: "POST /v1/keys/verify".to_owned(),
                outcome: "Accepted".to_owned(),
                accepted: true,
                status: 200,
                address: Some("192.0.2.7".to_owned()),
                latency: "0.4 ms".to_owned(),
                request_id: "req_01kasample".to_owned(),
            }],
            settings: Some(KeySettings {
                form: KeyForm::sample(),
                version: "sample-version".to_owned(),
            }),
            can_revoke: true,
            can_rotate: true,
        }
    }

    /// Just made, and never used.
    #[must_use]
    pub fn sample_new() -> Self {
        let mut page = Self::sample();
        page.row.scopes.clear();
        page.row.last_used = None;
        page.last_place = None;
        page.networks.clear();
        page.limits.clear();
        page.traffic = Chart::new("traffic", "Requests", LAYERS, &[]);
        page.requests.clear();
        page.row.ends = Some(Moment::sample(-9_000));
        page.row.ends_soon = true;
        page
    }

    /// A key that was rotated.
    #[must_use]
    pub fn sample_rotated() -> Self {
        let mut page = Self::sample();
        page.row.state = Tag::new("Rotated", "warning");
        let side = |role: &str, hint: &str, state, requests, own| RotatedKey {
            role: role.to_owned(),
            path: "/apps/app_one/keys/key_two".to_owned(),
            hint: hint.to_owned(),
            state,
            requests,
            last_used: Some(Moment::sample(2)),
            own,
        };
        page.rotations = vec![Rotation {
            at: Some(Moment::sample(600)),
            keys: [
                side("Old key", "sk_live_3xKj", page.row.state.clone(), 2_340, true),
                side(
                    "Successor",
                    "sk_live_Zq81",
                    Tag::new("Active", "success"),
                    17,
                    false,
                ),
            ],
            chart: Self::sample_chart("rotation-1", ROTATION, 30),
            ends: Some(Moment::sample(-840)),
            retire: Some("/apps/app_one/keys/key_one/retire".to_owned()),
        }];
        page.can_rotate = false;
        page
    }

    #[must_use]
    pub fn sample_revoked() -> Self {
        let mut page = Self::sample();
        page.row.state = Tag::new("Revoked", "danger");
        page.tombstone = Some(Tombstone {
            at: Moment::sample(90),
            why: "Found where it should not be".to_owned(),
            revoked: true,
        });
        page.limits.clear();
        page.settings = None;
        page.can_revoke = false;
        page.can_rotate = false;
        page
    }

    #[must_use]
    pub fn sample_refused() -> Self {
        let mut page = Self::sample();
        page.settings = Some(KeySettings {
            form: KeyForm::sample_refused(),
            version: "sample-version".to_owned(),
        });
        page
    }

    #[must_use]
    pub fn sample_viewer() -> Self {
        let mut page = Self::sample_rotated();
        page.settings = None;
        page.can_revoke = false;
        for rotation in &mut page.rotations {
            rotation.retire = None;
        }
        page
    }
}
