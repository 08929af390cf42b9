//! What happens around every request: its id, its line in the log, the headers that every answer has.

use std::time::{Duration, Instant};

use actix_web::{
    Error, HttpMessage as _, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{self, HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    web::Data,
};
use tracing::Instrument as _;

use super::{
    BasePath, Browser, BrowserSettings, News,
    browser::FreshCookie,
    news,
    request::{RequestId, within_request},
};
use crate::types::{Clock, Entropy};

/// Left in a response's extensions by a page whose form may end at another site: browsers hold redirects
/// after a form to `form-action` too.
#[derive(Clone, Debug)]
pub struct FormAction(pub String);

/// Where in a path something begins that the log must not keep. What that may be, capabilities know.
pub struct FirstSecret(pub Box<PlaceIn>);

type PlaceIn = dyn Fn(&str) -> Option<usize> + Send + Sync;

/// The path as it may be logged.
fn loggable(request: &ServiceRequest) -> &str {
    let path = request.path();
    request
        .app_data::<Data<FirstSecret>>()
        .and_then(|secret| path.get(..(secret.0)(path)?))
        .unwrap_or(path)
}

/// The outermost middleware.
///
/// # Errors
///
/// Those of the service within.
#[allow(clippy::disallowed_methods, reason = "measures how long the answer took")]
pub async fn around(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let started = Instant::now();
    let settings = request.app_data::<Data<BrowserSettings>>().cloned();
    let (id, base) = settings.as_ref().map_or_else(
        || {
            (
                RequestId::new(&Clock::system(), &Entropy::system()),
                BasePath::default(),
            )
        },
        |own| (RequestId::new(&own.clock, &own.entropy), own.base.clone()),
    );
    request.extensions_mut().insert(id.clone());
    if let Some(uri) = base.strip(request.uri()) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
    let tls_ends_here = request.app_config().secure();
    // The path alone: queries carry codes and states.
    let span = tracing::info_span!("request", id = id.as_str(), method = %request.method(), path = loggable(&request));
    let result = within_request(id.clone(), base, next.call(request))
        .instrument(span.clone())
        .await;
    let mut response = result?;
    let _entered = span.enter();
    if let Some(error) = response.response().error() {
        if response.status().is_server_error() {
            tracing::error!(%error, "request failed");
        } else {
            tracing::debug!(%error, "request refused");
        }
    }
    tracing::debug!(
        status = response.status().as_u16(),
        us = started.elapsed().as_micros(),
        "answered"
    );
    let fresh = response.request().extensions_mut().remove::<FreshCookie>();
    if let Some(FreshCookie(cookie)) = fresh {
        let _ = response.response_mut().add_cookie(&cookie);
    }
    if let Some(settings) = settings {
        keep_news(&mut response, &settings);
    }
    let form_action = response.response().extensions().get::<FormAction>().cloned();
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    secure(headers, form_action.as_ref(), tls_ends_here);
    Ok(response)
}

/// Keeps what an act has to say until a page has said it; but nothing of what another site had the browser send, who may
/// be signed in for all that was seen of them.
fn keep_news<B>(response: &mut ServiceResponse<B>, settings: &BrowserSettings) {
    let fresh = response.response().extensions().get::<News>().copied();
    let cookie = match fresh {
        Some(_) if is_unknown(response.request()) => return,
        Some(news) => news.cookie(settings),
        None if is_page(response.headers()) && settings.news(response.request()).is_some() => {
            settings.cookie(news::COOKIE, "", Duration::ZERO)
        }
        None => return,
    };
    let _ = response.response_mut().add_cookie(&cookie);
}

fn is_unknown(request: &HttpRequest) -> bool {
    let extensions = request.extensions();
    let browser = extensions.get::<Browser>();
    browser.is_some_and(|browser| browser.unknown().is_some())
}

fn is_page(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// Nothing but our own files; a form may also end where `also` says.
fn policy(also: &str) -> String {
    let space = if also.is_empty() { "" } else { " " };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'{space}{also}; frame-ancestors 'none'; base-uri 'none'"
    )
}

/// What JSON has to say about itself, and what pages have to say beyond that.
fn secure(headers: &mut HeaderMap, form_action: Option<&FormAction>, tls_ends_here: bool) {
    const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
    const TLS_ONLY: HeaderValue = HeaderValue::from_static("max-age=63072000");

    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    if tls_ends_here {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, TLS_ONLY);
    }
    // Without a body, as in a redirect, there is nothing to frame or to run, but a referrer to keep quiet about.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if !is_page(headers) {
        return;
    }
    let policy = policy(form_action.map_or("", |FormAction(source)| source));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(
        header::PERMISSIONS_POLICY,
        HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
    );
}
