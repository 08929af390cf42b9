//! How much an app is used: a page with charts, and the same as a file.

use actix_web::{
    HttpResponse,
    http::header::{self, HeaderValue},
};
use time::OffsetDateTime;
use time::macros::format_description;

use super::{
    act::{AppView, AtApp, ToView},
    views,
};
use crate::{
    keys::usage::{
        KeyName, LINES, OTHER_SCOPES, Of, Outcome, PastRequest, Point, Report, Span, csv, last_requests,
        lines, names_of_keys, report, series,
    },
    types::{ApiKeyId, Fault},
    web::{
        Failure, Query,
        chart::{Bar, Chart},
        html,
        page::Pages,
    },
};

/// Requests on one page.
const REQUESTS: usize = 25;

/// What was asked for.
struct Choice {
    span: Span,
    key: Option<KeyName>,
    before: Option<i64>,
    keys: Vec<KeyName>,
    path: String,
}

impl Choice {
    async fn of(at: &AtApp, query: &Query) -> Result<Self, Failure> {
        let text = |name: &str| query.0.as_ref().map_or("", |query| query.text(name));
        let mut connection = at.authority.db.connection().await?;
        let keys = names_of_keys(&mut connection, Of::App(at.seen.app.id)).await?;
        let key = match text("key") {
            "" => None,
            id => {
                let id: ApiKeyId = id.parse().or(Err(Failure::NotFound))?;
                let own = keys.iter().find(|key| key.id == id);
                Some(own.cloned().ok_or(Failure::NotFound)?)
            }
        };
        Ok(Self {
            span: Span::named(text("span")).unwrap_or(Span::Day),
            key,
            before: text("before").parse().ok(),
            keys,
            path: at.seen.path(),
        })
    }

    fn subject(&self, at: &AtApp) -> Of {
        self.key
            .as_ref()
            .map_or(Of::App(at.seen.app.id), |key| Of::Key(key.id))
    }

    fn link(&self, page: &str, span: Span, key: Option<ApiKeyId>) -> String {
        let key = key.map(|key| format!("&key={key}")).unwrap_or_default();
        format!("{}/{page}?span={}{key}", self.path, span.name())
    }

    fn key_id(&self) -> Option<ApiKeyId> {
        self.key.as_ref().map(|key| key.id)
    }
}

/// The bars of a chart: so many points in one.
fn bars<const N: usize>(span: Span, points: &[Point], parts: impl Fn(usize, &Point) -> [u64; N]) -> Vec<Bar> {
    let (_, units, _) = span.bars();
    let mut place = 0;
    points
        .chunks(usize::try_from(units).unwrap_or(1).max(1))
        .filter_map(|points| {
            let first = points.first()?.at;
            let mut sums = vec![0_u64; N];
            for point in points {
                for (sum, part) in sums.iter_mut().zip(parts(place, point)) {
                    *sum = sum.saturating_add(part);
                }
                place += 1;
            }
            Some(Bar {
                tick: tick(span, first),
                label: label(span, first),
                parts: sums,
            })
        })
        .collect()
}

fn tick(span: Span, at: OffsetDateTime) -> String {
    match span {
        Span::Hour | Span::Day => at.format(format_description!("[hour]:[minute]")),
        Span::Week | Span::Month => at.format(format_description!("[day padding:none] [month repr:short]")),
        Span::Year => at.format(format_description!("[month repr:short] [year]")),
    }
    .unwrap_or_default()
}

fn label(span: Span, at: OffsetDateTime) -> String {
    let day = format_description!("[day padding:none] [month repr:short] [year]");
    let time = format_description!("[day padding:none] [month repr:short] [year], [hour]:[minute]");
    match span {
        Span::Hour | Span::Day | Span::Week => at.format(time).unwrap_or_default(),
        Span::Month => at.format(day).unwrap_or_default(),
        Span::Year => format!("Week of {}", at.format(day).unwrap_or_default()),
    }
}

/// A chart of requests: accepted, over a limit, refused.
pub(super) fn chart(id: &str, span: Span, points: &[Point]) -> Chart {
    let title = format!("Requests, {}, {}", span.words().to_lowercase(), span.bar_words());
    let bars = bars(span, points, |_, point| point.parts());
    Chart::new(id, &title, views::LAYERS, &bars)
}

/// A chart of a key beside its successor.
pub(super) fn rotation(id: &str, span: Span, old: &[Point], new: &[Point]) -> Chart {
    let bars = bars(span, old, |place, point| {
        let beside = new.get(place).map_or(0, |point| point.count.requests);
        [point.count.requests, beside]
    });
    Chart::new(
        id,
        "Requests with the old and the new key",
        views::ROTATION,
        &bars,
    )
}

/// The last requests of a key as pages show them.
pub(super) fn request_row(request: PastRequest) -> views::KeyRequestRow {
    views::KeyRequestRow {
        at: request.at.into(),
        route: request.route,
        outcome: request.outcome.words().to_owned(),
        accepted: request.outcome == Outcome::Valid,
        status: request.status,
        address: request.address,
        latency: format!("{:.1} ms", request.latency.as_secs_f64() * 1_000.0),
        request_id: request.request_id,
    }
}

fn scope_words(scope: String) -> String {
    match scope.as_str() {
        "" => "No scope asked for".to_owned(),
        OTHER_SCOPES => "Other scopes".to_owned(),
        _ => scope,
    }
}

fn shares(choice: &Choice, report: &Report) -> [Vec<views::ShareRow>; 3] {
    let total = report.total.requests;
    let row = |name: String, requests, refused| views::ShareRow {
        name,
        more: None,
        path: None,
        requests,
        refused,
        total,
    };
    let outcomes = Outcome::ALL
        .iter()
        .filter_map(|outcome| {
            let requests = *report.outcomes.get(outcome)?;
            Some(row(outcome.words().to_owned(), requests, None))
        })
        .collect();
    let keys = report
        .keys
        .iter()
        .map(|share| {
            let known = choice.keys.iter().find(|key| key.id == share.of);
            let refused = share.count.requests.saturating_sub(share.accepted);
            let name = known.map_or_else(|| share.of.to_string(), |key| key.name.clone());
            views::ShareRow {
                more: known.map(|key| {
                    let revoked = if key.revoked { " (revoked)" } else { "" };
                    format!("{}{revoked}", key.hint)
                }),
                path: known.map(|key| choice.link("usage", choice.span, Some(key.id))),
                ..row(name, share.count.requests, Some(refused))
            }
        })
        .collect();
    let scopes = report
        .scopes
        .iter()
        .map(|share| {
            let refused = share.count.requests.saturating_sub(share.accepted);
            row(scope_words(share.of.clone()), share.count.requests, Some(refused))
        })
        .collect();
    [outcomes, keys, scopes]
}

async fn one_key(
    at: &AtApp,
    choice: &Choice,
    key: &KeyName,
    report: &Report,
) -> Result<views::OneKey, Fault> {
    let mut connection = at.authority.db.connection().await?;
    let past = last_requests(&mut connection, key.id, choice.before, REQUESTS).await?;
    let rotation = match key.successor {
        Some(successor) => {
            let new = series(&mut connection, Of::Key(successor), &report.window).await?;
            Some(rotation("rotation", choice.span, &report.points, &new))
        }
        None => None,
    };
    let link = choice.link("usage", choice.span, Some(key.id));
    Ok(views::OneKey {
        name: key.name.clone(),
        hint: key.hint.clone(),
        requests: past.requests.into_iter().map(request_row).collect(),
        pages: Pages {
            // Reading goes backwards; the way forward is back to the newest.
            newer: choice.before.map(|_| format!("{link}#last")),
            older: past.next.map(|next| format!("{link}&before={next}#last")),
        },
        rotation: rotation.filter(|chart| !chart.is_empty()),
    })
}

/// `/apps/{app}/usage?span=…&key=…&before=…`
pub(super) async fn show(view: AppView<ToView>, query: Query) -> Result<HttpResponse, Failure> {
    let choice = Choice::of(&view, &query).await?;
    let window = choice.span.window(view.authority.clock.now());
    let report = {
        let mut connection = view.authority.db.connection().await?;
        report(&mut connection, choice.subject(&view), window).await?
    };
    let key = match &choice.key {
        Some(key) => Some(one_key(&view, &choice, key, &report).await?),
        None => None,
    };
    let [outcomes, keys, scopes] = shares(&choice, &report);
    let of = |outcome| report.outcomes.get(&outcome).copied().unwrap_or_default();
    let (accepted, limited) = (of(Outcome::Valid), of(Outcome::RateLimited));
    html(&views::UsagePage {
        frame: view.visitor.frame()?,
        app: view.seen.app_ref(),
        span: choice.span.words().to_owned(),
        bars: choice.span.bar_words().to_owned(),
        spans: Span::ALL
            .into_iter()
            .map(|span| views::Tab {
                label: span.words().to_owned(),
                path: choice.link("usage", span, choice.key_id()),
                chosen: span == choice.span,
            })
            .collect(),
        csv: choice.link("usage.csv", choice.span, choice.key_id()),
        all: choice.link("usage", choice.span, None),
        key,
        requests: report.total.requests,
        accepted,
        limited,
        refused: report
            .total
            .requests
            .saturating_sub(accepted)
            .saturating_sub(limited),
        cost: report.total.cost,
        chart: chart("requests", choice.span, &report.points),
        outcomes,
        keys,
        scopes,
    })
}

/// `/apps/{app}/usage.csv?span=…&key=…` (RFC 4180)
pub(super) async fn download(view: AppView<ToView>, query: Query) -> Result<HttpResponse, Failure> {
    let choice = Choice::of(&view, &query).await?;
    let window = choice.span.window(view.authority.clock.now());
    let most = i64::try_from(LINES + 1).map_err(Fault::internal)?;
    let found = {
        let mut connection = view.authority.db.connection().await?;
        lines(&mut connection, choice.subject(&view).into(), &window, most).await?
    };
    if found.len() > LINES {
        return Err(Failure::BadRequest(format!(
            "That is more than {LINES} lines. Choose a shorter time, or one key."
        )));
    }
    let text = csv(&found, &choice.keys)?;
    let file = format!("attachment; filename=\"usage-{}.csv\"", choice.span.name());
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((
            header::CONTENT_DISPOSITION,
            HeaderValue::try_from(file).map_err(Fault::internal)?,
        ))
        .body(text))
}
