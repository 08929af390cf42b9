//! One client: what it needs to connect, its last requests, its settings, its end.

use actix_web::{HttpResponse, http::StatusCode};

use super::{
    act::{AtClient, ClientAct, ClientView, ToDelete, ToOperate, ToView, ToWriteClients},
    client_form, is_its_name, views,
};
use crate::{
    accounts::Permission,
    oauth::{
        Authority, PastRequest,
        clients::{self, ClientSecret, Logo, RegisterError, Switch},
        last_requests,
    },
    scopes::catalogue,
    types::ClientSecretId,
    web::{
        Failure, News, Query, html, html_with,
        page::{Choice, Field, Notice, Pages},
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
pub(super) async fn page(at: &AtClient, number: u32) -> Result<views::ClientPage, Failure> {
    let (authority, seen, client) = (&at.authority, &at.seen, &at.client);
    let mut connection = authority.db.connection().await?;
    let catalogue = catalogue(&mut connection).await?;
    let most = number
        .saturating_add(1)
        .saturating_mul(REQUESTS)
        .saturating_add(1);
    let past = last_requests(&mut connection, client.id, most).await?;
    // Past the end is the last page: the log may have grown shorter since the link was made.
    let found = u32::try_from(past.len()).unwrap_or(u32::MAX);
    let number = number.min(found.saturating_sub(1) / REQUESTS);
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let first = number.saturating_mul(REQUESTS);
    let has_older = found > first.saturating_add(REQUESTS);
    let now = authority.clock.now();
    let path = at.path();
    Ok(views::ClientPage {
        frame: at.visitor.frame()?,
        app: seen.app_ref(),
        client_id: client.id.to_string(),
        title: client.registration.name.clone(),
        logo: client.logo_path(),
        logo_file: Field::default(),
        publisher_verified: client.publisher_verified,
        first_party: client.first_party,
        disabled: client.disabled_at.is_some(),
        shut_out: client.shut_out_at.is_some(),
        member: seen.role.is_some(),
        version: client.registration.version(),
        form_id: at
            .visitor
            .form_id(ClientSecretId::new(&authority.clock, &authority.entropy).uuid())?,
        logo_hint: format!(
            "Square. PNG, JPEG or WebP, up to {} and {} pixels a side.",
            Logo::LARGEST_IN_WORDS,
            Logo::LONGEST_SIDE
        ),
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
pub(super) async fn show(view: ClientView<ToView>, query: Query) -> Result<HttpResponse, Failure> {
    let number = query.0.as_ref().map_or("", |query| query.text("page"));
    html(&page(&view, number.parse().unwrap_or_default()).await?)
}

/// What the page says where something was decided by another look of the client than it has now.
fn overtaken() -> Notice {
    Notice::danger(
        "Somebody changed this client while the page was open. Nothing was saved: look at it as it is now.",
    )
}

/// `POST /apps/{app}/clients/{client}`
pub(super) async fn save(act: ClientAct<ToWriteClients>) -> Result<HttpResponse, Failure> {
    let (authority, client, form) = (&act.authority, &act.client, &act.form);
    let catalogue = catalogue(&mut *authority.db.connection().await?).await?;
    let kind = client.registration.kind;
    let typed = match client_form::read(form, kind, &catalogue, client.first_party) {
        Err(typed) => *typed,
        Ok(_) if is_overtaken(&act) => return changed(&act).await,
        Ok(registration) => match clients::edit_client(authority, client, &registration, act.by()).await {
            Ok(()) => return Ok(act.back(News::ClientSaved)),
            Err(RegisterError::Registration(error)) => {
                let mut typed = client_form::typed(form, kind, &catalogue, client.first_party);
                client_form::mark(&mut typed, &error);
                typed
            }
            Err(RegisterError::Changed) => return changed(&act).await,
            Err(RegisterError::Gone | RegisterError::Again | RegisterError::TooMany(_)) => {
                return Err(Failure::NotFound);
            }
            Err(RegisterError::Fault(fault)) => return Err(fault.into()),
        },
    };
    let mut page = page(&act, 0).await?;
    page.form = typed;
    page.frame.notice = Some(Notice::danger(
        "Nothing was saved. What is to be mended is marked in the settings below.",
    ));
    html_with(StatusCode::BAD_REQUEST, &page)
}

/// Whether the form was filled in on a page of another registration; scripts that say nothing of it take what is there.
fn is_overtaken<N>(act: &ClientAct<N>) -> bool {
    let version = act.form.text("version");
    !version.is_empty() && version != act.client.registration.version()
}

async fn changed(at: &AtClient) -> Result<HttpResponse, Failure> {
    let mut page = page(at, 0).await?;
    page.frame.notice = Some(overtaken());
    html_with(StatusCode::CONFLICT, &page)
}

async fn switch(at: &AtClient, switch: Switch, disabled: bool, news: News) -> Result<HttpResponse, Failure> {
    clients::set_disabled(&at.authority, &at.client, switch, disabled, at.by())
        .await
        .map_err(not_there)?;
    Ok(at.back(news))
}

/// What stops an act that says nothing of the registration.
fn not_there(error: RegisterError) -> Failure {
    match error {
        RegisterError::Fault(fault) => fault.into(),
        RegisterError::Registration(_)
        | RegisterError::Changed
        | RegisterError::Gone
        | RegisterError::Again
        | RegisterError::TooMany(_) => Failure::NotFound,
    }
}

/// `POST /apps/{app}/clients/{client}/disable`
pub(super) async fn disable(act: ClientAct<ToWriteClients>) -> Result<HttpResponse, Failure> {
    switch(&act, Switch::Owner, true, News::ClientDisabled).await
}

/// `POST /apps/{app}/clients/{client}/enable`
pub(super) async fn enable(act: ClientAct<ToWriteClients>) -> Result<HttpResponse, Failure> {
    switch(&act, Switch::Owner, false, News::ClientEnabled).await
}

/// `POST /apps/{app}/clients/{client}/shut-out`
pub(super) async fn shut_out(act: ClientAct<ToOperate>) -> Result<HttpResponse, Failure> {
    switch(&act, Switch::Operator, true, News::ClientShutOut).await
}

/// `POST /apps/{app}/clients/{client}/let-in`
pub(super) async fn let_in(act: ClientAct<ToOperate>) -> Result<HttpResponse, Failure> {
    switch(&act, Switch::Operator, false, News::ClientLetIn).await
}

/// `POST /apps/{app}/clients/{client}/operator`
pub(super) async fn vouch(act: ClientAct<ToOperate>) -> Result<HttpResponse, Failure> {
    if is_overtaken(&act) {
        return changed(&act).await;
    }
    let first_party = act.form.text("first_party") == "true";
    let verified = act.form.text("publisher_verified") == "true";
    match clients::vouch_for_client(&act.authority, &act.client, first_party, verified, act.by()).await {
        Ok(()) => Ok(act.back(News::VouchedFor)),
        Err(RegisterError::Registration(error)) => Err(Failure::BadRequest(format!(
            "The client’s settings do not allow that: {error}."
        ))),
        Err(RegisterError::Changed) => changed(&act).await,
        Err(RegisterError::Gone | RegisterError::Again | RegisterError::TooMany(_)) => Err(Failure::NotFound),
        Err(RegisterError::Fault(fault)) => Err(fault.into()),
    }
}

fn question(at: &AtClient, name: Field) -> Result<views::DeleteConfirm, Failure> {
    let path = at.path();
    Ok(views::DeleteConfirm {
        frame: at.visitor.frame()?,
        what: "client".to_owned(),
        title: at.client.registration.name.clone(),
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
pub(super) async fn ask_to_delete(view: ClientView<ToDelete>) -> Result<HttpResponse, Failure> {
    html(&question(&view, Field::default())?)
}

/// `POST /apps/{app}/clients/{client}/delete`
pub(super) async fn delete(act: ClientAct<ToDelete>) -> Result<HttpResponse, Failure> {
    let typed = act.form.text("name");
    if !is_its_name(typed, &act.client.registration.name) {
        let field = Field::of(typed).with_error("That is not its name.");
        return html_with(StatusCode::BAD_REQUEST, &question(&act, field)?);
    }
    clients::delete_client(&act.authority, &act.client, act.by())
        .await
        .map_err(not_there)?;
    Ok(News::ClientDeleted.on(&act.seen.path()))
}
