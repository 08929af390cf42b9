use std::time::Duration;

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use askama::Template as _;

use super::{
    current_request_id,
    page::{ErrorPage, Frame},
};
use crate::types::Fault;

/// Why a page could not be shown. Each becomes an error page with a sentence that a person can act on.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// 400, with what to mend.
    #[error("bad request: {0}")]
    BadRequest(String),
    /// 403: a form from elsewhere, or somebody else's thing.
    #[error("forbidden")]
    Forbidden,
    /// 404, also for what exists but is not the asker's to see.
    #[error("not found")]
    NotFound,
    /// 429.
    #[error("too many requests")]
    TooManyRequests { retry_after: Duration },
    /// Not signed in: a redirect to the sign-in page, which comes back to this path.
    #[error("sign-in needed")]
    SignInNeeded { return_to: String },
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
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
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
            Self::SignInNeeded { return_to } => {
                let query = url::form_urlencoded::Serializer::new(String::new())
                    .append_pair("return_to", return_to)
                    .finish();
                return answer
                    .insert_header((header::LOCATION, format!("/sign-in?{query}")))
                    .finish();
            }
            Self::AddressUnverified => {
                return answer
                    .insert_header((header::LOCATION, "/account?notice=confirm-first"))
                    .finish();
            }
            Self::TooManyRequests { retry_after } => {
                answer.insert_header((header::RETRY_AFTER, HeaderValue::from(seconds(*retry_after))));
            }
            Self::Fault(Fault::Unavailable(_)) => {
                answer.insert_header((header::RETRY_AFTER, HeaderValue::from(1)));
            }
            _ => {}
        }
        let mut page = ErrorPage::for_status(Frame::default(), status.as_u16(), current_request_id());
        if let Self::BadRequest(text) = self {
            page.text.clone_from(text);
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

/// Whole seconds, rounded up: nobody should come back too early.
pub(super) fn seconds(duration: Duration) -> u64 {
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

/// On to another page after a POST (RFC 9110 §15.4.4).
#[must_use]
pub fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, path))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}
