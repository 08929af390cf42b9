//! Where an app is told of events: its endpoints, their secrets, and what was sent to them.

mod form;
mod show;

pub(super) use form::{add, ask, ask_to_edit, edit};
pub(super) use show::{delivery, list, of_app, show};

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web::Data};

use super::{
    act::{AppAct, AtApp, ToWriteWebhooks},
    views,
};
use crate::{
    db::Transaction,
    types::{AccountId, AppId, WebhookDeliveryId, WebhookEndpointId, WebhookSecretId},
    web::{Failure, News, html},
    webhooks::{Endpoint, WebhookError, Webhooks},
};

/// For how long the other secrets sign when one is rotated in: seconds.
const OVERLAPS: [(u64, &str); 3] = [
    (0, "End now"),
    (86_400, "Sign for 24 hours more"),
    (604_800, "Sign for 7 days more"),
];

fn home(at: &AtApp) -> (AccountId, AppId) {
    (at.seen.app.account_id, at.seen.app.id)
}

fn list_path(at: &AtApp) -> String {
    format!("{}/webhooks", at.seen.path())
}

fn endpoint_path(at: &AtApp, id: WebhookEndpointId) -> String {
    format!("{}/{id}", list_path(at))
}

/// The endpoint of the path, if it is the app's.
async fn endpoint(at: &AtApp, webhooks: &Webhooks, request: &HttpRequest) -> Result<Endpoint, Failure> {
    let id = request.match_info().get("endpoint").unwrap_or_default();
    let id = id.parse().or(Err(Failure::NotFound))?;
    webhooks
        .endpoint(at.seen.app.id, id)
        .await?
        .ok_or(Failure::NotFound)
}

/// What an act that did nothing leads to, where that is a sentence on the page.
fn refused(error: WebhookError) -> Result<News, Failure> {
    match error {
        WebhookError::NotFound | WebhookError::NoApp | WebhookError::NoDelivery => Err(Failure::NotFound),
        WebhookError::Url(error) => Err(Failure::BadRequest(error.to_string())),
        WebhookError::TooMany(_) => Ok(News::ManyWebhooks),
        WebhookError::TooManySecrets => Ok(News::ManyWebhookSecrets),
        WebhookError::Silent => Ok(News::WebhookSilent),
        WebhookError::Changed => Ok(News::WebhookOvertaken),
        WebhookError::TooManyTests => Ok(News::ManyWebhookTests),
        WebhookError::UnderWay => Ok(News::WebhookUnderWay),
        WebhookError::Again => Ok(News::DoneAlready),
        WebhookError::Fault(fault) => Err(fault.into()),
    }
}

/// Ends an act, and goes back to the endpoint's page, which says what came of it.
async fn back<T>(
    at: &AtApp,
    id: WebhookEndpointId,
    transaction: Transaction,
    done: Result<T, WebhookError>,
    news: News,
) -> Result<HttpResponse, Failure> {
    let news = match done {
        Ok(_) => {
            transaction.commit().await?;
            news
        }
        Err(error) => refused(error)?,
    };
    Ok(news.on(&endpoint_path(at, id)))
}

/// `POST /apps/{app}/webhooks/{endpoint}/secrets`
pub(super) async fn rotate(
    act: AppAct<ToWriteWebhooks>,
    webhooks: Data<Webhooks>,
    request: HttpRequest,
) -> Result<HttpResponse, Failure> {
    let endpoint = endpoint(&act, &webhooks, &request).await?;
    let typed = act.form.text("overlap").parse();
    let overlap = OVERLAPS
        .into_iter()
        .map(|(seconds, _)| seconds)
        .chain([webhooks.config.webhooks.secret_overlap.duration().as_secs()])
        .find(|seconds| typed.as_ref() == Ok(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| Failure::BadRequest("Choose from the list how long the others sign.".to_owned()))?;
    let id = act.visitor.id_in(&act.form).map_or_else(
        || WebhookSecretId::new(&webhooks.clock, &webhooks.entropy),
        WebhookSecretId::from_uuid,
    );
    let mut transaction = webhooks.db.begin().await?;
    let rotated = webhooks
        .rotate(&mut transaction, endpoint.id, home(&act), id, overlap, act.by())
        .await;
    let secret = match rotated {
        Ok(secret) => secret,
        Err(error) => return Ok(refused(error)?.on(&endpoint_path(&act, endpoint.id))),
    };
    transaction.commit().await?;
    html(&views::WebhookSecretShown {
        frame: act.visitor.frame()?,
        app: act.seen.app_ref(),
        endpoint_id: endpoint.id.to_string(),
        url: endpoint.settings.url.to_string(),
        secret: secret.value.expose().to_owned(),
        new_endpoint: false,
    })
}

/// `POST /apps/{app}/webhooks/{endpoint}/off`
pub(super) async fn switch_off(
    act: AppAct<ToWriteWebhooks>,
    webhooks: Data<Webhooks>,
    request: HttpRequest,
) -> Result<HttpResponse, Failure> {
    let id = endpoint(&act, &webhooks, &request).await?.id;
    let mut transaction = webhooks.db.begin().await?;
    let done = webhooks
        .switch_off(&mut transaction, id, home(&act), act.by())
        .await;
    back(&act, id, transaction, done, News::WebhookOff).await
}

/// `POST /apps/{app}/webhooks/{endpoint}/on`
pub(super) async fn switch_on(
    act: AppAct<ToWriteWebhooks>,
    webhooks: Data<Webhooks>,
    request: HttpRequest,
) -> Result<HttpResponse, Failure> {
    let id = endpoint(&act, &webhooks, &request).await?.id;
    let mut transaction = webhooks.db.begin().await?;
    let done = webhooks
        .switch_on(&mut transaction, id, home(&act), act.by())
        .await;
    back(&act, id, transaction, done, News::WebhookOn).await
}

/// `POST /apps/{app}/webhooks/{endpoint}/test`
pub(super) async fn test(
    act: AppAct<ToWriteWebhooks>,
    webhooks: Data<Webhooks>,
    request: HttpRequest,
) -> Result<HttpResponse, Failure> {
    let id = endpoint(&act, &webhooks, &request).await?.id;
    let delivery = WebhookDeliveryId::new(&webhooks.clock, &webhooks.entropy);
    let mut transaction = webhooks.db.begin().await?;
    let done = webhooks
        .send_test(&mut transaction, delivery, id, home(&act), act.by())
        .await;
    back(&act, id, transaction, done, News::WebhookTested).await
}

/// `POST /apps/{app}/webhooks/{endpoint}/redeliver`
pub(super) async fn redeliver(
    act: AppAct<ToWriteWebhooks>,
    webhooks: Data<Webhooks>,
    request: HttpRequest,
) -> Result<HttpResponse, Failure> {
    let id = endpoint(&act, &webhooks, &request).await?.id;
    let delivery = act.form.text("delivery").parse().or(Err(Failure::NotFound))?;
    let mut transaction = webhooks.db.begin().await?;
    let done = webhooks
        .redeliver(&mut transaction, id, home(&act), delivery, act.by())
        .await;
    back(&act, id, transaction, done, News::WebhookSentAgain).await
}

/// `POST /apps/{app}/webhooks/{endpoint}/delete`
pub(super) async fn delete(
    act: AppAct<ToWriteWebhooks>,
    webhooks: Data<Webhooks>,
    request: HttpRequest,
) -> Result<HttpResponse, Failure> {
    let id = endpoint(&act, &webhooks, &request).await?.id;
    let mut transaction = webhooks.db.begin().await?;
    if let Err(error) = webhooks.delete(&mut transaction, id, home(&act), act.by()).await {
        return Ok(refused(error)?.on(&list_path(&act)));
    }
    transaction.commit().await?;
    Ok(News::WebhookDeleted.on(&list_path(&act)))
}
