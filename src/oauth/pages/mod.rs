//! The pages that people see on their way from an app and back, and their connected apps.

mod authorize;
mod connected;
mod consent;
mod waiting;

use actix_web::web::{self, ServiceConfig};

pub use waiting::WaitingRequests;

use super::{clients::Client, views::AppFace};
use crate::web::page_above;

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/oauth/authorize")
                .route(web::get().to(authorize::by_query))
                .route(web::post().to(authorize::by_form)),
        )
        .route("/oauth/authorize/continue", web::get().to(authorize::go_on))
        .service(
            web::resource("/oauth/consent")
                .route(web::get().to(authorize::go_on))
                .route(web::post().to(consent::decided)),
        )
        .service(
            web::resource("/oauth/select-account")
                .route(web::get().to(authorize::select_account))
                .route(web::post().to(authorize::account_chosen)),
        )
        .route("/account/apps", web::get().to(connected::list))
        .route("/account/apps/{client}", web::get().to(connected::one))
        .service(
            web::resource("/account/apps/{client}/disconnect")
                .route(web::get().to(page_above))
                .route(web::post().to(connected::disconnect)),
        )
        .service(
            web::resource("/account/apps/{client}/end")
                .route(web::get().to(page_above))
                .route(web::post().to(connected::end)),
        );
}

fn face(client: &Client) -> AppFace {
    AppFace {
        name: client.registration.name.clone(),
        logo: client.logo_path(),
        publisher: client.registration.publisher.clone(),
        publisher_verified: client.publisher_verified,
    }
}
