//! The settings of an endpoint as a form.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};

use super::{
    super::{
        act::{AppAct, AppView, AtApp, ToWriteWebhooks},
        views,
    },
    back, endpoint, endpoint_path, home, list_path, refused,
};
use crate::{
    types::WebhookEndpointId,
    web::{
        Failure, News, Parameters, html, html_with,
        page::{Choice, Field},
    },
    webhooks::{Endpoint, EndpointUrl, EventType, Settings, WebhookError, Webhooks},
};

fn events(chosen: impl Fn(EventType) -> bool) -> Vec<Choice> {
    EventType::ALL
        .iter()
        .map(|kind| Choice::new(kind.name(), kind.name(), chosen(*kind)).with_hint(kind.sentence()))
        .collect()
}

fn page(at: &AtApp, webhooks: &Webhooks, editing: Option<&Endpoint>) -> Result<views::WebhookForm, Failure> {
    let settings = editing.map(|endpoint| &endpoint.settings);
    let description = settings.and_then(|settings| settings.description.as_ref());
    Ok(views::WebhookForm {
        frame: at.visitor.frame()?,
        app: at.seen.app_ref(),
        editing: editing.map(|endpoint| (endpoint.id.to_string(), endpoint.settings.url.to_string())),
        form_id: at
            .visitor
            .form_id(WebhookEndpointId::new(&webhooks.clock, &webhooks.entropy).uuid())?,
        version: editing.map(Endpoint::version).unwrap_or_default(),
        url: Field::of(settings.map_or("", |settings| settings.url.as_str())),
        description: Field::of(description.map_or("", |line| line.as_str())),
        events: events(|kind| settings.is_some_and(|settings| settings.event_types.contains(&kind))),
    })
}

/// What was typed; or the page with what is wrong beside its field.
fn read(
    form: &Parameters,
    webhooks: &Webhooks,
    mut page: views::WebhookForm,
) -> Result<Settings, views::WebhookForm> {
    let (url, description) = (form.text("url"), form.text("description").trim());
    let event_types: Vec<EventType> = form.all("event").filter_map(|name| name.parse().ok()).collect();
    page.url = Field::of(url);
    page.description = Field::of(description);
    page.events = events(|kind| event_types.contains(&kind));
    // Somebody else's change is not taken for one that this reader has seen.
    form.text("version").clone_into(&mut page.version);
    let read_url = EndpointUrl::parse(url, webhooks.config.webhooks.allow_private_addresses);
    let read_description = (!description.is_empty()).then(|| description.parse()).transpose();
    match (read_url, read_description) {
        (Ok(url), Ok(description)) => Ok(Settings {
            url,
            description,
            event_types,
        }),
        (url, description) => {
            page.url.error = url.err().map(|error| error.to_string());
            page.description.error = description.err().map(|error| format!("{error}"));
            Err(page)
        }
    }
}

/// `/apps/{app}/webhooks/new`
pub(in super::super) async fn ask(
    view: AppView<ToWriteWebhooks>,
    webhooks: Data<Webhooks>,
) -> Result<HttpResponse, Failure> {
    html(&page(&view, &webhooks, None)?)
}

/// `POST /apps/{app}/webhooks/new`
pub(in super::super) async fn add(
    act: AppAct<ToWriteWebhooks>,
    webhooks: Data<Webhooks>,
) -> Result<HttpResponse, Failure> {
    let settings = match read(&act.form, &webhooks, page(&act, &webhooks, None)?) {
        Ok(settings) => settings,
        Err(page) => return html_with(StatusCode::BAD_REQUEST, &page),
    };
    let id = act.visitor.id_in(&act.form).map_or_else(
        || WebhookEndpointId::new(&webhooks.clock, &webhooks.entropy),
        WebhookEndpointId::from_uuid,
    );
    let mut transaction = webhooks.db.begin().await?;
    let added = webhooks
        .add(&mut transaction, id, home(&act), &settings, act.by())
        .await;
    let secret = match added {
        Ok(secret) => secret,
        Err(error @ WebhookError::TooMany(_)) => return Ok(refused(error)?.on(&list_path(&act))),
        Err(error) => return Ok(refused(error)?.on(&endpoint_path(&act, id))),
    };
    transaction.commit().await?;
    html(&views::WebhookSecretShown {
        frame: act.visitor.frame()?,
        app: act.seen.app_ref(),
        endpoint_id: id.to_string(),
        url: settings.url.to_string(),
        secret: secret.value.expose().to_owned(),
        new_endpoint: true,
    })
}

/// `/apps/{app}/webhooks/{endpoint}/edit`
pub(in super::super) async fn ask_to_edit(
    view: AppView<ToWriteWebhooks>,
    webhooks: Data<Webhooks>,
    request: HttpRequest,
) -> Result<HttpResponse, Failure> {
    let endpoint = endpoint(&view, &webhooks, &request).await?;
    html(&page(&view, &webhooks, Some(&endpoint))?)
}

/// `POST /apps/{app}/webhooks/{endpoint}/edit`
pub(in super::super) async fn edit(
    act: AppAct<ToWriteWebhooks>,
    webhooks: Data<Webhooks>,
    request: HttpRequest,
) -> Result<HttpResponse, Failure> {
    let endpoint = endpoint(&act, &webhooks, &request).await?;
    let settings = match read(&act.form, &webhooks, page(&act, &webhooks, Some(&endpoint))?) {
        Ok(settings) => settings,
        Err(page) => return html_with(StatusCode::BAD_REQUEST, &page),
    };
    let seen = Some(act.form.text("version")).filter(|version| !version.is_empty());
    let mut transaction = webhooks.db.begin().await?;
    let done = webhooks
        .edit(
            &mut transaction,
            endpoint.id,
            home(&act),
            seen,
            |was| *was = settings,
            act.by(),
        )
        .await;
    back(&act, endpoint.id, transaction, done, News::WebhookSaved).await
}
