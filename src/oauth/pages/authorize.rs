use actix_web::{HttpResponse, http::StatusCode, web::Data};

use super::consent;
use crate::{
    crypto::Token,
    identity::http::{Sent, SignedIn, Visitor},
    oauth::{
        Authority, LoggedRequest,
        authorize::{self, Answer, Incoming, ParkError, Person, Step, Untrusted, Waiting, Way},
        views,
    },
    types::{AuthorizationRequestId, Fault},
    web::{
        Failure, Form, FormAction, Parameters, Query, Unreadable, current_request_id, html, html_with,
        page::RequestBanner, see_other,
    },
};

pub(super) async fn by_query(
    authority: Data<Authority>,
    visitor: Visitor,
    query: Query,
) -> Result<HttpResponse, Failure> {
    arrive(&authority, &visitor, query.0).await
}

/// A POST brings the request along (OIDC Core §3.1.2.1). It comes from the client's page, so there is no form token
/// in it; it changes nothing but to ask the person. From another site it comes without our cookies (`SameSite=Lax`),
/// so nobody seems to be signed in, and the browser seems to be new: that is judged when it comes back of its own accord,
/// with its cookies, and claims the request.
pub(super) async fn by_form(
    authority: Data<Authority>,
    visitor: Visitor,
    form: Form,
) -> Result<HttpResponse, Failure> {
    if visitor.signed_in.is_some() {
        return arrive(&authority, &visitor, form.0).await;
    }
    match read(&authority, form.0).await {
        Ok(incoming) => {
            let waiting = park(&authority, &visitor, &incoming).await?;
            Ok(match visitor.browser.unknown() {
                Some(claim) => see_other(&format!(
                    "/oauth/authorize/continue?request={}&claim={}",
                    waiting.id,
                    claim.expose()
                )),
                None => ask_again(&waiting),
            })
        }
        Err(untrusted) => untrusted_page(&authority, &visitor, untrusted),
    }
}

async fn read(
    authority: &Authority,
    parameters: Result<Parameters, Unreadable>,
) -> Result<Incoming, Untrusted> {
    authorize::read(authority, &parameters?).await
}

async fn park(authority: &Authority, visitor: &Visitor, incoming: &Incoming) -> Result<Waiting, Failure> {
    let address = visitor.context.address;
    match authorize::park(authority, incoming, visitor.browser.digest(), address).await {
        Ok(waiting) => Ok(waiting),
        Err(ParkError::TooMany(retry_after)) => Err(Failure::TooManyRequests { retry_after }),
        Err(ParkError::Fault(fault)) => Err(fault.into()),
    }
}

async fn arrive(
    authority: &Authority,
    visitor: &Visitor,
    parameters: Result<Parameters, Unreadable>,
) -> Result<HttpResponse, Failure> {
    let incoming = match read(authority, parameters).await {
        Ok(incoming) => incoming,
        Err(untrusted) => return untrusted_page(authority, visitor, untrusted),
    };
    let person = visitor.signed_in.as_ref().map(person);
    let step = authorize::next_step(authority, &incoming, person, None, false, &visitor.context).await?;
    if let Step::Answer(answer) = step {
        return send(authority, &incoming, answer);
    }
    let waiting = park(authority, visitor, &incoming).await?;
    show(authority, visitor, &waiting, step).await
}

/// `/oauth/authorize/continue?request=…`: after sign-in, or by the back button.
pub(super) async fn go_on(
    authority: Data<Authority>,
    visitor: Visitor,
    query: Query,
) -> Result<HttpResponse, Failure> {
    let parameters = query
        .0
        .map_err(|unreadable| Failure::BadRequest(format!("The address could not be read: {unreadable}.")))?;
    let claim = parameters.text("claim");
    if let (false, Ok(id)) = (claim.is_empty(), parameters.text("request").parse()) {
        let claim = Token::presented(claim).digest();
        authorize::claim(&authority, id, claim, visitor.browser.digest()).await?;
        return Ok(see_other(&format!("/oauth/authorize/continue?request={id}")));
    }
    let Some(waiting) = resume(&authority, &visitor, &parameters).await? else {
        return gone_page(&visitor);
    };
    go_on_with(&authority, &visitor, &waiting).await
}

pub(super) async fn go_on_with(
    authority: &Authority,
    visitor: &Visitor,
    waiting: &Waiting,
) -> Result<HttpResponse, Failure> {
    let step = next_step(authority, visitor, waiting, visitor.signed_in.as_ref()).await?;
    show(authority, visitor, waiting, step).await
}

pub(super) async fn resume(
    authority: &Authority,
    visitor: &Visitor,
    parameters: &Parameters,
) -> Result<Option<Waiting>, Failure> {
    let Ok(id) = parameters.text("request").parse::<AuthorizationRequestId>() else {
        return Ok(None);
    };
    Ok(authorize::resume(authority, id, visitor.browser.digest()).await?)
}

pub(super) async fn show(
    authority: &Authority,
    visitor: &Visitor,
    waiting: &Waiting,
    step: Step,
) -> Result<HttpResponse, Failure> {
    let incoming = &waiting.incoming;
    match step {
        Step::Answer(answer) => send(authority, incoming, answer),
        Step::SignIn => Ok(see_other(&format!("/sign-in?request={}", waiting.id))),
        Step::SelectAccount => select_account_page(visitor, waiting),
        Step::Consent(question) => {
            let page = consent::page(authority, visitor, waiting, &question).await?;
            Ok(with_form_action(html(&page)?, incoming))
        }
    }
}

pub(super) async fn next_step(
    authority: &Authority,
    visitor: &Visitor,
    waiting: &Waiting,
    signed_in: Option<&SignedIn>,
) -> Result<Step, Fault> {
    authorize::next_step(
        authority,
        &waiting.incoming,
        signed_in.map(person),
        Some(waiting.arrived_at),
        waiting.account_chosen,
        &visitor.context,
    )
    .await
}

fn select_account_page(visitor: &Visitor, waiting: &Waiting) -> Result<HttpResponse, Failure> {
    let client = &waiting.incoming.client;
    let page = views::SelectAccount {
        frame: visitor.frame()?,
        request: RequestBanner {
            id: waiting.id.to_string(),
            app_name: client.registration.name.clone(),
            logo: client.logo_path(),
        },
    };
    Ok(with_form_action(html(&page)?, &waiting.incoming))
}

/// `GET /oauth/select-account?request=…`: somebody on the consent page would rather be somebody else.
pub(super) async fn select_account(
    authority: Data<Authority>,
    visitor: Visitor,
    query: Query,
) -> Result<HttpResponse, Failure> {
    let parameters = query
        .0
        .map_err(|unreadable| Failure::BadRequest(format!("The address could not be read: {unreadable}.")))?;
    match resume(&authority, &visitor, &parameters).await? {
        Some(waiting) if visitor.signed_in.is_some() => select_account_page(&visitor, &waiting),
        Some(waiting) => go_on_with(&authority, &visitor, &waiting).await,
        None => gone_page(&visitor),
    }
}

/// `POST /oauth/select-account`
pub(super) async fn account_chosen(authority: Data<Authority>, sent: Sent) -> Result<HttpResponse, Failure> {
    let is_ours = sent.is_ours()?;
    let Sent { visitor, form } = sent;
    let Some(waiting) = resume(&authority, &visitor, &form).await? else {
        return gone_page(&visitor);
    };
    if !is_ours {
        return Ok(ask_again(&waiting));
    }
    if form.text("choice") == "another" {
        return Ok(see_other(&format!("/sign-in?request={}&another=1", waiting.id)));
    }
    authorize::choose_account(&authority, &waiting).await?;
    Ok(ask_again(&waiting))
}

/// On with a request, whose next step shows afresh. So it goes on too when the session has ended under a page, or has
/// got a new cookie: what was sent from that page decides nothing.
pub(super) fn ask_again(waiting: &Waiting) -> HttpResponse {
    see_other(&format!("/oauth/authorize/continue?request={}", waiting.id))
}

pub(super) fn person(signed_in: &SignedIn) -> Person<'_> {
    Person {
        user: &signed_in.user,
        session: &signed_in.session,
    }
}

pub(super) fn with_form_action(mut response: HttpResponse, incoming: &Incoming) -> HttpResponse {
    if let Some(uri) = incoming.reply.destination() {
        response.extensions_mut().insert(FormAction(uri.form_action()));
    }
    response
}

/// Sends the browser back to the client. 303, so that a POST of ours is never repeated there (RFC 9700 §4.12).
pub(super) fn send(
    authority: &Authority,
    incoming: &Incoming,
    answer: Answer,
) -> Result<HttpResponse, Failure> {
    log(authority, incoming, &answer);
    match answer.way {
        Way::Redirect { location } => Ok(see_other(&location)),
        Way::FormPost { redirect_uri, fields } => {
            let app_name = incoming.client.registration.name.clone();
            Ok(with_form_action(
                html(&views::FormPost {
                    redirect_uri,
                    app_name,
                    fields,
                })?,
                incoming,
            ))
        }
    }
}

fn log(authority: &Authority, incoming: &Incoming, answer: &Answer) {
    authority.request_log.push(LoggedRequest {
        client: incoming.client.id,
        at: authority.clock.now(),
        endpoint: "authorize",
        error: answer.error.as_ref().map(|error| error.code.name()),
        description: answer.error.as_ref().map(|error| error.description.clone()),
        request_id: current_request_id(),
    });
}

/// The page for a request that must not be answered by redirect: a sentence for the person, and for the developer
/// what to mend. What the client has registered is told in its own request log alone.
fn untrusted_page(
    authority: &Authority,
    visitor: &Visitor,
    untrusted: Untrusted,
) -> Result<HttpResponse, Failure> {
    let description = untrusted.to_string();
    let (client, detail) = match &untrusted {
        Untrusted::Fault(_) => (None, String::new()),
        Untrusted::NoClientId
        | Untrusted::Repeated
        | Untrusted::UnknownClient
        | Untrusted::TooLarge
        | Untrusted::Unreadable(_) => (None, description.clone()),
        Untrusted::DisabledClient(client) | Untrusted::NoRedirectUri(client) => {
            (Some(client), description.clone())
        }
        Untrusted::RedirectUriMismatch { client, sent } => {
            let registered: Vec<&str> = client
                .registration
                .redirect_uris
                .iter()
                .map(crate::types::RedirectUri::as_str)
                .collect();
            (
                Some(client),
                format!("{description}: got {sent}, registered: {}", registered.join(", ")),
            )
        }
    };
    if let Some(client) = client {
        authority.request_log.push(LoggedRequest {
            client: client.id,
            at: authority.clock.now(),
            endpoint: "authorize",
            error: Some("invalid_request"),
            description: Some(detail),
            request_id: current_request_id(),
        });
    }
    if let Untrusted::Fault(fault) = untrusted {
        return Err(fault.into());
    }
    let mut details = vec![
        views::DeveloperDetail::new("error", "invalid_request"),
        views::DeveloperDetail::new("error_description", description),
    ];
    details.extend(client.map(|client| views::DeveloperDetail::new("client_id", client.id.to_string())));
    let page = views::AuthorizeError {
        frame: visitor.frame()?,
        heading: "The app sent you here the wrong way".to_owned(),
        text: "We stopped, and passed nothing about you on. Go back to the app; if this goes on, tell whoever makes it."
            .to_owned(),
        details,
        request_id: current_request_id(),
    };
    html_with(StatusCode::BAD_REQUEST, &page)
}

/// The request was decided, has run out, or belongs to another browser: all alike.
pub(super) fn gone_page(visitor: &Visitor) -> Result<HttpResponse, Failure> {
    let page = views::AuthorizeError {
        frame: visitor.frame()?,
        heading: "This request is no longer waiting".to_owned(),
        text: "It was answered already, it waited too long, or it was begun in another browser. Go back to the app and start again."
            .to_owned(),
        details: Vec::new(),
        request_id: current_request_id(),
    };
    html_with(StatusCode::BAD_REQUEST, &page)
}
