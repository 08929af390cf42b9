//! The document of the interface, made from its handlers (`OpenAPI` 3.1).

use actix_web::{HttpResponse, http::header, web::Data};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        security::{
            ApiKey, ApiKeyValue, AuthorizationCode, Flow, HttpAuthScheme, HttpBuilder, OAuth2, Scopes,
            SecurityScheme,
        },
        server::Server,
    },
};

use super::{
    answer::Problem, apps, forward_auth, key_changes, keys, leaks, scopes, usage,
    usual_answers::UsualAnswers, verify, webhook_acts, webhook_deliveries, webhooks,
};
use crate::oauth::Authority;

/// All that programs can call below `/v1`.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Claviger",
        description = "Keys for programs: made, judged, limited, counted and taken back. Every refusal has the same shape: \
            `success`, `error`, `message`, `request_id`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        verify::verify,
        forward_auth::forward_auth,
        keys::list,
        keys::create,
        keys::show,
        key_changes::change,
        keys::revoke,
        key_changes::rotate,
        key_changes::regenerate,
        keys::list_of_app,
        keys::create_of_app,
        keys::revoke_of_app,
        apps::list,
        apps::create,
        apps::show,
        apps::change,
        apps::delete,
        apps::clients,
        scopes::list,
        usage::usage,
        usage::usage_of_key,
        leaks::report,
        leaks::github,
        webhooks::list,
        webhooks::create,
        webhooks::show,
        webhooks::change,
        webhooks::delete,
        webhook_acts::rotate,
        webhook_acts::test,
        webhook_deliveries::list,
        webhook_deliveries::show,
        webhook_deliveries::attempts,
        webhook_acts::redeliver,
    ),
    components(schemas(Problem)),
    tags(
        (name = "verification", description = "For services and proxies that ask about each request"),
        (name = "keys", description = "API keys"),
        (name = "leaks", description = "Credentials that somebody found in public"),
        (name = "apps", description = "Apps, and what their keys may do"),
        (name = "usage", description = "What keys were used for"),
        (name = "webhooks", description = "Where an app is told of events, and what was sent there"),
    ),
    modifiers(&Credentials, &Names, &UsualAnswers),
)]
pub(super) struct Document;

/// What callers prove themselves with.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("In `Authorization: Bearer …`, and nowhere else. It reaches as far as its app, with the scopes that it has."))
            .build();
        components.add_security_scheme("key", SecurityScheme::Http(bearer));
        let scopes = Scopes::from_iter([
            (
                "keys:verify",
                "Ask whether API keys are good, and count their use",
            ),
            ("keys:manage", "Make, change and revoke API keys"),
            ("leaks:report", "Report leaked credentials"),
            ("webhooks:manage", "Change where an app is told of events"),
        ]);
        let flow = AuthorizationCode::new("/oauth/authorize", "/oauth/token", scopes);
        let oauth = OAuth2::with_description(
            [Flow::AuthorizationCode(flow)],
            "An access token of an OAuth client, in the same header. It reaches as far as the person who consented, or, where \
             a client asks for itself, as far as the client's app.",
        );
        components.add_security_scheme("oauth", SecurityScheme::OAuth2(oauth));
        let session = ApiKeyValue::with_description(
            "claviger-session",
            "A session of the dashboard, on an account with a live key. Whatever changes something needs the csrf_token of a \
             page in X-CSRF-Token.",
        );
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(session)));
    }
}

/// Names each operation after its method and path: the names of handlers are those of their module.
struct Names;

impl Modify for Names {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for (path, item) in &mut document.paths.paths {
            let words = path
                .split(['/', '{', '}'])
                .filter(|word| !word.is_empty() && *word != "v1");
            let words = words.collect::<Vec<_>>().join("-");
            let all = [
                ("get", &mut item.get),
                ("post", &mut item.post),
                ("patch", &mut item.patch),
                ("delete", &mut item.delete),
            ];
            for (method, operation) in all {
                if let Some(operation) = operation {
                    operation.operation_id = Some(format!("{method}-{words}"));
                }
            }
        }
    }
}

/// The document, for the server that answers under this issuer.
#[must_use]
pub fn document(issuer: &str) -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    document.servers = Some(vec![Server::new(issuer)]);
    document
}

/// `/openapi.json`
pub(super) async fn serve(authority: Data<Authority>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .json(document(&authority.issuer))
}
