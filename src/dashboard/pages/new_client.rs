//! A new client, and the one time that its secret is shown.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};

use super::{Seen, client_form, posted, views};
use crate::{
    accounts::Permission,
    identity::http::Visitor,
    oauth::{
        Authority,
        clients::{RegisterError, register_client},
        scopes::catalogue,
    },
    web::{Failure, Form, html, html_with},
};

fn page(visitor: &Visitor, seen: &Seen, form: views::ClientForm) -> Result<views::NewClient, Failure> {
    Ok(views::NewClient {
        frame: visitor.frame()?,
        app: seen.app_ref(),
        form,
    })
}

/// `/apps/{app}/clients/new`
pub(super) async fn ask(
    authority: Data<Authority>,
    request: HttpRequest,
    visitor: Visitor,
    path: Path<String>,
) -> Result<HttpResponse, Failure> {
    let seen = Seen::app(&authority, &visitor, &request, &path).await?;
    seen.require(Permission::WriteClients)?;
    let catalogue = catalogue(&mut *authority.db.connection().await?).await?;
    html(&page(&visitor, &seen, client_form::fresh(&catalogue))?)
}

/// `POST /apps/{app}/clients/new`
pub(super) async fn register(
    authority: Data<Authority>,
    request: HttpRequest,
    visitor: Visitor,
    path: Path<String>,
    form: Form,
) -> Result<HttpResponse, Failure> {
    let seen = Seen::app(&authority, &visitor, &request, &path).await?;
    let form = posted(form, &visitor)?;
    seen.require(Permission::WriteClients)?;
    let kind = form
        .text("type")
        .parse()
        .map_err(|words: &str| Failure::BadRequest(words.to_owned()))?;
    let catalogue = catalogue(&mut *authority.db.connection().await?).await?;
    let registration = match client_form::read(&form, kind, &catalogue, false) {
        Ok(registration) => registration,
        Err(typed) => return html_with(StatusCode::BAD_REQUEST, &page(&visitor, &seen, *typed)?),
    };
    let registered = register_client(
        &authority,
        seen.app.account_id,
        seen.app.id,
        &registration,
        false,
        seen.actor(),
        Some(&visitor.context),
    )
    .await;
    match registered {
        Ok(client) => html(&views::SecretShown {
            frame: visitor.frame()?,
            app: seen.app_ref(),
            client_id: client.id.to_string(),
            client_name: registration.name,
            secret: client.secret.map(|secret| secret.expose().to_owned()),
            new_client: true,
        }),
        Err(RegisterError::Registration(error)) => {
            let mut typed = client_form::typed(&form, kind, &catalogue, false);
            client_form::mark(&mut typed, &error);
            html_with(StatusCode::BAD_REQUEST, &page(&visitor, &seen, typed)?)
        }
        Err(RegisterError::Fault(fault)) => Err(fault.into()),
    }
}
