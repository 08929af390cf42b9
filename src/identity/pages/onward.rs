//! What the pages share: where a form leads to when it is done, the session cookie, failures as pages.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::Data,
};
use askama::Template;
use secrecy::SecretString;

use super::super::{
    Identity, KNOWN_FOR, LinkPurpose, Started,
    http::{PendingRequest, PendingRequests, SESSION_COOKIE, Visitor},
    known_browser, views,
};
use crate::{
    types::{AuthorizationRequestId, Fault},
    web::{BrowserSettings, Failure, Parameters, Query, html_with, see_other, whole_seconds},
};

/// What a form says that came from a page of another session, or of none.
pub(super) const OUT_OF_DATE: &str =
    "This page was open for too long. Here is a fresh one: send it once more.";

/// Where a page leads to: on with an authorization request that waits, to a path of ours, or to the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Onward {
    pub(super) request: Option<AuthorizationRequestId>,
    pub(super) return_to: Option<String>,
    /// Whether somebody who is signed in would rather be somebody else.
    pub(super) another: bool,
}

impl Onward {
    /// Reads `request`, `return_to` and `another`; what is no id or no path of ours counts as not sent.
    pub(super) fn read(parameters: &Parameters) -> Self {
        Self {
            request: parameters.text("request").parse().ok(),
            return_to: local_path(parameters.text("return_to")).map(str::to_owned),
            another: parameters.text("another") == "1",
        }
    }

    /// A request's id is not checked here: where it leads to, OAuth looks whether it is this browser's.
    pub(super) fn path(&self) -> String {
        match (self.request, &self.return_to) {
            (Some(id), _) => format!("/oauth/authorize/continue?request={id}"),
            (None, Some(path)) => path.clone(),
            (None, None) => "/".to_owned(),
        }
    }

    /// The same for the page's form and links; a request that is not this browser's is left behind.
    pub(super) fn view(&self, waiting: Option<&PendingRequest>) -> views::Onward {
        views::Onward {
            request: waiting.map(|waiting| waiting.banner.clone()),
            return_to: self.return_to.clone(),
            another: self.another,
        }
    }
}

/// A path on this server. What browsers would read as another host (`//host`, `/\host`), or that has
/// characters that no address has, is none.
fn local_path(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('/')?;
    let sound = text.len() <= 2_000
        && !rest.starts_with('/')
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    sound.then_some(text)
}

/// The request that waits behind this page, if it is this browser's.
pub(super) async fn pending(
    request: &HttpRequest,
    visitor: &Visitor,
    onward: &Onward,
) -> Result<Option<PendingRequest>, Failure> {
    let signed_in = visitor.signed_in.as_ref();
    match (onward.request, request.app_data::<Data<dyn PendingRequests>>()) {
        (Some(id), Some(requests)) => Ok(requests
            .pending(
                id,
                visitor.browser.digest(),
                signed_in.map(|own| own.session.authenticated_at),
            )
            .await?),
        _ => Ok(None),
    }
}

/// Where a page leads to, and the request that waits behind it. One that is not this browser's, or was decided, counts as
/// not sent.
pub(super) async fn arrive(
    request: &HttpRequest,
    visitor: &Visitor,
    parameters: &Parameters,
) -> Result<(Onward, Option<PendingRequest>), Failure> {
    let mut onward = Onward::read(parameters);
    let waiting = pending(request, visitor, &onward).await?;
    if waiting.is_none() {
        onward.request = None;
    }
    Ok((onward, waiting))
}

/// A page whose form may end at the site of the app that waits.
pub(super) fn page(
    status: StatusCode,
    page: &impl Template,
    pending: Option<PendingRequest>,
) -> Result<HttpResponse, Failure> {
    let mut response = html_with(status, page)?;
    if let Some(pending) = pending {
        response.extensions_mut().insert(pending.form_action);
    }
    Ok(response)
}

/// The same page once more, to be sent again later.
pub(super) fn too_early(mut response: HttpResponse, wait: Duration) -> HttpResponse {
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    response.headers_mut().insert(
        header::RETRY_AFTER,
        header::HeaderValue::from(whole_seconds(wait)),
    );
    response
}

/// On, with the cookie of a session that has just begun, and the one by which the browser is known afterwards.
pub(super) fn signed_in(
    identity: &Identity,
    settings: &BrowserSettings,
    started: &Started,
    path: &str,
) -> Result<HttpResponse, Failure> {
    // The browser may keep it as long as any session lives; when this one ends, we decide.
    let longest = identity.config.lifetimes.session_absolute.duration();
    let cookie = settings.cookie(SESSION_COOKIE, started.token.expose(), longest);
    let mut response = see_other(path);
    response.add_cookie(&cookie).map_err(Fault::internal)?;
    let known = identity.remember_browser(started)?;
    let cookie = settings.cookie(known_browser::COOKIE, known.expose(), KNOWN_FOR);
    response.add_cookie(&cookie).map_err(Fault::internal)?;
    Ok(response)
}

/// On, without a session.
pub(super) fn signed_out(settings: &BrowserSettings, path: &str) -> Result<HttpResponse, Failure> {
    let cookie = settings.cookie(SESSION_COOKIE, "", Duration::ZERO);
    let mut response = see_other(path);
    response.add_cookie(&cookie).map_err(Fault::internal)?;
    Ok(response)
}

/// The page of a link that does not lead on.
pub(super) fn bad_link(visitor: &Visitor, purpose: LinkPurpose) -> Result<HttpResponse, Failure> {
    html_with(
        StatusCode::NOT_FOUND,
        &views::LinkExpired {
            frame: visitor.frame()?,
            purpose,
        },
    )
}

/// The query of a page of ours; one that cannot be read is as none.
pub(super) fn query(Query(query): Query) -> Parameters {
    query.unwrap_or_default()
}

pub(super) fn secret(form: &Parameters, name: &str) -> SecretString {
    form.text(name).to_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_are_returned_to() {
        for good in ["/", "/apps", "/apps/app_1?x=//y#z", "/a%0Ab"] {
            assert_eq!(local_path(good), Some(good), "{good}");
        }
        let long = format!("/{}", "a".repeat(2_000));
        for bad in [
            "",
            "apps",
            "//evil.example",
            "/\\evil.example",
            "/a\\b",
            "\\/evil.example",
            "https://evil.example/",
            "/\n/evil.example",
            "/\t/evil.example",
            "/a b",
            "/é",
            " /apps",
            &long,
        ] {
            assert_eq!(local_path(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_request_goes_before_a_path_and_nonsense_leads_to_the_start() {
        let path = |text: &str| Onward::read(&Parameters::parse(text.as_bytes()).unwrap()).path();
        assert_eq!(path(""), "/");
        assert_eq!(path("return_to=/apps"), "/apps");
        assert_eq!(path("return_to=//evil.example&request=arq_x"), "/");
        assert_eq!(
            path("return_to=/apps&request=arq_00000000000000000000000001"),
            "/oauth/authorize/continue?request=arq_00000000000000000000000001"
        );
    }
}
