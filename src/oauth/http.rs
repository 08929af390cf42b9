//! The endpoints that programs call: JSON in answers, forms in requests, any origin.

use actix_web::{
    Error, HttpRequest, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::{Next, from_fn},
    web::{self, Data, Path, ServiceConfig},
};
use serde_json::json;

use super::{
    Authority, EndpointError, LoggedRequest, clients,
    clients::Client,
    error::legal_description,
    introspect, pages, revoke, token,
    userinfo::{self, UserinfoError},
};
use crate::{
    keys::Keys,
    types::{ClientId, Fault},
    web::{Failure, Form, Parameters, RequestContext, whole_seconds},
};

/// Adds the routes of this capability, pages too. Routes are tried in this order, and a pattern costs a hundred times
/// what a fixed path does: so the paths that are asked for many thousand times a second are first, patterns last.
pub fn routes(config: &mut ServiceConfig) {
    let open = || from_fn(any_origin);
    config
        .service(
            web::resource("/oauth/token")
                .wrap(open())
                .route(web::post().to(token_endpoint))
                .route(web::method(Method::OPTIONS).to(preflight)),
        )
        .service(web::resource("/oauth/introspect").route(web::post().to(introspection_endpoint)))
        .service(
            web::resource("/oauth/revoke")
                .wrap(open())
                .route(web::post().to(revocation_endpoint))
                .route(web::method(Method::OPTIONS).to(preflight)),
        )
        .service(
            web::resource("/oauth/userinfo")
                .wrap(open())
                .route(web::get().to(userinfo_endpoint))
                .route(web::post().to(userinfo_endpoint))
                .route(web::method(Method::OPTIONS).to(preflight)),
        )
        .service(
            web::resource("/.well-known/jwks.json")
                .wrap(open())
                .route(web::get().to(jwks_endpoint)),
        );
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ] {
        config.service(
            web::resource(path)
                .wrap(open())
                .route(web::get().to(metadata_endpoint)),
        );
    }
    pages::routes(config);
    config
        .service(
            web::resource("/.well-known/oauth-authorization-server/{path:.*}")
                .wrap(open())
                .route(web::get().to(metadata_of_path)),
        )
        .service(web::resource("/oauth/clients/{client}/logo/{digest}").route(web::get().to(logo)));
}

/// Lets scripts of any origin read the answers: these endpoints know no cookies, so there is nothing that a foreign
/// page could borrow.
async fn any_origin(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("WWW-Authenticate, X-Request-Id"),
    );
    Ok(response)
}

async fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"))
        .insert_header((
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, Content-Type",
        ))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400"))
        .finish()
}

fn authorization(request: &HttpRequest) -> Result<Option<&str>, EndpointError> {
    let mut all = request.headers().get_all(header::AUTHORIZATION);
    let first = all.next();
    if all.next().is_some() {
        return Err(EndpointError::InvalidRequest(
            "Authorization must not be sent more than once".into(),
        ));
    }
    first
        .map(|value| value.to_str())
        .transpose()
        .map_err(|_cause| EndpointError::InvalidRequest("Authorization must be ASCII".into()))
}

/// JSON that no cache may keep (RFC 6749 §5.1).
fn no_store(status: actix_web::http::StatusCode, body: &impl serde::Serialize) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((HeaderName::from_static("pragma"), "no-cache"))
        .json(body)
}

/// RFC 6749 §5.2, to the letter.
fn refusal(error: &EndpointError) -> HttpResponse {
    use actix_web::http::StatusCode;

    let body = |code: &str, description: &str| json!({ "error": code, "error_description": description });
    let description = legal_description(&error.to_string());
    let (status, code) = match error {
        EndpointError::InvalidRequest(_)
        | EndpointError::InvalidGrant { .. }
        | EndpointError::UnauthorizedClient(_)
        | EndpointError::UnsupportedGrantType
        | EndpointError::InvalidScope(_) => (StatusCode::BAD_REQUEST, error.code().unwrap_or_default()),
        EndpointError::InvalidClient { challenge, .. } => {
            let mut response = no_store(StatusCode::UNAUTHORIZED, &body("invalid_client", &description));
            if *challenge {
                let challenge = HeaderValue::from_static("Basic realm=\"oauth\", charset=\"UTF-8\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            }
            return response;
        }
        EndpointError::InvalidToken => {
            let mut response = no_store(StatusCode::UNAUTHORIZED, &body("invalid_token", &description));
            let challenge =
                HeaderValue::from_static("Bearer error=\"invalid_token\", scope=\"tokens:introspect\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            return response;
        }
        EndpointError::Throttled(wait) => {
            let description = "too many attempts: wait as long as Retry-After says";
            let mut response = no_store(StatusCode::TOO_MANY_REQUESTS, &body("slow_down", description));
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(*wait)));
            return response;
        }
        EndpointError::Fault(fault) => return outage(fault),
    };
    no_store(status, &body(code, &description))
}

/// The server's own trouble: the cause is in the log, the caller learns whether to try again.
fn outage(fault: &Fault) -> HttpResponse {
    use actix_web::http::StatusCode;

    let request_id = crate::web::current_request_id();
    tracing::error!(%fault, request_id, "endpoint failed");
    let (status, code, description) = match fault {
        Fault::Unavailable(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            "try again in a moment",
        ),
        Fault::Internal(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "server_error",
            "the server failed",
        ),
    };
    let body = json!({ "error": code, "error_description": description, "request_id": request_id });
    let mut response = no_store(status, &body);
    if matches!(fault, Fault::Unavailable(_)) {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(1));
    }
    response
}

fn log(
    authority: &Authority,
    client: &Client,
    endpoint: &'static str,
    error: Option<&EndpointError>,
    request_id: &str,
) {
    authority.request_log.push(LoggedRequest {
        client: client.id,
        at: authority.clock.now(),
        endpoint,
        error: error.map(|error| error.code().unwrap_or("server_error")),
        description: error.map(EndpointError::for_developer),
        request_id: request_id.to_owned(),
    });
}

/// Leaves a line in the request log of the client that a refused request names. What went well is no line here:
/// services ask many thousand times a second.
async fn log_refusal(
    authority: &Authority,
    endpoint: &'static str,
    request: &HttpRequest,
    form: Option<&Parameters>,
    error: &EndpointError,
) {
    let (Some(form), Ok(authorization)) = (form, authorization(request)) else {
        return;
    };
    if matches!(error, EndpointError::Fault(_)) {
        return;
    }
    if let Some(client) = token::named(authority, authorization, form).await {
        let request_id = crate::web::current_request_id();
        log(authority, &client, endpoint, Some(error), &request_id);
    }
}

async fn token_endpoint(
    authority: Data<Authority>,
    request: HttpRequest,
    context: RequestContext,
    form: Form,
) -> HttpResponse {
    let read =
        || -> Result<(Option<&str>, Parameters), EndpointError> { Ok((authorization(&request)?, form.0?)) };
    let (client, answer) = match read() {
        Ok((authorization, form)) => token::token(&authority, authorization, &form, &context.0).await,
        Err(error) => (None, Err(error)),
    };
    if let Some(client) = client {
        log(
            &authority,
            &client,
            "token",
            answer.as_ref().err(),
            &context.0.request_id,
        );
    }
    match answer {
        Ok(tokens) => no_store(actix_web::http::StatusCode::OK, &tokens),
        Err(error) => refusal(&error),
    }
}

async fn introspection_endpoint(
    authority: Data<Authority>,
    keys: Data<Keys>,
    request: HttpRequest,
    context: RequestContext,
    form: Form,
) -> HttpResponse {
    let form = form.0;
    let answer = async {
        let form = form.as_ref().map_err(Clone::clone)?;
        introspect::introspect(&authority, &keys, authorization(&request)?, form, &context.0).await
    };
    match answer.await {
        Ok(introspection) => no_store(actix_web::http::StatusCode::OK, &introspection),
        Err(error) => {
            log_refusal(&authority, "introspect", &request, form.as_ref().ok(), &error).await;
            refusal(&error)
        }
    }
}

async fn revocation_endpoint(
    authority: Data<Authority>,
    request: HttpRequest,
    context: RequestContext,
    form: Form,
) -> HttpResponse {
    let form = form.0;
    let answer = async {
        let form = form.as_ref().map_err(Clone::clone)?;
        revoke::revoke(&authority, authorization(&request)?, form, &context.0).await
    };
    match answer.await {
        Ok(()) => HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish(),
        Err(error) => {
            log_refusal(&authority, "revoke", &request, form.as_ref().ok(), &error).await;
            refusal(&error)
        }
    }
}

async fn userinfo_endpoint(authority: Data<Authority>, request: HttpRequest) -> HttpResponse {
    let bearer = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token)
        });
    let error = match userinfo::userinfo(&authority, bearer).await {
        Ok(claims) => return no_store(actix_web::http::StatusCode::OK, &claims),
        Err(error) => error,
    };
    // RFC 6750 §3: without a token there is a challenge and no error code.
    let (mut answer, challenge) = match &error {
        UserinfoError::NoToken => (HttpResponse::Unauthorized(), "Bearer realm=\"oauth\"".to_owned()),
        UserinfoError::InvalidToken => (
            HttpResponse::Unauthorized(),
            format!("Bearer realm=\"oauth\", error=\"invalid_token\", error_description=\"{error}\""),
        ),
        UserinfoError::InsufficientScope => (
            HttpResponse::Forbidden(),
            format!(
                "Bearer realm=\"oauth\", error=\"insufficient_scope\", error_description=\"{error}\", scope=\"openid\""
            ),
        ),
        UserinfoError::Fault(fault) => return outage(fault),
    };
    answer
        .insert_header((header::WWW_AUTHENTICATE, challenge))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

/// How long clients may keep documents that change with configuration alone; less than the lead of a signing key.
const DOCUMENT_CACHE: &str = "public, max-age=300";

async fn metadata_endpoint(authority: Data<Authority>) -> HttpResponse {
    match authority.metadata().await {
        Ok(document) => HttpResponse::Ok()
            .content_type("application/json")
            .insert_header((header::CACHE_CONTROL, DOCUMENT_CACHE))
            .body(document.to_string()),
        Err(fault) => outage(&fault),
    }
}

/// An issuer with a path has its metadata behind that path (RFC 8414 §3.1).
async fn metadata_of_path(authority: Data<Authority>, path: Path<String>) -> HttpResponse {
    let own = authority.issuer.splitn(4, '/').nth(3).unwrap_or_default();
    if path.into_inner().trim_end_matches('/') == own && !own.is_empty() {
        metadata_endpoint(authority).await
    } else {
        HttpResponse::NotFound().finish()
    }
}

async fn jwks_endpoint(authority: Data<Authority>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/jwk-set+json")
        .insert_header((header::CACHE_CONTROL, DOCUMENT_CACHE))
        .body(authority.signing.jwks())
}

async fn logo(authority: Data<Authority>, path: Path<(String, String)>) -> Result<HttpResponse, Failure> {
    let (client, digest) = path.into_inner();
    let client: ClientId = client.parse().map_err(|_cause| Failure::NotFound)?;
    let logo = clients::logo(&mut *authority.db.connection().await?, client)
        .await?
        // The answer may be kept for good under this address, so it must be the picture that this address names.
        .filter(|logo| logo.digest() == digest)
        .ok_or(Failure::NotFound)?;
    Ok(HttpResponse::Ok()
        .content_type(logo.content_type)
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(logo.bytes))
}
