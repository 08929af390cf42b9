//! One client: what it needs to connect, its last requests, its settings, its end.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};

use super::{Seen, client_form, notices::notice, posted, views};
use crate::{
    accounts::Permission,
    identity::http::Visitor,
    oauth::{
        Authority, PastRequest,
        clients::{self, Client, ClientSecret, LogoChange, RegisterError},
        last_requests,
        scopes::catalogue,
    },
    web::{
        Failure, Form, Query, html, html_with,
        page::{Choice, Field, Pages},
        see_other,
    },
};

/// Requests on one page.
const REQUESTS: u32 = 15;

fn endpoints(authority: &Authority) -> Vec<views::Endpoint> {
    let endpoint = |label: &str, path: &str| views::Endpoint {
        label: label.to_owned(),
        value: format!("{}{path}", authority.issuer),
    };
    vec![
        endpoint("Issuer", ""),
        endpoint("Discovery", "/.well-known/openid-configuration"),
        endpoint("Authorization endpoint", "/oauth/authorize"),
        endpoint("Token endpoint", "/oauth/token"),
    ]
}

fn request_row(request: PastRequest) -> views::RequestRow {
    views::RequestRow {
        at: request.at.into(),
        endpoint: format!("/oauth/{}", request.endpoint),
        error: request.error,
        description: request.description,
        request_id: request.request_id,
    }
}

fn secret_row(secret: &ClientSecret) -> views::SecretRow {
    views::SecretRow {
        id: secret.id.to_string(),
        hint: format!("{}…", secret.hint),
        created: secret.created_at.into(),
        expires: secret.expires_at.map(Into::into),
    }
}

/// The page of a client; `number` is that of the page of its requests, from 0.
pub(super) async fn page(
    authority: &Authority,
    visitor: &Visitor,
    seen: &Seen,
    client: &Client,
    number: u32,
) -> Result<views::ClientPage, Failure> {
    let mut connection = authority.db.connection().await?;
    let catalogue = catalogue(&mut connection).await?;
    let first = number.saturating_mul(REQUESTS);
    let most = first.saturating_add(REQUESTS).saturating_add(1);
    let past = last_requests(&mut connection, client.id, most).await?;
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let has_older = past.len() > size(first).saturating_add(size(REQUESTS));
    let now = authority.clock.now();
    let path = seen.client_path(client.id);
    Ok(views::ClientPage {
        frame: visitor.frame()?,
        app: seen.app_ref(),
        client_id: client.id.to_string(),
        title: client.registration.name.clone(),
        logo: client.logo_path(),
        logo_error: None,
        publisher_verified: client.publisher_verified,
        first_party: client.first_party,
        disabled: client.disabled_at.is_some(),
        endpoints: endpoints(authority),
        form: client_form::of_client(client, &catalogue),
        secrets: client
            .secrets
            .iter()
            .filter(|secret| secret.is_live(now))
            .map(secret_row)
            .collect(),
        overlaps: super::secrets::OVERLAPS
            .iter()
            .map(|(value, words)| Choice::new(*value, *words, *value == "86400"))
            .collect(),
        requests: past
            .into_iter()
            .skip(size(first))
            .take(size(REQUESTS))
            .map(request_row)
            .collect(),
        pages: Pages {
            newer: number
                .checked_sub(1)
                .map(|newer| format!("{path}?page={newer}#requests")),
            older: has_older.then(|| format!("{path}?page={}#requests", number.saturating_add(1))),
        },
        can_edit: seen.may(Permission::WriteClients),
        can_delete: seen.may(Permission::Delete),
        operator: seen.operator.then_some(views::OperatorFlags {
            first_party: client.first_party,
            publisher_verified: client.publisher_verified,
        }),
    })
}

/// `/apps/{app}/clients/{client}`
pub(super) async fn show(
    authority: Data<Authority>,
    request: HttpRequest,
    visitor: Visitor,
    query: Query,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Failure> {
    let (seen, client) = Seen::client(&authority, &visitor, &request, &path).await?;
    let number = query.0.as_ref().map_or("", |query| query.text("page"));
    let number = number.parse().unwrap_or_default();
    let mut page = page(&authority, &visitor, &seen, &client, number).await?;
    page.frame.notice = notice(&query);
    html(&page)
}

/// `POST /apps/{app}/clients/{client}`
pub(super) async fn save(
    authority: Data<Authority>,
    request: HttpRequest,
    visitor: Visitor,
    path: Path<(String, String)>,
    form: Form,
) -> Result<HttpResponse, Failure> {
    let (seen, client) = Seen::client(&authority, &visitor, &request, &path).await?;
    let form = posted(form, &visitor)?;
    seen.require(Permission::WriteClients)?;
    let catalogue = catalogue(&mut *authority.db.connection().await?).await?;
    let kind = client.registration.kind;
    let typed = match client_form::read(&form, kind, &catalogue, client.first_party) {
        Ok(registration) => {
            let saved = clients::edit_client(
                &authority,
                &client,
                &registration,
                LogoChange::Keep,
                seen.actor(),
                Some(&visitor.context),
            )
            .await;
            match saved {
                Ok(()) => return Ok(back(&seen, &client, "client-saved")),
                Err(RegisterError::Registration(error)) => {
                    let mut typed = client_form::typed(&form, kind, &catalogue, client.first_party);
                    client_form::mark(&mut typed, &error);
                    typed
                }
                Err(RegisterError::Fault(fault)) => return Err(fault.into()),
            }
        }
        Err(typed) => *typed,
    };
    let mut page = page(&authority, &visitor, &seen, &client, 0).await?;
    page.form = typed;
    html_with(StatusCode::BAD_REQUEST, &page)
}

/// On to the client's page, which says what was done.
pub(super) fn back(seen: &Seen, client: &Client, code: &str) -> HttpResponse {
    see_other(&format!("{}?notice={code}", seen.client_path(client.id)))
}

/// `POST /apps/{app}/clients/{client}/disable`
pub(super) async fn disable(
    authority: Data<Authority>,
    request: HttpRequest,
    visitor: Visitor,
    path: Path<(String, String)>,
    form: Form,
) -> Result<HttpResponse, Failure> {
    let (seen, client) = Seen::client(&authority, &visitor, &request, &path).await?;
    posted(form, &visitor)?;
    set_disabled(&authority, &visitor, &seen, &client, true).await
}

/// `POST /apps/{app}/clients/{client}/enable`
pub(super) async fn enable(
    authority: Data<Authority>,
    request: HttpRequest,
    visitor: Visitor,
    path: Path<(String, String)>,
    form: Form,
) -> Result<HttpResponse, Failure> {
    let (seen, client) = Seen::client(&authority, &visitor, &request, &path).await?;
    posted(form, &visitor)?;
    set_disabled(&authority, &visitor, &seen, &client, false).await
}

async fn set_disabled(
    authority: &Authority,
    visitor: &Visitor,
    seen: &Seen,
    client: &Client,
    disabled: bool,
) -> Result<HttpResponse, Failure> {
    seen.require(Permission::WriteClients)?;
    clients::set_disabled(authority, client, disabled, seen.actor(), Some(&visitor.context)).await?;
    let code = if disabled {
        "client-disabled"
    } else {
        "client-enabled"
    };
    Ok(back(seen, client, code))
}

/// `POST /apps/{app}/clients/{client}/operator`
pub(super) async fn vouch(
    authority: Data<Authority>,
    request: HttpRequest,
    visitor: Visitor,
    path: Path<(String, String)>,
    form: Form,
) -> Result<HttpResponse, Failure> {
    let (seen, client) = Seen::client(&authority, &visitor, &request, &path).await?;
    let form = posted(form, &visitor)?;
    if !seen.operator {
        return Err(Failure::Forbidden);
    }
    let vouched = clients::vouch_for_client(
        &authority,
        &client,
        form.text("first_party") == "true",
        form.text("publisher_verified") == "true",
        seen.actor(),
        Some(&visitor.context),
    )
    .await;
    match vouched {
        Ok(()) => Ok(back(&seen, &client, "vouched")),
        Err(RegisterError::Registration(error)) => Err(Failure::BadRequest(format!(
            "The client’s settings do not allow that: {error}."
        ))),
        Err(RegisterError::Fault(fault)) => Err(fault.into()),
    }
}

fn question(
    visitor: &Visitor,
    seen: &Seen,
    client: &Client,
    name: Field,
) -> Result<views::DeleteConfirm, Failure> {
    let path = seen.client_path(client.id);
    Ok(views::DeleteConfirm {
        frame: visitor.frame()?,
        what: "client".to_owned(),
        title: client.registration.name.clone(),
        consequences: vec![
            "Everybody who signed in with it is signed out of it at once, everywhere.".to_owned(),
            "Its client ID and secrets stop working.".to_owned(),
            "People’s consent to it is forgotten.".to_owned(),
        ],
        action: format!("{path}/delete"),
        back: path,
        name,
    })
}

/// `/apps/{app}/clients/{client}/delete`
pub(super) async fn ask_to_delete(
    authority: Data<Authority>,
    request: HttpRequest,
    visitor: Visitor,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Failure> {
    let (seen, client) = Seen::client(&authority, &visitor, &request, &path).await?;
    seen.require(Permission::Delete)?;
    html(&question(&visitor, &seen, &client, Field::default())?)
}

/// `POST /apps/{app}/clients/{client}/delete`
pub(super) async fn delete(
    authority: Data<Authority>,
    request: HttpRequest,
    visitor: Visitor,
    path: Path<(String, String)>,
    form: Form,
) -> Result<HttpResponse, Failure> {
    let (seen, client) = Seen::client(&authority, &visitor, &request, &path).await?;
    let form = posted(form, &visitor)?;
    seen.require(Permission::Delete)?;
    let typed = form.text("name");
    if typed.trim() != client.registration.name {
        let field = Field::of(typed).with_error("That is not its name.");
        let page = question(&visitor, &seen, &client, field)?;
        return html_with(StatusCode::BAD_REQUEST, &page);
    }
    clients::delete_client(&authority, &client, seen.actor(), Some(&visitor.context)).await?;
    Ok(see_other(&format!("{}?notice=client-deleted", seen.path())))
}
