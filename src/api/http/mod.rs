//! The routes of `/v1`.

mod answer;
mod apps;
mod body;
mod caller;
mod example;
mod forward_auth;
mod key_changes;
mod key_shape;
mod keys;
mod leaks;
mod openapi;
mod reference;
mod scopes;
mod usage;
mod usage_shape;
mod usual_answers;
mod verify;
mod webhook_acts;
mod webhook_deliveries;
mod webhook_shape;
mod webhooks;

pub use openapi::document;
pub use reference::docs;

use actix_web::{
    middleware::from_fn,
    web::{self, ServiceConfig},
};

use std::{collections::BTreeMap, sync::OnceLock};

use caller::account_for;

/// What all paths of the interface begin with.
pub const ROOT: &str = "/v1/";

/// A refusal of what is no route of the interface, in its shape.
#[must_use]
pub fn problem(error: &str, message: &str) -> impl serde::Serialize + use<> {
    let error = match error {
        "method_not_allowed" => "METHOD_NOT_ALLOWED",
        _ => "NOT_FOUND",
    };
    answer::problem_of(error, message)
}

/// The methods that a path takes, by its pattern, as `Allow` lists them.
#[must_use]
pub fn methods_of(pattern: &str) -> Option<&'static str> {
    static METHODS: OnceLock<BTreeMap<String, String>> = OnceLock::new();

    let methods = METHODS.get_or_init(|| {
        let named = |item: utoipa::openapi::PathItem| {
            let all = [
                ("GET, HEAD", item.get.is_some()),
                ("POST", item.post.is_some()),
                ("PATCH", item.patch.is_some()),
                ("DELETE", item.delete.is_some()),
            ];
            let taken: Vec<&str> = all.into_iter().filter(|own| own.1).map(|own| own.0).collect();
            taken.join(", ")
        };
        let paths = document("").paths.paths;
        paths
            .into_iter()
            .map(|(path, item)| (path, named(item)))
            .collect()
    });
    methods.get(pattern).map(String::as_str)
}

/// Adds the routes. What is asked for many thousand times a second comes first, patterns last.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/v1/keys/verify")
                .wrap(from_fn(account_for))
                .route(web::post().to(verify::verify)),
        )
        .service(
            web::resource("/v1/auth")
                .wrap(from_fn(forward_auth::tell_in_header))
                .route(web::get().to(forward_auth::forward_auth))
                .route(web::post().to(forward_auth::forward_auth)),
        )
        .service(
            web::resource("/v1/auth/{path:.*}")
                .wrap(from_fn(forward_auth::tell_in_header))
                .route(web::to(forward_auth::forward_auth)),
        )
        .service(
            web::scope("/v1")
                .wrap(from_fn(account_for))
                .service(
                    web::resource("/keys")
                        .route(web::get().to(keys::list))
                        .route(web::post().to(keys::create)),
                )
                .service(web::resource("/usage").route(web::get().to(usage::usage)))
                .service(web::resource("/leaks").route(web::post().to(leaks::report)))
                .service(web::resource("/leaks/github").route(web::post().to(leaks::github)))
                .service(web::resource("/scopes").route(web::get().to(scopes::list)))
                .service(
                    web::resource("/apps")
                        .route(web::get().to(apps::list))
                        .route(web::post().to(apps::create)),
                )
                .service(
                    web::resource("/keys/{id}")
                        .route(web::get().to(keys::show))
                        .route(web::patch().to(key_changes::change))
                        .route(web::delete().to(keys::revoke)),
                )
                .service(web::resource("/keys/{id}/rotate").route(web::post().to(key_changes::rotate)))
                .service(
                    web::resource("/keys/{id}/regenerate").route(web::post().to(key_changes::regenerate)),
                )
                .service(web::resource("/keys/{id}/usage").route(web::get().to(usage::usage_of_key)))
                .service(
                    web::resource("/apps/{app}")
                        .route(web::get().to(apps::show))
                        .route(web::patch().to(apps::change))
                        .route(web::delete().to(apps::delete)),
                )
                .service(
                    web::resource("/apps/{app}/keys")
                        .route(web::get().to(keys::list_of_app))
                        .route(web::post().to(keys::create_of_app)),
                )
                .service(web::resource("/apps/{app}/keys/{id}").route(web::delete().to(keys::revoke_of_app)))
                .service(web::resource("/apps/{app}/clients").route(web::get().to(apps::clients)))
                .configure(webhook_routes),
        )
        .service(web::resource("/openapi.json").route(web::get().to(openapi::serve)))
        .service(web::resource("/docs").route(web::get().to(reference::serve)));
}

/// Those of where an app is told of events.
fn webhook_routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/apps/{app}/webhooks")
                .route(web::get().to(webhooks::list))
                .route(web::post().to(webhooks::create)),
        )
        .service(
            web::resource("/apps/{app}/webhooks/{endpoint}")
                .route(web::get().to(webhooks::show))
                .route(web::patch().to(webhooks::change))
                .route(web::delete().to(webhooks::delete)),
        )
        .service(
            web::resource("/apps/{app}/webhooks/{endpoint}/rotate")
                .route(web::post().to(webhook_acts::rotate)),
        )
        .service(
            web::resource("/apps/{app}/webhooks/{endpoint}/test").route(web::post().to(webhook_acts::test)),
        )
        .service(
            web::resource("/apps/{app}/webhooks/{endpoint}/deliveries")
                .route(web::get().to(webhook_deliveries::list)),
        )
        .service(
            web::resource("/apps/{app}/webhooks/{endpoint}/deliveries/{delivery}")
                .route(web::get().to(webhook_deliveries::show)),
        )
        .service(
            web::resource("/apps/{app}/webhooks/{endpoint}/deliveries/{delivery}/attempts")
                .route(web::get().to(webhook_deliveries::attempts)),
        )
        .service(
            web::resource("/apps/{app}/webhooks/{endpoint}/deliveries/{delivery}/redeliver")
                .route(web::post().to(webhook_acts::redeliver)),
        );
}
