//! The pages of people's accounts: one file for each thing that people do here.

mod account;
mod activity;
mod invitations;
mod links;
mod onward;
mod sessions;
mod sign_in;
mod sign_up;

use actix_web::web::{ServiceConfig, get, post, resource};

use crate::web::page_above;

pub(super) fn routes(config: &mut ServiceConfig) {
    let page = |path: &'static str| resource(path).name(path);
    let act = |path: &'static str| page(path).route(get().to(page_above));
    config
        .service(
            page("/sign-in")
                .route(get().to(sign_in::show))
                .route(post().to(sign_in::sign_in)),
        )
        .service(act("/sign-out").route(post().to(sign_in::sign_out)))
        .service(
            page("/confirm")
                .route(get().to(sign_in::show_confirmation))
                .route(post().to(sign_in::confirm)),
        )
        .service(
            page("/sign-up")
                .route(get().to(sign_up::show))
                .route(post().to(sign_up::sign_up)),
        )
        .service(
            page("/setup")
                .route(get().to(sign_up::show_set_up))
                .route(post().to(sign_up::set_up)),
        )
        .service(
            page("/verify-email")
                .route(get().to(links::show_verification))
                .route(post().to(links::verify)),
        )
        .service(
            page("/forgot-password")
                .route(get().to(links::show_forgotten))
                .route(post().to(links::ask_for_reset)),
        )
        .service(
            page("/reset-password")
                .route(get().to(links::show_reset))
                .route(post().to(links::reset)),
        )
        .service(page("/account").route(get().to(account::show)))
        .service(act("/account/name").route(post().to(account::rename)))
        .service(act("/account/password").route(post().to(account::change_password)))
        .service(act("/account/email").route(post().to(account::change_email)))
        .service(act("/account/email/resend").route(post().to(account::resend)))
        .service(act("/account/email/cancel").route(post().to(account::cancel_email)))
        .service(
            page("/account/email/confirm")
                .route(get().to(links::show_email_change))
                .route(post().to(links::confirm_email_change)),
        )
        .service(page("/account/sessions").route(get().to(sessions::show)))
        .service(act("/account/sessions/end").route(post().to(sessions::end)))
        .service(act("/account/sessions/end-others").route(post().to(sessions::end_others)))
        .service(page("/account/activity").route(get().to(activity::show)))
        .service(
            page("/operator/invitations")
                .route(get().to(invitations::show))
                .route(post().to(invitations::invite)),
        )
        .service(act("/operator/invitations/withdraw").route(post().to(invitations::withdraw)));
}
