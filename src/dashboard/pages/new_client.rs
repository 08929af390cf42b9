//! A new client, and the one time that its secret is shown.

use actix_web::{HttpResponse, http::StatusCode};

use super::{
    act::{AppAct, AppView, AtApp, ToWriteClients},
    client_form, views,
};
use crate::{
    oauth::clients::{RegisterError, register_client},
    scopes::catalogue,
    types::ClientId,
    web::{Failure, News, html, html_with},
};

fn page(at: &AtApp, form: views::ClientForm) -> Result<views::NewClient, Failure> {
    Ok(views::NewClient {
        frame: at.visitor.frame()?,
        app: at.seen.app_ref(),
        form_id: at
            .visitor
            .form_id(ClientId::new(&at.authority.clock, &at.authority.entropy).uuid())?,
        form,
    })
}

/// `/apps/{app}/clients/new`
pub(super) async fn ask(view: AppView<ToWriteClients>) -> Result<HttpResponse, Failure> {
    let catalogue = catalogue(&mut *view.authority.db.connection().await?).await?;
    html(&page(&view, client_form::fresh(&catalogue))?)
}

/// `POST /apps/{app}/clients/new`
pub(super) async fn register(act: AppAct<ToWriteClients>) -> Result<HttpResponse, Failure> {
    let (authority, form) = (&act.authority, &act.form);
    let catalogue = catalogue(&mut *authority.db.connection().await?).await?;
    let Ok(kind) = form.text("type").parse() else {
        let typed = client_form::without_kind(form, &catalogue);
        return html_with(StatusCode::BAD_REQUEST, &page(&act, typed)?);
    };
    let registration = match client_form::read(form, kind, &catalogue, false) {
        Ok(registration) => registration,
        Err(typed) => return html_with(StatusCode::BAD_REQUEST, &page(&act, *typed)?),
    };
    let id = act.visitor.id_in(form).map_or_else(
        || ClientId::new(&authority.clock, &authority.entropy),
        ClientId::from_uuid,
    );
    let place = (act.seen.app.account_id, act.seen.app.id);
    match register_client(authority, id, place, &registration, false, act.by()).await {
        Ok(client) => html(&views::SecretShown {
            frame: act.visitor.frame()?,
            app: act.seen.app_ref(),
            client_id: client.id.to_string(),
            client_name: registration.name,
            secret: client.secret.map(|secret| secret.expose().to_owned()),
            new_client: true,
        }),
        Err(RegisterError::Registration(error)) => {
            let mut typed = client_form::typed(form, kind, &catalogue, false);
            client_form::mark(&mut typed, &error);
            html_with(StatusCode::BAD_REQUEST, &page(&act, typed)?)
        }
        Err(RegisterError::TooMany(most)) => {
            let mut typed = client_form::typed(form, kind, &catalogue, false);
            typed.name = typed.name.with_error(format!(
                "This app has {most} clients, the most that are allowed here. Delete one first."
            ));
            html_with(StatusCode::BAD_REQUEST, &page(&act, typed)?)
        }
        Err(RegisterError::Again) => Ok(News::DoneAlready.on(&format!("{}/clients/{id}", act.seen.path()))),
        Err(RegisterError::Gone | RegisterError::Changed) => Err(Failure::NotFound),
        Err(RegisterError::Fault(fault)) => Err(fault.into()),
    }
}
