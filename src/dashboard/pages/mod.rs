//! The handlers of these pages. Who may see an app, and do what to it, is decided here before anything else happens:
//! what is not the visitor's to see does not exist for them.

mod app;
mod client;
mod client_form;
mod home;
mod logo;
mod new_client;
mod notices;
mod scopes;
mod secrets;

use actix_web::{
    HttpRequest,
    web::{self, ServiceConfig},
};

use super::views;
use crate::{
    accounts::{self, App, AppError, Permission, Role},
    audit::Actor,
    identity::http::Visitor,
    oauth::{
        Authority,
        clients::{self, Client, ClientKind},
    },
    types::{AppId, ClientId, UserId},
    web::{Failure, Form, Parameters},
};

/// Adds the routes of these pages.
pub fn routes(config: &mut ServiceConfig) {
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
    let acts = [
        ("logo", web::post().to(logo::upload)),
        ("logo/remove", web::post().to(logo::remove)),
        ("secrets", web::post().to(secrets::add)),
        ("secrets/revoke", web::post().to(secrets::revoke)),
        ("disable", web::post().to(client::disable)),
        ("enable", web::post().to(client::enable)),
        ("operator", web::post().to(client::vouch)),
    ];
    for (act, route) in acts {
        config.route(&format!("/apps/{{app}}/clients/{{client}}/{act}"), route);
    }
    config
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
        .route("/operator/scopes/remove", web::post().to(scopes::remove));
}

/// An app that the visitor may see.
struct Seen {
    user: UserId,
    /// Whether the visitor also runs the server.
    operator: bool,
    verified: bool,
    app: App,
    role: Role,
}

impl Seen {
    /// # Errors
    ///
    /// [`Failure::SignInNeeded`], or [`Failure::NotFound`] for what is not there or not the visitor's to see.
    async fn app(
        authority: &Authority,
        visitor: &Visitor,
        request: &HttpRequest,
        id: &str,
    ) -> Result<Self, Failure> {
        let user = &visitor.require(request)?.user;
        let id: AppId = id.parse().or(Err(Failure::NotFound))?;
        let mut connection = authority.db.connection().await?;
        let (app, role) = accounts::app_seen_by(&mut connection, user.id, id)
            .await?
            .ok_or(Failure::NotFound)?;
        Ok(Self {
            user: user.id,
            operator: user.operator,
            verified: user.email_verified,
            app,
            role,
        })
    }

    /// One of its clients.
    ///
    /// # Errors
    ///
    /// As [`Seen::app`].
    async fn client(
        authority: &Authority,
        visitor: &Visitor,
        request: &HttpRequest,
        (app, client): &(String, String),
    ) -> Result<(Self, Client), Failure> {
        let seen = Self::app(authority, visitor, request, app).await?;
        let id: ClientId = client.parse().or(Err(Failure::NotFound))?;
        let client = clients::client(&mut *authority.db.connection().await?, id)
            .await?
            .filter(|client| client.app_id == seen.app.id)
            .ok_or(Failure::NotFound)?;
        Ok((seen, client))
    }

    fn may(&self, permission: Permission) -> bool {
        self.role.may(permission)
    }

    /// # Errors
    ///
    /// [`Failure::Forbidden`] if the visitor's role does not reach so far, [`Failure::AddressUnverified`] if nobody has
    /// shown that their address is theirs: the account may turn out to be another's, who must find nothing planted.
    fn require(&self, permission: Permission) -> Result<(), Failure> {
        if !self.may(permission) {
            Err(Failure::Forbidden)
        } else if !self.verified {
            Err(Failure::AddressUnverified)
        } else {
            Ok(())
        }
    }

    fn actor(&self) -> Actor {
        Actor::User(self.user)
    }

    fn path(&self) -> String {
        format!("/apps/{}", self.app.id)
    }

    fn client_path(&self, client: ClientId) -> String {
        format!("{}/clients/{client}", self.path())
    }

    fn app_ref(&self) -> views::AppRef {
        views::AppRef {
            id: self.app.id.to_string(),
            name: self.app.name.clone(),
        }
    }
}

/// What was posted, if it is from a form that this browser got from us.
fn posted(form: Form, visitor: &Visitor) -> Result<Parameters, Failure> {
    let form = form
        .0
        .map_err(|unreadable| Failure::BadRequest(unreadable.to_string()))?;
    visitor.check_csrf(&form)?;
    Ok(form)
}

fn refused(error: AppError) -> Failure {
    match error {
        AppError::NotFound => Failure::NotFound,
        AppError::Forbidden => Failure::Forbidden,
        AppError::Fault(fault) => fault.into(),
    }
}

fn kind(kind: ClientKind) -> views::ClientKind {
    match kind {
        ClientKind::Public => views::ClientKind::Public,
        ClientKind::Confidential => views::ClientKind::Confidential,
    }
}
