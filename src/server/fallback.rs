//! What no route answers: 404, and 405 where there is the path but not for this method.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, Route,
    body::BoxBody,
    dev::ServiceResponse,
    http::{Method, header},
    web,
};
use askama::Template as _;
use serde_json::json;

use crate::{
    api,
    web::{
        current_request_id,
        page::{ErrorPage, Frame},
    },
};

pub(super) fn service() -> Route {
    web::to(fallback)
}

async fn fallback(request: HttpRequest) -> HttpResponse {
    if request.resource_map().has_resource(request.path()) {
        refuse_method(&request)
    } else {
        refuse(
            &request,
            HttpResponse::NotFound(),
            ("not_found", "there is no such endpoint"),
        )
    }
}

/// Gives words to a 405 that a resource answered without any, and keeps what it said in headers.
pub(super) fn put_in_words(bare: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let mut worded = refuse_method(bare.request());
    for (name, value) in bare.headers() {
        worded.headers_mut().insert(name.clone(), value.clone());
    }
    bare.into_response(worded)
}

/// 405, with the methods that the path takes.
fn refuse_method(request: &HttpRequest) -> HttpResponse {
    let mut answer = HttpResponse::MethodNotAllowed();
    answer.insert_header((header::ALLOW, allowed(request)));
    refuse(
        request,
        answer,
        ("method_not_allowed", "this endpoint does not take this method"),
    )
}

fn refuse(
    request: &HttpRequest,
    mut answer: HttpResponseBuilder,
    (error, description): (&str, &str),
) -> HttpResponse {
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    if request.path().starts_with(api::http::ROOT) {
        return answer.json(api::http::problem(error, description));
    }
    if speaks_json(request.path()) {
        return answer.json(json!({ "error": error, "error_description": description }));
    }
    let mut answer = answer.content_type("text/html; charset=utf-8").finish();
    let page = ErrorPage::for_status(Frame::default(), answer.status().as_u16(), current_request_id());
    match page.render() {
        Ok(page) => answer.set_body(BoxBody::new(page)),
        Err(error) => {
            tracing::error!(%error, "the error page failed");
            answer.head_mut().headers.remove(header::CONTENT_TYPE);
            answer
        }
    }
}

/// RFC 9110 §10.2.1 wants them named. Every resource takes GET, POST, or both, but for those of the interface, whose
/// document says.
fn allowed(request: &HttpRequest) -> &str {
    let documented = request
        .match_pattern()
        .and_then(|pattern| api::http::methods_of(&pattern));
    if let Some(documented) = documented {
        return documented;
    }
    match *request.method() {
        Method::GET => "POST",
        Method::POST => "GET, HEAD",
        _ => "GET, HEAD, POST",
    }
}

/// Whether programs, not people, read what stands there.
fn speaks_json(path: &str) -> bool {
    let pages = ["/oauth/authorize", "/oauth/consent", "/oauth/select-account"];
    ["/oauth/", "/.well-known/"]
        .iter()
        .any(|root| path.starts_with(root))
        && !pages.iter().any(|page| path.starts_with(page))
}
