//! API keys of an app: made and shown once, looked at, changed, rotated, taken back; and what all of them may do.

mod acts;
mod default_key;
mod form;
mod list;
mod new;
mod policy;
mod show;
mod words;

pub(super) use list::{of_app, reminders};

use actix_web::{
    HttpResponse,
    web::{self, ServiceConfig},
};

use super::views;
use crate::{
    identity::http::Visitor,
    keys::{KeyError, KeyKind, Made},
    oauth::Authority,
    types::Fault,
    web::{Failure, html, see_other},
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            web::resource("/default-key")
                .route(web::post().to(default_key::reveal))
                .route(web::get().to(async || see_other("/apps"))),
        )
        .service(
            web::resource("/apps/{app}/policy")
                .route(web::get().to(policy::ask))
                .route(web::post().to(policy::change)),
        )
        .service(
            web::resource("/apps/{app}/keys/new")
                .route(web::get().to(new::ask))
                .route(web::post().to(new::make)),
        )
        .route("/apps/{app}/keys/former", web::get().to(list::former))
        .service(
            web::resource("/apps/{app}/keys/{key}")
                .route(web::get().to(show::show))
                .route(web::post().to(show::save)),
        );
    let acts = [
        (
            "rotate",
            web::get().to(acts::ask_to_rotate),
            web::post().to(acts::rotate),
        ),
        (
            "retire",
            web::get().to(acts::ask_to_retire),
            web::post().to(acts::retire),
        ),
        (
            "regenerate",
            web::get().to(acts::ask_to_regenerate),
            web::post().to(acts::regenerate),
        ),
        (
            "revoke",
            web::get().to(acts::ask_to_revoke),
            web::post().to(acts::revoke),
        ),
    ];
    for (act, question, answer) in acts {
        let resource = web::resource(format!("/apps/{{app}}/keys/{{key}}/{act}"));
        config.service(resource.route(question).route(answer));
    }
}

/// What becomes of an act that was refused for no reason that its page has a place for.
pub(super) fn refused(error: KeyError) -> Failure {
    match error {
        KeyError::NotFound | KeyError::NoApp => Failure::NotFound,
        KeyError::Forbidden => Failure::Forbidden,
        KeyError::Fault(fault) => fault.into(),
        KeyError::TooMany(_)
        | KeyError::TooManyOnTheirWayOut(_)
        | KeyError::Unsound { .. }
        | KeyError::Over(_)
        | KeyError::Rotated(_)
        | KeyError::NotRotated
        | KeyError::InUse
        | KeyError::Changed
        | KeyError::OtherRequest
        | KeyError::Again => Failure::BadRequest(words::sentence(&error.to_string())),
    }
}

/// The page that shows the value of a key, this once.
fn shown(
    (visitor, authority): (&Visitor, &Authority),
    app: views::AppRef,
    made: Made,
    title: String,
    lead: &str,
) -> Result<HttpResponse, Failure> {
    let value = made
        .value
        .ok_or_else(|| Fault::internal("a key was made without a value"))?;
    html(&views::KeyShown {
        frame: visitor.frame()?,
        title,
        lead: lead.to_owned(),
        path: format!("/apps/{}/keys/{}", app.id, made.key.id),
        name: made.key.settings.name.as_str().to_owned(),
        command: format!(
            "curl -i {}/v1/auth \\\n  -H \"Authorization: Bearer {}\"",
            authority.issuer,
            value.expose()
        ),
        value: value.expose().to_owned(),
        publishable: made.key.kind == KeyKind::Publishable,
        app,
    })
}
