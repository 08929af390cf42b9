//! The consent page, and what a person answers on it.

use actix_web::{HttpResponse, http::StatusCode, web::Data};

use super::{
    authorize::{ask_again, go_on_with, gone_page, next_step, person, resume, send, show, with_form_action},
    face,
};
use crate::{
    identity::http::{Sent, SignedIn, Visitor},
    oauth::{
        Authority,
        authorize::{self, ConsentQuestion, DecisionError, Step, Waiting},
        consent::Missing,
        views,
    },
    scopes,
    types::{Fault, ScopeSet},
    web::{Failure, html_with},
};

/// The page that asks.
pub(super) async fn page(
    authority: &Authority,
    visitor: &Visitor,
    waiting: &Waiting,
    question: &ConsentQuestion,
) -> Result<views::Consent, Failure> {
    let catalogue = scopes::catalogue(&mut *authority.db.connection().await?).await?;
    let incoming = &waiting.incoming;
    let client = &incoming.client;
    let destination = incoming
        .reply
        .destination()
        .ok_or_else(|| Fault::internal("a registered redirect URI that does not read"))?;
    let scopes = catalogue.in_order(&question.ask).into_iter().map(|scope| {
        let entry = catalogue.find(scope.as_str());
        let optional = client.registration.optional_scopes.contains(scope.as_str());
        views::ConsentScope {
            name: scope.to_string(),
            description: entry.map_or_else(|| scope.to_string(), |entry| entry.description.to_string()),
            sensitive: entry.is_none_or(|entry| entry.sensitive),
            optional,
            ticked: optional && !question.declined.contains(scope.as_str()),
        }
    });
    let described = |scope: &crate::types::Scope| {
        catalogue
            .find(scope.as_str())
            .map_or_else(|| scope.to_string(), |entry| entry.description.to_string())
    };
    Ok(views::Consent {
        frame: visitor.frame()?,
        request: waiting.id.to_string(),
        seen: waiting.appearance(),
        changed_meanwhile: false,
        app: face(client),
        reason: match &question.missing {
            Missing::Nothing => views::ConsentReason::Asked,
            Missing::Scopes(_) => views::ConsentReason::Wider,
            Missing::Everything if question.was_connected => views::ConsentReason::Changed,
            Missing::Everything => views::ConsentReason::First,
        },
        redirect_host: destination.host(),
        loopback: destination.is_loopback(),
        native: destination.is_private_use(),
        scopes: scopes.collect(),
        granted: catalogue
            .in_order(&question.granted)
            .into_iter()
            .map(described)
            .collect(),
    })
}

/// The consent page once more, because the app is not what the person saw on it.
async fn ask_anew(
    authority: &Authority,
    visitor: &Visitor,
    waiting: &Waiting,
    signed_in: &SignedIn,
) -> Result<HttpResponse, Failure> {
    match next_step(authority, visitor, waiting, Some(signed_in)).await? {
        Step::Consent(question) => {
            let mut page = page(authority, visitor, waiting, &question).await?;
            page.changed_meanwhile = true;
            Ok(with_form_action(
                html_with(StatusCode::CONFLICT, &page)?,
                &waiting.incoming,
            ))
        }
        other => show(authority, visitor, waiting, other).await,
    }
}

/// `POST /oauth/consent`
pub(super) async fn decided(authority: Data<Authority>, sent: Sent) -> Result<HttpResponse, Failure> {
    let is_ours = sent.is_ours()?;
    let Sent { visitor, form } = sent;
    let Some(waiting) = resume(&authority, &visitor, &form).await? else {
        return gone_page(&visitor);
    };
    let (true, Some(signed_in)) = (is_ours, &visitor.signed_in) else {
        return Ok(ask_again(&waiting));
    };
    let chosen: Option<ScopeSet> = match form.text("decision") {
        "approve" => Some(form.all("scope").filter_map(|scope| scope.parse().ok()).collect()),
        "deny" => None,
        _ => {
            return Err(Failure::BadRequest(
                "Say whether you allow it or not: use one of the two buttons.".into(),
            ));
        }
    };
    let decision = authorize::decide(
        &authority,
        &waiting,
        person(signed_in),
        chosen.as_ref(),
        form.all("seen").next(),
        &visitor.context,
    )
    .await;
    match decision {
        Ok(answer) => send(&authority, &waiting.incoming, answer),
        // Decided meanwhile by a second click, it has gone; otherwise there is another step before it.
        Err(DecisionError::NotYet) => match resume(&authority, &visitor, &form).await? {
            Some(waiting) => go_on_with(&authority, &visitor, &waiting).await,
            None => gone_page(&visitor),
        },
        Err(DecisionError::Changed) => ask_anew(&authority, &visitor, &waiting, signed_in).await,
        Err(DecisionError::Gone) => gone_page(&visitor),
        Err(DecisionError::Fault(fault)) => Err(fault.into()),
    }
}
