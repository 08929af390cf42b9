//! Endpoints, and what was sent to them, to be looked at.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use diesel_async::AsyncPgConnection;

use super::{
    super::{
        act::{AppView, ToView},
        views,
    },
    OVERLAPS, endpoint, endpoint_path,
};
use crate::{
    accounts::Permission,
    types::{AppId, Fault, WebhookDeliveryId, WebhookSecretId},
    web::{
        Failure, Query, html,
        page::{Choice, Pages},
    },
    webhooks::{self, Attempt, Delivery, DeliveryState, DisabledReason, Endpoint, Webhooks},
};

/// Deliveries, and attempts, on one page.
const ON_A_PAGE: usize = 20;

fn state_of_endpoint(endpoint: &Endpoint) -> views::State {
    let (words, tone) = match endpoint.disabled {
        Some((_, DisabledReason::Owner)) => ("Off", "danger"),
        Some((_, DisabledReason::Gone)) => ("Off: it answered 410", "danger"),
        Some((_, DisabledReason::Failing)) => ("Off: it failed for days", "danger"),
        None if endpoint.failing_since.is_some() => ("Failing", "warning"),
        None => ("On", "success"),
    };
    views::State { words, tone }
}

fn row(endpoint: &Endpoint) -> views::WebhookRow {
    let settings = &endpoint.settings;
    views::WebhookRow {
        id: endpoint.id.to_string(),
        url: settings.url.to_string(),
        description: settings.description.as_ref().map(ToString::to_string),
        events: settings.event_types.iter().map(|kind| kind.name()).collect(),
        state: state_of_endpoint(endpoint),
    }
}

fn outcome(attempt: &Attempt) -> String {
    match (attempt.status, &attempt.error) {
        (Some(status), _) => format!("{status} in {} ms", attempt.took.as_millis()),
        (None, Some(error)) => error.clone(),
        (None, None) => "No answer".to_owned(),
    }
}

/// `sends` says whether anything is sent to its endpoint now.
fn delivery_row(delivery: &Delivery, sends: bool) -> views::DeliveryRow {
    let (words, tone) = match delivery.state {
        DeliveryState::Waiting if delivery.failures > 0 => ("Waiting", "warning"),
        DeliveryState::Waiting => ("Waiting", "info"),
        DeliveryState::UnderWay => ("Under way", "info"),
        DeliveryState::Delivered => ("Taken", "success"),
        DeliveryState::Failed => ("Given up", "danger"),
    };
    let waits = delivery.state == DeliveryState::Waiting;
    views::DeliveryRow {
        id: delivery.id.to_string(),
        event: delivery.kind.name(),
        at: delivery.created_at.into(),
        state: views::State { words, tone },
        last: delivery.last.as_ref().map(outcome),
        next: (waits && sends).then(|| delivery.next_at.into()),
        sendable: sends && delivery.state != DeliveryState::UnderWay,
    }
}

/// Where a list goes on that began at `before`.
fn pages(path: &str, place: &str, before: Option<i64>, next: Option<i64>) -> Pages {
    Pages {
        newer: before.map(|_| format!("{path}#{place}")),
        older: next.map(|next| format!("{path}?before={next}#{place}")),
    }
}

fn before(query: &Query) -> Option<i64> {
    query.0.as_ref().ok()?.text("before").parse().ok()
}

/// The endpoints of an app, for its own page.
pub(in super::super) async fn of_app(
    connection: &mut AsyncPgConnection,
    app: AppId,
) -> Result<Vec<views::WebhookRow>, Fault> {
    let endpoints = webhooks::endpoints_of(connection, app).await?;
    Ok(endpoints.iter().map(row).collect())
}

/// `/apps/{app}/webhooks`
pub(in super::super) async fn list(
    view: AppView<ToView>,
    webhooks: Data<Webhooks>,
) -> Result<HttpResponse, Failure> {
    let endpoints = webhooks.endpoints(view.seen.app.id).await?;
    html(&views::Webhooks {
        frame: view.visitor.frame()?,
        app: view.seen.app_ref(),
        endpoints: endpoints.iter().map(row).collect(),
        most: webhooks.config.webhooks.endpoints_per_app,
        can_edit: view.seen.may(Permission::WriteWebhooks),
    })
}

/// `/apps/{app}/webhooks/{endpoint}`
pub(in super::super) async fn show(
    view: AppView<ToView>,
    webhooks: Data<Webhooks>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, Failure> {
    let endpoint = endpoint(&view, &webhooks, &request).await?;
    let before = before(&query);
    let found = webhooks.deliveries(endpoint.id, before, ON_A_PAGE).await?;
    let secrets = webhooks.secrets(endpoint.id).await?;
    let sends = endpoint.disabled.is_none() && !secrets.is_empty();
    let usual = webhooks.config.webhooks.secret_overlap;
    let mut overlaps: Vec<_> = OVERLAPS
        .iter()
        .map(|(seconds, words)| {
            Choice::new(
                seconds.to_string(),
                *words,
                *seconds == usual.duration().as_secs(),
            )
        })
        .collect();
    if !overlaps.iter().any(|overlap| overlap.chosen) {
        let seconds = usual.duration().as_secs();
        overlaps.push(Choice::new(
            seconds.to_string(),
            format!("Sign for {usual} more"),
            true,
        ));
    }
    html(&views::WebhookPage {
        frame: view.visitor.frame()?,
        app: view.seen.app_ref(),
        endpoint: row(&endpoint),
        on: endpoint.disabled.is_none(),
        secrets: secrets
            .into_iter()
            .map(|secret| views::WebhookSecretRow {
                hint: format!("{}…", secret.hint),
                created: secret.created_at.into(),
                expires: secret.expires_at.map(Into::into),
            })
            .collect(),
        overlaps,
        form_id: view
            .visitor
            .form_id(WebhookSecretId::new(&webhooks.clock, &webhooks.entropy).uuid())?,
        deliveries: found
            .items
            .iter()
            .map(|delivery| delivery_row(delivery, sends))
            .collect(),
        pages: pages(
            &endpoint_path(&view, endpoint.id),
            "deliveries",
            before,
            found.next,
        ),
        can_edit: view.seen.may(Permission::WriteWebhooks),
    })
}

/// `/apps/{app}/webhooks/{endpoint}/deliveries/{delivery}`
pub(in super::super) async fn delivery(
    view: AppView<ToView>,
    webhooks: Data<Webhooks>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, Failure> {
    let endpoint = endpoint(&view, &webhooks, &request).await?;
    let id = request.match_info().get("delivery").unwrap_or_default();
    let id: WebhookDeliveryId = id.parse().or(Err(Failure::NotFound))?;
    let (delivery, message) = webhooks
        .delivery(view.seen.app.id, id)
        .await?
        .filter(|(delivery, _)| delivery.endpoint_id == endpoint.id)
        .ok_or(Failure::NotFound)?;
    let before = before(&query);
    let attempts = webhooks.attempts(id, before, ON_A_PAGE).await?;
    let signs = !webhooks.secrets(endpoint.id).await?.is_empty();
    let path = format!("{}/deliveries/{id}", endpoint_path(&view, endpoint.id));
    html(&views::WebhookDelivery {
        frame: view.visitor.frame()?,
        app: view.seen.app_ref(),
        endpoint: row(&endpoint),
        delivery: delivery_row(&delivery, signs && endpoint.disabled.is_none()),
        message_id: message.id.to_string(),
        payload: message.payload,
        attempts: attempts
            .items
            .iter()
            .map(|attempt| views::AttemptRow {
                at: attempt.at.into(),
                success: attempt.is_success(),
                outcome: outcome(attempt),
                answer: attempt.answer.clone(),
            })
            .collect(),
        pages: pages(&path, "attempts", before, attempts.next),
        can_edit: view.seen.may(Permission::WriteWebhooks),
    })
}
