//! The handlers of these pages. Who may see an app or a client, and do what to it, is in the types that they take:
//! [`act`].

mod account;
mod account_act;
mod act;
mod all_clients;
mod app;
mod client;
mod client_form;
mod home;
mod joining;
mod keys;
mod logo;
mod new_client;
mod new_team;
mod scopes;
mod secrets;
mod usage;
mod visit;
mod webhooks;

use actix_web::web::{self, ServiceConfig};

use super::views;
use crate::{
    accounts::AppError,
    oauth::clients::ClientKind,
    web::{Failure, page_above},
};

/// Adds the routes of these pages.
pub fn routes(config: &mut ServiceConfig) {
    account_routes(config);
    webhook_routes(config);
    config
        .route("/", web::get().to(home::start))
        .route("/apps", web::get().to(home::list))
        .service(
            web::resource("/apps/new")
                .route(web::get().to(home::ask_for_app))
                .route(web::post().to(home::create_app)),
        )
        .service(
            web::resource("/apps/{app}")
                .route(web::get().to(app::show))
                .route(web::post().to(app::rename)),
        )
        .service(
            web::resource("/apps/{app}/delete")
                .route(web::get().to(app::ask_to_delete))
                .route(web::post().to(app::delete)),
        )
        .service(
            web::resource("/apps/{app}/clients/new")
                .route(web::get().to(new_client::ask))
                .route(web::post().to(new_client::register)),
        )
        .service(
            web::resource("/apps/{app}/clients/{client}")
                .route(web::get().to(client::show))
                .route(web::post().to(client::save)),
        )
        .service(
            web::resource("/apps/{app}/clients/{client}/delete")
                .route(web::get().to(client::ask_to_delete))
                .route(web::post().to(client::delete)),
        );
    keys::routes(config);
    config
        .route("/apps/{app}/usage", web::get().to(usage::show))
        .route("/apps/{app}/usage.csv", web::get().to(usage::download));
    let acts = [
        ("logo", web::post().to(logo::upload)),
        ("logo/remove", web::post().to(logo::remove)),
        ("secrets", web::post().to(secrets::add)),
        ("secrets/revoke", web::post().to(secrets::revoke)),
        ("disable", web::post().to(client::disable)),
        ("enable", web::post().to(client::enable)),
        ("operator", web::post().to(client::vouch)),
        ("shut-out", web::post().to(client::shut_out)),
        ("let-in", web::post().to(client::let_in)),
    ];
    for (act, route) in acts {
        let resource = web::resource(format!("/apps/{{app}}/clients/{{client}}/{act}"));
        config.service(resource.route(route).route(web::get().to(page_above)));
    }
    config
        .route("/operator/clients", web::get().to(all_clients::list))
        .route("/operator/scopes", web::get().to(scopes::list))
        .service(
            web::resource("/operator/scopes/new")
                .route(web::get().to(scopes::ask))
                .route(web::post().to(scopes::add)),
        )
        .service(
            web::resource("/operator/scopes/edit")
                .route(web::get().to(scopes::ask_to_change))
                .route(web::post().to(scopes::change)),
        )
        .service(
            web::resource("/operator/scopes/remove")
                .route(web::post().to(scopes::remove))
                .route(web::get().to(page_above)),
        );
}

fn webhook_routes(config: &mut ServiceConfig) {
    config
        .route("/apps/{app}/webhooks", web::get().to(webhooks::list))
        .service(
            web::resource("/apps/{app}/webhooks/new")
                .route(web::get().to(webhooks::ask))
                .route(web::post().to(webhooks::add)),
        )
        .route("/apps/{app}/webhooks/{endpoint}", web::get().to(webhooks::show))
        .service(
            web::resource("/apps/{app}/webhooks/{endpoint}/edit")
                .route(web::get().to(webhooks::ask_to_edit))
                .route(web::post().to(webhooks::edit)),
        )
        .route(
            "/apps/{app}/webhooks/{endpoint}/deliveries/{delivery}",
            web::get().to(webhooks::delivery),
        );
    let acts = [
        ("secrets", web::post().to(webhooks::rotate)),
        ("test", web::post().to(webhooks::test)),
        ("redeliver", web::post().to(webhooks::redeliver)),
        ("off", web::post().to(webhooks::switch_off)),
        ("on", web::post().to(webhooks::switch_on)),
        ("delete", web::post().to(webhooks::delete)),
    ];
    for (act, route) in acts {
        let resource = web::resource(format!("/apps/{{app}}/webhooks/{{endpoint}}/{act}"));
        config.service(resource.route(route).route(web::get().to(page_above)));
    }
}

fn account_routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/accounts/new")
                .route(web::get().to(new_team::ask))
                .route(web::post().to(new_team::open)),
        )
        .service(
            web::resource("/accounts/{account}")
                .route(web::get().to(account::show))
                .route(web::post().to(account::rename)),
        )
        .service(
            web::resource("/invitations/accept")
                .route(web::get().to(joining::show))
                .route(web::post().to(joining::accept)),
        );
    let acts = [
        ("invite", web::post().to(account::invite)),
        ("resend", web::post().to(account::resend)),
        ("withdraw", web::post().to(account::withdraw)),
        ("role", web::post().to(account::change_role)),
        ("remove", web::post().to(account::remove)),
        ("leave", web::post().to(account::leave)),
        ("hand-over", web::post().to(account::hand_over)),
        ("close", web::post().to(account::close)),
    ];
    for (act, route) in acts {
        let resource = web::resource(format!("/accounts/{{account}}/{act}"));
        config.service(resource.route(route).route(web::get().to(page_above)));
    }
}

fn refused(error: AppError) -> Failure {
    match error {
        AppError::NotFound | AppError::Again => Failure::NotFound,
        AppError::Forbidden | AppError::TooMany(_) => Failure::Forbidden,
        AppError::Fault(fault) => fault.into(),
    }
}

/// Whether what was typed to delete something names it. Pages show several spaces as one, so one will do.
fn is_its_name(typed: &str, name: &str) -> bool {
    typed.split_whitespace().eq(name.split_whitespace())
}

fn kind(kind: ClientKind) -> views::ClientKind {
    match kind {
        ClientKind::Public => views::ClientKind::Public,
        ClientKind::Confidential => views::ClientKind::Confidential,
    }
}
