//! One app: its clients, its name, its end.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};

use super::{Seen, kind, notices::notice, posted, refused, views};
use crate::{
    accounts::{self, Permission},
    identity::http::Visitor,
    oauth::{
        Authority,
        clients::{self, Client},
        last_request_of_each,
    },
    types::DisplayName,
    web::{Failure, Form, Query, html, html_with, page::Field, see_other},
};

async fn page(authority: &Authority, visitor: &Visitor, seen: &Seen) -> Result<views::AppPage, Failure> {
    let mut connection = authority.db.connection().await?;
    let account = accounts::memberships_of(&mut connection, seen.user)
        .await?
        .into_iter()
        .find(|membership| membership.account.id == seen.app.account_id)
        .ok_or(Failure::NotFound)?
        .account
        .name;
    let asked = last_request_of_each(&mut connection, seen.app.id).await?;
    let row = |client: Client| views::ClientRow {
        logo: client.logo_path(),
        kind: kind(client.registration.kind),
        last_request: asked.get(&client.id).map(|at| (*at).into()),
        id: client.id.to_string(),
        name: client.registration.name,
        first_party: client.first_party,
        disabled: client.disabled_at.is_some(),
    };
    Ok(views::AppPage {
        frame: visitor.frame()?,
        id: seen.app.id.to_string(),
        title: seen.app.name.clone(),
        name: Field::of(&seen.app.name),
        account,
        created: seen.app.created_at.into(),
        clients: clients::clients_of_app(&mut connection, seen.app.id)
            .await?
            .into_iter()
            .map(row)
            .collect(),
        can_edit: seen.may(Permission::WriteApps),
        can_delete: seen.may(Permission::Delete),
    })
}

/// `/apps/{app}`
pub(super) async fn show(
    authority: Data<Authority>,
    request: HttpRequest,
    visitor: Visitor,
    query: Query,
    path: Path<String>,
) -> Result<HttpResponse, Failure> {
    let seen = Seen::app(&authority, &visitor, &request, &path).await?;
    let mut page = page(&authority, &visitor, &seen).await?;
    page.frame.notice = notice(&query);
    html(&page)
}

/// `POST /apps/{app}`
pub(super) async fn rename(
    authority: Data<Authority>,
    request: HttpRequest,
    visitor: Visitor,
    path: Path<String>,
    form: Form,
) -> Result<HttpResponse, Failure> {
    let seen = Seen::app(&authority, &visitor, &request, &path).await?;
    let form = posted(form, &visitor)?;
    seen.require(Permission::WriteApps)?;
    let typed = form.text("name");
    let name: DisplayName = match typed.parse() {
        Ok(name) => name,
        Err(error) => {
            let mut page = page(&authority, &visitor, &seen).await?;
            page.name = Field::of(typed).with_error(format!("{error}"));
            return html_with(StatusCode::BAD_REQUEST, &page);
        }
    };
    let by = (seen.user, Some(&visitor.context));
    let mut transaction = authority.db.begin().await?;
    accounts::rename_app(&mut transaction, &authority.clock, seen.app.id, &name, by)
        .await
        .map_err(refused)?;
    transaction.commit().await?;
    Ok(see_other(&format!("{}?notice=app-renamed", seen.path())))
}

fn question(visitor: &Visitor, seen: &Seen, name: Field) -> Result<views::DeleteConfirm, Failure> {
    Ok(views::DeleteConfirm {
        frame: visitor.frame()?,
        what: "app".to_owned(),
        title: seen.app.name.clone(),
        consequences: vec![
            "All its clients are deleted with it: their IDs and secrets stop working.".to_owned(),
            "Everybody who signed in with one of them is signed out of it at once, everywhere.".to_owned(),
            "People’s consent to them is forgotten.".to_owned(),
        ],
        action: format!("{}/delete", seen.path()),
        back: seen.path(),
        name,
    })
}

/// `/apps/{app}/delete`
pub(super) async fn ask_to_delete(
    authority: Data<Authority>,
    request: HttpRequest,
    visitor: Visitor,
    path: Path<String>,
) -> Result<HttpResponse, Failure> {
    let seen = Seen::app(&authority, &visitor, &request, &path).await?;
    seen.require(Permission::Delete)?;
    html(&question(&visitor, &seen, Field::default())?)
}

/// `POST /apps/{app}/delete`
pub(super) async fn delete(
    authority: Data<Authority>,
    request: HttpRequest,
    visitor: Visitor,
    path: Path<String>,
    form: Form,
) -> Result<HttpResponse, Failure> {
    let seen = Seen::app(&authority, &visitor, &request, &path).await?;
    let form = posted(form, &visitor)?;
    seen.require(Permission::Delete)?;
    let typed = form.text("name");
    if typed.trim() != seen.app.name {
        let field = Field::of(typed).with_error("That is not its name.");
        return html_with(StatusCode::BAD_REQUEST, &question(&visitor, &seen, field)?);
    }
    clients::delete_app(&authority, seen.app.id, (seen.user, Some(&visitor.context)))
        .await
        .map_err(refused)?;
    Ok(see_other("/apps?notice=app-deleted"))
}
