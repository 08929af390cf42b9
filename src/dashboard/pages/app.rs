//! One app: its clients, its name, its end.

use actix_web::{HttpResponse, http::StatusCode, web::Data};

use super::{
    act::{AppAct, AppView, AtApp, ToDelete, ToView, ToWriteApps},
    is_its_name, keys, kind, refused, views, webhooks,
};
use crate::{
    accounts::{self, Permission},
    leaks::{LeakReport, Leaks, Outcome},
    oauth::{
        clients::{self, Client},
        last_request_of_each,
    },
    types::DisplayName,
    web::{Failure, News, html, html_with, page::Field},
};

/// Finds that the page shows.
const MOST_LEAKS: u32 = 20;

fn leak(report: LeakReport) -> views::LeakRow {
    views::LeakRow {
        what: report.kind.words(),
        hint: report.hint,
        found_at: report.found_at,
        found: report.at.into(),
        outcome: report.outcome.words(),
        revoked: report.outcome == Outcome::Revoked,
    }
}

async fn page(at: &AtApp, leaks: &Leaks) -> Result<views::AppPage, Failure> {
    let seen = &at.seen;
    let found = leaks.reports_of_app(seen.app.id, MOST_LEAKS).await?;
    let of_keys = keys::of_app(at).await?;
    let mut connection = at.authority.db.connection().await?;
    let account = accounts::account_name(&mut connection, seen.app.account_id)
        .await?
        .ok_or(Failure::NotFound)?;
    let asked = last_request_of_each(&mut connection, seen.app.id).await?;
    let row = |client: Client| views::ClientRow {
        logo: client.logo_path(),
        disabled: client.is_disabled(),
        kind: kind(client.registration.kind),
        last_request: asked.get(&client.id).map(|at| (*at).into()),
        id: client.id.to_string(),
        name: client.registration.name,
        first_party: client.first_party,
    };
    Ok(views::AppPage {
        frame: at.visitor.frame()?,
        id: seen.app.id.to_string(),
        title: seen.app.name.clone(),
        name: Field::of(&seen.app.name),
        account,
        created: seen.app.created_at.into(),
        of_keys,
        clients: clients::clients_of_app(&mut connection, seen.app.id)
            .await?
            .into_iter()
            .map(row)
            .collect(),
        leaks: found.into_iter().map(leak).collect(),
        webhooks: webhooks::of_app(&mut connection, seen.app.id).await?,
        can_edit: seen.may(Permission::WriteApps),
        can_delete: seen.may(Permission::Delete),
    })
}

/// `/apps/{app}`
pub(super) async fn show(view: AppView<ToView>, leaks: Data<Leaks>) -> Result<HttpResponse, Failure> {
    html(&page(&view, &leaks).await?)
}

/// `POST /apps/{app}`
pub(super) async fn rename(act: AppAct<ToWriteApps>, leaks: Data<Leaks>) -> Result<HttpResponse, Failure> {
    let typed = act.form.text("name");
    let name: DisplayName = match typed.parse() {
        Ok(name) => name,
        Err(error) => {
            let mut page = page(&act, &leaks).await?;
            page.name = Field::of(typed).with_error(format!("{error}"));
            return html_with(StatusCode::BAD_REQUEST, &page);
        }
    };
    let authority = &act.authority;
    let mut transaction = authority.db.begin().await?;
    accounts::rename_app(
        &mut transaction,
        &authority.clock,
        act.seen.app.id,
        &name,
        act.by(),
    )
    .await
    .map_err(refused)?;
    transaction.commit().await?;
    Ok(News::AppRenamed.on(&act.seen.path()))
}

fn question(at: &AtApp, name: Field) -> Result<views::DeleteConfirm, Failure> {
    let path = at.seen.path();
    Ok(views::DeleteConfirm {
        frame: at.visitor.frame()?,
        what: "app".to_owned(),
        title: at.seen.app.name.clone(),
        consequences: vec![
            "All its API keys are revoked: they are refused at once, everywhere.".to_owned(),
            "All its clients are deleted with it: their IDs and secrets stop working.".to_owned(),
            "Everybody who signed in with one of them is signed out of it at once, everywhere.".to_owned(),
            "People’s consent to them is forgotten.".to_owned(),
            "Its webhook endpoints are told nothing more.".to_owned(),
        ],
        action: format!("{path}/delete"),
        back: path,
        name,
    })
}

/// `/apps/{app}/delete`
pub(super) async fn ask_to_delete(view: AppView<ToDelete>) -> Result<HttpResponse, Failure> {
    html(&question(&view, Field::default())?)
}

/// `POST /apps/{app}/delete`
pub(super) async fn delete(act: AppAct<ToDelete>) -> Result<HttpResponse, Failure> {
    let typed = act.form.text("name");
    if !is_its_name(typed, &act.seen.app.name) {
        let field = Field::of(typed).with_error("That is not its name.");
        return html_with(StatusCode::BAD_REQUEST, &question(&act, field)?);
    }
    clients::delete_app(&act.authority, act.seen.app.id, act.by())
        .await
        .map_err(refused)?;
    Ok(News::AppDeleted.on("/apps"))
}
