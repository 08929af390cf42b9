use super::{
    Answer, AuthorizationError, ErrorCode, Person, Step, Waiting, next_step, step::issue_code, store,
};
use crate::{
    audit::{Action, Actor, Record, Subject},
    identity,
    oauth::{Authority, consent},
    types::{ClientContext, Fault, ScopeSet},
};

/// Why a decision was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DecisionError {
    /// It was decided already, in another tab or by a second click.
    #[error("the request is no longer waiting")]
    Gone,
    /// Something else must be done first: sign in again, say.
    #[error("the request has another step before it")]
    NotYet,
    /// The client is not what the page showed: it is to be shown again.
    #[error("the client was changed meanwhile")]
    Changed,
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Takes the person's decision about a request. `chosen` are the optional scopes that stayed ticked; none means
/// that the person said no to all of it. `seen` is the [appearance](Waiting::appearance) of the client on the page that
/// they answer, if they say: otherwise it must be what it was when the request came, so that no page can have shown
/// anything else.
///
/// # Errors
///
/// See [`DecisionError`].
pub async fn decide(
    authority: &Authority,
    waiting: &Waiting,
    person: Person<'_>,
    chosen: Option<&ScopeSet>,
    seen: Option<&str>,
    context: &ClientContext,
) -> Result<Answer, DecisionError> {
    let incoming = &waiting.incoming;
    if chosen.is_some() && waiting.appearance() != seen.unwrap_or(&waiting.appeared) {
        return Err(DecisionError::Changed);
    }
    let step = next_step(
        authority,
        incoming,
        Some(person),
        Some(waiting.arrived_at),
        waiting.account_chosen,
        context,
    )
    .await?;
    let (question, request) = match (step, &incoming.request) {
        (Step::Consent(question), Ok(request)) => (Some(question), request),
        // Another tab has allowed it meanwhile: who says no here is not signed in to the app all the same.
        (Step::Answer(_), Ok(request)) if chosen.is_none() => (None, request),
        _ => return Err(DecisionError::NotYet),
    };
    let now = authority.clock.now();
    let client = &incoming.client;
    let mut transaction = authority.db.begin().await?;
    if !store::take(&mut transaction, waiting.id).await? {
        return Err(DecisionError::Gone);
    }
    // What is allowed in a session that ends meanwhile is not allowed any more.
    if !identity::hold_session(&mut transaction, person.session.id).await? {
        return Err(DecisionError::NotYet);
    }
    let record = |action, scopes: &ScopeSet| {
        Record::done(
            now,
            Actor::User(person.user.id),
            action,
            Subject::Client(client.id),
        )
        .account(client.account_id)
        .from(context)
        .detail("app", client.registration.name.as_str())
        .detail("scope", scopes.to_string())
    };
    let (Some(chosen), Some(question)) = (chosen, question) else {
        record(Action::ConsentDenied, &request.scopes)
            .write(&mut transaction)
            .await?;
        transaction.commit().await?;
        let error = AuthorizationError::new(ErrorCode::AccessDenied, "the person said no");
        return Ok(incoming.reply.error(&error, &authority.issuer));
    };
    let optional: ScopeSet = question
        .ask
        .iter()
        .filter(|scope| client.registration.optional_scopes.contains(scope.as_str()))
        .cloned()
        .collect();
    let left_out = optional.without(chosen);
    let scopes = request.scopes.without(&left_out);
    if scopes.is_empty() {
        record(Action::ConsentDenied, &request.scopes)
            .write(&mut transaction)
            .await?;
        transaction.commit().await?;
        let error = AuthorizationError::new(ErrorCode::AccessDenied, "the person left out every scope");
        return Ok(incoming.reply.error(&error, &authority.issuer));
    }
    let consented_at =
        consent::remember(&mut transaction, person.user.id, client, &scopes, &left_out, now).await?;
    record(Action::ConsentGranted, &scopes)
        .detail("left_out", left_out.to_string())
        .write(&mut transaction)
        .await?;
    transaction.commit().await?;
    Ok(issue_code(
        authority,
        incoming,
        request,
        &scopes,
        person,
        consented_at,
    )?)
}

/// The person stays who they are (`prompt=select_account`).
///
/// # Errors
///
/// If the database is out of reach.
pub async fn choose_account(authority: &Authority, waiting: &Waiting) -> Result<(), Fault> {
    Waiting {
        account_chosen: true,
        ..waiting.clone()
    }
    .save(authority)
    .await
}
