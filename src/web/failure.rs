use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use askama::Template as _;

use super::{
    BasePath, News, Unreadable, base, current_request_id,
    page::{ErrorPage, Frame},
};
use crate::types::Fault;

/// Why a page could not be shown. Each becomes an error page with a sentence that a person can act on.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// 400, with what to mend.
    #[error("bad request: {0}")]
    BadRequest(String),
    /// 403: the role does not reach so far.
    #[error("forbidden")]
    Forbidden,
    /// 403: a form from elsewhere, or from before its sender signed in or out; `page` has a fresh one.
    #[error("the form is not from a page of this session")]
    Stale { page: String },
    /// 404, also for what exists but is not the asker's to see.
    #[error("not found")]
    NotFound,
    /// 413.
    #[error("too large")]
    TooLarge,
    /// 429.
    #[error("too many requests")]
    TooManyRequests { retry_after: Duration },
    /// Not signed in: a redirect to the sign-in page, which comes back to this path.
    #[error("sign-in needed")]
    SignInNeeded {
        return_to: String,
        /// Whether a form came, which is not kept: the sign-in page says so.
        form_lost: bool,
    },
    /// Signed in, but nobody has shown that the address is theirs: a redirect to the account page, which sends the link
    /// again.
    #[error("the e-mail address is not verified")]
    AddressUnverified,
    /// 500 or 503; the cause is in the log.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Forbidden | Self::Stale { .. } => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::SignInNeeded { .. } | Self::AddressUnverified => StatusCode::SEE_OTHER,
            Self::Fault(Fault::Unavailable(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Fault(Fault::Internal(_)) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let mut answer = HttpResponse::build(status);
        match self {
            Self::SignInNeeded { return_to, form_lost } => {
                let mut query = url::form_urlencoded::Serializer::new(String::new());
                query.append_pair("return_to", return_to);
                let answer = see_other(&format!("/sign-in?{}", query.finish()));
                return if *form_lost {
                    News::SessionOver.after(answer)
                } else {
                    answer
                };
            }
            Self::AddressUnverified => return News::ConfirmFirst.on("/account"),
            Self::TooManyRequests { retry_after } => {
                answer.insert_header((
                    header::RETRY_AFTER,
                    HeaderValue::from(whole_seconds(*retry_after)),
                ));
            }
            Self::Fault(Fault::Unavailable(_)) => {
                answer.insert_header((header::RETRY_AFTER, HeaderValue::from(1)));
            }
            _ => {}
        }
        let mut page = ErrorPage::for_status(Frame::default(), status.as_u16(), current_request_id());
        match self {
            Self::BadRequest(text) => page.text.clone_from(text),
            Self::Stale { page: again } => page.be_stale(again),
            Self::TooManyRequests { retry_after } => page.text = wait_in_words(*retry_after),
            _ => {}
        }
        match page.render() {
            Ok(html) => answer
                .content_type("text/html; charset=utf-8")
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .body(html),
            Err(_) => answer.body(page.text),
        }
    }
}

impl From<Unreadable> for Failure {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::TooLarge => Self::TooLarge,
            Unreadable::ContentType | Unreadable::Encoding | Unreadable::CutOff => {
                Self::BadRequest(format!("The form could not be read: {unreadable}."))
            }
        }
    }
}

/// "Wait 8 seconds", and why.
#[must_use]
pub fn wait_in_words(wait: Duration) -> String {
    let seconds = whole_seconds(wait);
    let words = if seconds > 90 {
        format!("{} minutes", seconds.div_ceil(60))
    } else if seconds == 1 {
        "1 second".to_owned()
    } else {
        format!("{seconds} seconds")
    };
    format!("Too many attempts. Wait {words}, then try again.")
}

/// Whole seconds, rounded up: nobody should come back too early.
#[must_use]
pub fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// A page as the answer: 200, HTML, not to be kept by any cache.
///
/// # Errors
///
/// If the template fails.
pub fn html(page: &impl askama::Template) -> Result<HttpResponse, Failure> {
    html_with(StatusCode::OK, page)
}

/// The same with another status: 400 for a form to mend, say.
///
/// # Errors
///
/// If the template fails.
pub fn html_with(status: StatusCode, page: &impl askama::Template) -> Result<HttpResponse, Failure> {
    let html = page.render().map_err(Fault::internal)?;
    Ok(HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(html))
}

/// On to another page of ours, by its path, or to a client's, by its address, after a POST (RFC 9110 §15.4.4).
#[must_use]
pub fn see_other(location: &str) -> HttpResponse {
    let base = if location.starts_with('/') {
        base()
    } else {
        BasePath::default()
    };
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, format!("{base}{location}")))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

/// For paths that only take forms: on to the page that they are on, one level up. Whoever comes to one by the address
/// bar, or back from signing in, finds the form there.
pub async fn page_above(request: HttpRequest) -> HttpResponse {
    let above = request.path().rsplit_once('/').map_or("", |(above, _)| above);
    see_other(if above.is_empty() { "/" } else { above })
}
