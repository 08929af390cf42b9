//! `/v1/usage` and `/v1/keys/{id}/usage`: what was counted, over time, by app, key, scope and outcome; as JSON or as a file.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web::Path,
};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use utoipa::{IntoParams, ToSchema};

use super::{
    answer::ApiError,
    body::{Listing, Page, Params},
    caller::{Called, Caller, ToManageKeys},
    keys::key_id,
    usage_shape::{By, KeyUsageAnswer, RequestAnswer, UsageAnswer},
};
use crate::{
    accounts,
    keys::{
        Reach,
        usage::{
            Asked, LINES, Of, Outcome, Resolution, Window, csv, last_requests, lines, names_of_keys, report,
        },
    },
    types::{AccountId, ApiKeyId, AppId, Fault},
};

/// Which time, and of what.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "says in the document what `Choice::of` reads")]
pub(super) struct When {
    /// The first moment; left out, an hour (by the minute), a day (by the hour) or 30 days (by the day) before `to`.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-06-01T00:00:00Z")]
    from: Option<OffsetDateTime>,
    /// The end, which is not in it; left out, now. All of a minute, hour or day counts that begins before it.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-06-02T00:00:00Z")]
    to: Option<OffsetDateTime>,
    /// By what it is counted; left out, by the hour. Up to 10,000 of them are told at once.
    #[param(inline)]
    resolution: Option<By>,
    /// Only of requests for this scope.
    #[param(example = "read:orders")]
    scope: Option<String>,
    /// Only of requests that were judged so.
    #[param(inline)]
    outcome: Option<Judged>,
    /// `csv` is a file with a line for each unit of time, key, scope and outcome; so is `Accept: text/csv`.
    #[param(inline)]
    format: Option<Format>,
}

#[derive(Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "says in the document what `Choice::of` reads")]
enum Format {
    Json,
    Csv,
}

#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "says in the document what `Outcome::named` reads")]
enum Judged {
    Valid,
    RateLimited,
    InsufficientScope,
    IpNotAllowed,
    WrongEnvironment,
    Expired,
    Revoked,
}

/// What was asked for.
struct Choice<'q> {
    window: Window,
    scope: Option<&'q str>,
    outcome: Option<Outcome>,
    as_file: bool,
}

impl<'q> Choice<'q> {
    fn of(query: &'q Params, request: &HttpRequest, now: OffsetDateTime) -> Result<Self, ApiError> {
        let resolution = query
            .read("resolution", "minute, hour or day", |text| match text {
                "minute" => Some(Resolution::Minute),
                "hour" => Some(Resolution::Hour),
                "day" => Some(Resolution::Day),
                _ => None,
            })?
            .unwrap_or(Resolution::Hour);
        // What is counted now is in it.
        let to = query
            .read("to", MOMENT, moment)?
            .unwrap_or(now + Duration::NANOSECOND);
        let usual = match resolution {
            Resolution::Minute => Duration::HOUR,
            Resolution::Hour => Duration::DAY,
            Resolution::Day => Duration::days(30),
        };
        let from = query.read("from", MOMENT, moment)?.unwrap_or(to - usual);
        if from >= to {
            return Err(ApiError::unsound("from", "from is before to"));
        }
        if to - from > resolution.length() * Window::LONGEST {
            return Err(ApiError::unsound(
                "from",
                "That is a time of more than 10,000 units: choose a shorter one, or a longer resolution",
            ));
        }
        let is = "json or csv";
        let as_file = query.read("format", is, |text| match text {
            "json" => Some(false),
            "csv" => Some(true),
            _ => None,
        })?;
        Ok(Self {
            window: Window::of(from, to, resolution),
            scope: query.one("scope")?,
            outcome: query.read("outcome", "one of those that the document names", Outcome::named)?,
            as_file: as_file.unwrap_or_else(|| wants_file(request)),
        })
    }

    fn asked(&self, of: Of) -> Asked<'_> {
        Asked {
            of,
            scope: self.scope,
            outcome: self.outcome,
        }
    }
}

const MOMENT: &str = "a time such as 2026-06-01T00:00:00Z, of this or the next millennium";

/// Other times have no use, and some of them no neighbours.
fn moment(text: &str) -> Option<OffsetDateTime> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let at = moment.to_offset(time::UtcOffset::UTC);
    (2000..4000).contains(&at.year()).then_some(at)
}

fn wants_file(request: &HttpRequest) -> bool {
    let accepted = request.headers().get(header::ACCEPT);
    let accepted = accepted.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let first = accepted.split([',', ';']).next().unwrap_or_default();
    first.trim().eq_ignore_ascii_case("text/csv")
}

/// Whose usage a caller may see: of a key or an app within reach, or of all that the caller reaches.
async fn whose(caller: &Caller, query: &Params) -> Result<Of, ApiError> {
    let app = query.one("app_id")?;
    let account = query.one("account_id")?;
    if let Some(key) = query.one("key_id")? {
        let key = caller.keys.key(key_id(key)?, caller.asker()).await?;
        let other = |named: Option<&str>, own: Option<String>| named.is_some() && named != own.as_deref();
        if other(app, key.app_id.map(|id| id.to_string())) || other(account, Some(key.account_id.to_string()))
        {
            return Err(ApiError::NotFound("key"));
        }
        return Ok(Of::Key(key.id));
    }
    let app = app
        .map(str::parse::<AppId>)
        .transpose()
        .map_err(|_cause| ApiError::NotFound("app"))?;
    if let Some(app) = app.or(caller.own_app()) {
        let policy = caller.keys.policy(app, caller.asker()).await?;
        if account.is_some_and(|account| account != policy.account_id.to_string()) {
            return Err(ApiError::NotFound("app"));
        }
        return Ok(Of::App(app));
    }
    let Reach::Person(user) = caller.asker().reach else {
        return Err(ApiError::NotFound("account"));
    };
    let mut connection = caller.keys.db.connection().await?;
    let account: Option<AccountId> = match account {
        Some(text) => text.parse().ok(),
        None => accounts::personal_account_of(&mut connection, user).await?,
    };
    let account = account.ok_or(ApiError::NotFound("account"))?;
    match accounts::role_in(&mut connection, account, user).await? {
        Some(_) => Ok(Of::Account(account)),
        None => Err(ApiError::NotFound("account")),
    }
}

async fn file(caller: &Caller, choice: &Choice<'_>, of: Of) -> Result<HttpResponse, ApiError> {
    let most = i64::try_from(LINES + 1).map_err(Fault::internal)?;
    let mut connection = caller.keys.db.connection().await?;
    let found = lines(&mut connection, choice.asked(of), &choice.window, most).await?;
    if found.len() > LINES {
        return Err(ApiError::unsound(
            "from",
            format!("That is more than {LINES} lines: choose a shorter time, or one key"),
        ));
    }
    let names = names_of_keys(&mut connection, of).await?;
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"usage.csv\""),
        ))
        .body(csv(&found, &names)?))
}

async fn counted(caller: &Caller, choice: &Choice<'_>, of: Of) -> Result<UsageAnswer, ApiError> {
    let mut connection = caller.keys.db.connection().await?;
    let report = report(&mut connection, choice.asked(of), choice.window).await?;
    Ok(UsageAnswer::from(report))
}

/// What was counted of an account, an app or a key
///
/// A key, or a client for itself, sees its own app; a person what is in their accounts.
#[utoipa::path(
    get,
    path = "/v1/usage",
    tag = "usage",
    params(
        ("account_id" = Option<String>, Query, description = "The account; left out, the person's own"),
        ("app_id" = Option<String>, Query, description = "The app; a caller that is bound to one need not say"),
        ("key_id" = Option<String>, Query, description = "The key"),
        When,
    ),
    responses(
        (status = 200, description = "What was counted", content(
            (UsageAnswer = "application/json"),
            (String = "text/csv"),
        )),
        (status = 404, description = "No such account, app or key"),
    ),
    security(("key" = []), ("oauth" = ["keys:manage"]), ("session" = [])),
)]
pub(super) async fn usage(
    caller: Called<ToManageKeys>,
    request: HttpRequest,
    query: Params,
) -> Result<HttpResponse, ApiError> {
    let choice = Choice::of(&query, &request, caller.keys.clock.now())?;
    let of = whose(&caller, &query).await?;
    if choice.as_file {
        return file(&caller, &choice, of).await;
    }
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(counted(&caller, &choice, of).await?))
}

/// What was counted of one key, and its last requests
///
/// A file has the counts alone.
#[utoipa::path(
    get,
    path = "/v1/keys/{id}/usage",
    tag = "usage",
    params(
        ("id" = String, Path, description = "The key's id, never its value"),
        When,
        ("limit" = Option<u32>, Query, description = "How many requests, 1 to 200", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the part before"),
    ),
    responses(
        (status = 200, description = "What was counted", content(
            (KeyUsageAnswer = "application/json"),
            (String = "text/csv"),
        )),
    ),
    security(("key" = []), ("oauth" = ["keys:manage"]), ("session" = [])),
)]
pub(super) async fn usage_of_key(
    caller: Called<ToManageKeys>,
    request: HttpRequest,
    path: Path<String>,
    query: Params,
) -> Result<HttpResponse, ApiError> {
    let choice = Choice::of(&query, &request, caller.keys.clock.now())?;
    let page = Page::of(&query)?;
    let before: Option<i64> = page.before()?;
    let key: ApiKeyId = caller.keys.key(key_id(&path)?, caller.asker()).await?.id;
    if choice.as_file {
        return file(&caller, &choice, Of::Key(key)).await;
    }
    let usage = counted(&caller, &choice, Of::Key(key)).await?;
    let most = usize::try_from(page.most).map_err(Fault::internal)?;
    let past = last_requests(&mut *caller.keys.db.connection().await?, key, before, most).await?;
    let last_requests = Listing {
        data: past.requests.into_iter().map(RequestAnswer::from).collect(),
        next_cursor: past.next.map(|number| number.to_string()),
    };
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(KeyUsageAnswer { usage, last_requests }))
}
