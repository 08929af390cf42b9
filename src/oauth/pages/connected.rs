use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path},
};

use super::face;
use crate::{
    identity::http::{Posted, SignedPost, Visitor},
    oauth::{Authority, connected_apps, views},
    scopes,
    types::{ClientId, GrantId, RedirectUri},
    web::{Failure, News, html, page::Place},
};

fn row(app: &connected_apps::ConnectedApp) -> views::ConnectedApp {
    let registered = || {
        app.client
            .registration
            .redirect_uris
            .first()
            .map(RedirectUri::host)
    };
    views::ConnectedApp {
        client_id: app.client.id.to_string(),
        app: face(&app.client),
        scopes: app.consent.scopes.iter().count(),
        first_used: app.consent.granted_at.into(),
        last_used: app.last_used_at().into(),
        redirect_host: app
            .grants
            .first()
            .map(|grant| grant.redirect_host.clone())
            .or_else(registered)
            .unwrap_or_default(),
        sessions: app.grants.len(),
    }
}

/// `/account/apps`
pub(super) async fn list(
    authority: Data<Authority>,
    request: HttpRequest,
    visitor: Visitor,
) -> Result<HttpResponse, Failure> {
    let person = visitor.require(&request)?;
    let apps = connected_apps::connected_apps(&authority, person.user.id).await?;
    html(&views::ConnectedApps {
        frame: visitor.frame()?,
        apps: apps.iter().map(row).collect(),
    })
}

/// `/account/apps/{client_id}`
pub(super) async fn one(
    authority: Data<Authority>,
    request: HttpRequest,
    visitor: Visitor,
    path: Path<String>,
) -> Result<HttpResponse, Failure> {
    let person = visitor.require(&request)?;
    let client: ClientId = path.parse().map_err(|_cause| Failure::NotFound)?;
    let apps = connected_apps::connected_apps(&authority, person.user.id).await?;
    let app = apps
        .iter()
        .find(|app| app.client.id == client)
        .ok_or(Failure::NotFound)?;
    let catalogue = scopes::catalogue(&mut *authority.db.connection().await?).await?;
    let granted = catalogue.in_order(&app.consent.scopes).into_iter().map(|scope| {
        let entry = catalogue.find(scope.as_str());
        views::GrantedScope {
            name: scope.to_string(),
            description: entry.map_or_else(|| scope.to_string(), |entry| entry.description.to_string()),
            sensitive: entry.is_some_and(|entry| entry.sensitive),
        }
    });
    let sessions = app.grants.iter().map(|grant| views::GrantRow {
        id: grant.id.to_string(),
        created: grant.created_at.into(),
        last_used: grant.rotated_at.into(),
        place: Place::of(grant.origin(&authority.keyring).as_ref()),
    });
    html(&views::ConnectedAppPage {
        frame: visitor.frame()?,
        connected: row(app),
        scopes: granted.collect(),
        sessions: sessions.collect(),
    })
}

/// `POST /account/apps/{client_id}/disconnect`
pub(super) async fn disconnect(
    authority: Data<Authority>,
    path: Path<String>,
    post: SignedPost,
) -> Result<HttpResponse, Failure> {
    let (person, visitor) = (&post.own, &post.visitor);
    let client: ClientId = path.parse().map_err(|_cause| Failure::NotFound)?;
    let client = authority.clients.get(client).await?.ok_or(Failure::NotFound)?;
    let done = connected_apps::disconnect(&authority, person.user.id, &client, &visitor.context).await?;
    let news = if done {
        News::Disconnected
    } else {
        News::OverAlready
    };
    Ok(news.on("/account/apps"))
}

/// `POST /account/apps/{client_id}/end`
pub(super) async fn end(
    authority: Data<Authority>,
    path: Path<String>,
    post: SignedPost,
) -> Result<HttpResponse, Failure> {
    let (person, Posted { visitor, form }) = (&post.own, &*post);
    let client: ClientId = path.parse().map_err(|_cause| Failure::NotFound)?;
    let client = authority.clients.get(client).await?.ok_or(Failure::NotFound)?;
    let grant: GrantId = form.text("id").parse().map_err(|_cause| Failure::NotFound)?;
    let done =
        connected_apps::end_grant(&authority, person.user.id, &client, grant, &visitor.context).await?;
    let news = if done {
        News::AppSessionEnded
    } else {
        News::OverAlready
    };
    Ok(news.on(&format!("/account/apps/{}", client.id)))
}
