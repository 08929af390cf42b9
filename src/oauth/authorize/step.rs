use time::OffsetDateTime;

use super::{Answer, AuthorizationError, AuthorizationRequest, ErrorCode, Incoming};
use crate::{
    audit::{Action, Actor, Record, Subject},
    identity::{self, Session, User},
    oauth::{
        Authority,
        code::{Binding, Code},
        consent::{self, Missing},
    },
    types::{ClientContext, Fault, ScopeSet},
};

/// Who is in front of the browser.
#[derive(Clone, Copy, Debug)]
pub struct Person<'p> {
    pub user: &'p User,
    pub session: &'p Session,
}

/// What is to be asked on the consent page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentQuestion {
    /// What is asked for now.
    pub ask: ScopeSet,
    /// What was allowed before and is asked for again.
    pub granted: ScopeSet,
    /// What of `ask` the person left out before.
    pub declined: ScopeSet,
    pub missing: Missing,
    /// Whether the app was let in before, looking otherwise.
    pub was_connected: bool,
}

/// What comes next for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Somebody has to sign in, or to show again that it is they.
    SignIn,
    SelectAccount,
    Consent(ConsentQuestion),
    /// The client can be answered.
    Answer(Answer),
}

/// Finds the next step. `since` is when the request came, if it has waited: whoever signed in after that has done
/// what `prompt=login` and `select_account` ask for, and what `max_age` does for a while.
///
/// Nobody is sent on to a client before they have signed in, not even with an error, `prompt=none` excepted
/// (RFC 9700 §4.11.2): otherwise any link of ours could be made to lead anywhere.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn next_step(
    authority: &Authority,
    incoming: &Incoming,
    person: Option<Person<'_>>,
    since: Option<OffsetDateTime>,
    account_chosen: bool,
    context: &ClientContext,
) -> Result<Step, Fault> {
    let now = authority.clock.now();
    let refuse = |code, description: &str| {
        let error = AuthorizationError::new(code, description);
        Step::Answer(incoming.reply.error(&error, &authority.issuer))
    };
    let request = match (&incoming.request, person) {
        (Ok(request), _) => request,
        (Err(error), Some(_)) => return Ok(Step::Answer(incoming.reply.error(error, &authority.issuer))),
        (Err(error), None) if incoming.silent => {
            return Ok(Step::Answer(incoming.reply.error(error, &authority.issuer)));
        }
        (Err(_), None) => return Ok(Step::SignIn),
    };
    let silent = request.prompt.none;
    let Some(person) = person else {
        return Ok(if silent {
            refuse(ErrorCode::LoginRequired, "nobody is signed in")
        } else {
            Step::SignIn
        });
    };
    let fresh = since.is_some_and(|since| person.session.authenticated_at >= since);
    if must_sign_in_again(request, person.session.authenticated_at, since, now) {
        let description = "the person signed in too long ago";
        return Ok(if silent {
            refuse(ErrorCode::LoginRequired, description)
        } else {
            Step::SignIn
        });
    }
    if request
        .expected_subject
        .is_some_and(|subject| subject != person.user.id)
    {
        // After a sign-in that could have mended it, there is no use in asking again.
        let hopeless = silent || fresh || account_chosen;
        let description = "somebody else is signed in";
        return Ok(if hopeless {
            refuse(ErrorCode::LoginRequired, description)
        } else {
            Step::SelectAccount
        });
    }
    if request.prompt.select_account && !fresh && !account_chosen {
        return Ok(Step::SelectAccount);
    }
    consent_or_code(authority, incoming, request, person, context).await
}

/// How long somebody who signed in for this request may read what they are asked, however small `max_age` is: with
/// less, they would be asked for their password again and again.
const READING: time::Duration = time::Duration::minutes(5);

/// Whether whoever signed in at that time has to show again that it is they, for a request that has waited `since`.
/// `max_age` is measured when the request is answered, for those too who signed in for it and then let its page lie.
#[must_use]
pub fn must_sign_in_again(
    request: &AuthorizationRequest,
    authenticated_at: OffsetDateTime,
    since: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> bool {
    let fresh = since.is_some_and(|since| authenticated_at >= since);
    let is_too_old = |most: u32| {
        let most = time::Duration::seconds(most.into());
        now - authenticated_at >= if fresh { most.max(READING) } else { most }
    };
    (request.prompt.login && !fresh) || request.max_age.is_some_and(is_too_old)
}

async fn consent_or_code(
    authority: &Authority,
    incoming: &Incoming,
    request: &AuthorizationRequest,
    person: Person<'_>,
    context: &ClientContext,
) -> Result<Step, Fault> {
    let client = &incoming.client;
    let mut connection = authority.db.connection().await?;
    let before = consent::find(&mut connection, person.user.id, client.id).await?;
    let missing = consent::missing(before.as_ref(), client, &request.scopes);
    let ask_anyway = request.prompt.consent
        || (authority.config.oauth.ask_native_apps_again && incoming.is_of_unproved_native_app());
    let declined = consent::declined(before.as_ref(), client);
    let wanted = request.scopes.without(&declined);
    let give = |scopes: &ScopeSet, consented_at| {
        issue_code(authority, incoming, request, scopes, person, consented_at).map(Step::Answer)
    };
    if let (Missing::Nothing, Some(before)) = (&missing, &before)
        && !ask_anyway
    {
        let now = authority.clock.now();
        if before.is_to_be_touched(now) {
            consent::touch(&mut connection, person.user.id, client.id, now).await?;
        }
        return give(&wanted, before.granted_at);
    }
    if client.first_party && !ask_anyway && !wanted.is_empty() {
        drop(connection);
        let Some(consented_at) = remember_first_party(authority, incoming, &wanted, person, context).await?
        else {
            return Ok(if request.prompt.none {
                let error = AuthorizationError::new(ErrorCode::LoginRequired, "the session has just ended");
                Step::Answer(incoming.reply.error(&error, &authority.issuer))
            } else {
                Step::SignIn
            });
        };
        return give(&wanted, consented_at);
    }
    if request.prompt.none {
        // A claim that cannot be had is left out, and is no error (OIDC Core §5.5.1).
        if let (Missing::Scopes(new), Some(before)) = (&missing, &before)
            && new.is_subset(&request.by_claims)
        {
            return give(&request.scopes.without(new), before.granted_at);
        }
        let error =
            AuthorizationError::new(ErrorCode::ConsentRequired, "the person has not allowed this yet");
        return Ok(Step::Answer(incoming.reply.error(&error, &authority.issuer)));
    }
    let ask = match &missing {
        Missing::Scopes(new) if !ask_anyway => new.clone(),
        Missing::Scopes(_) | Missing::Nothing | Missing::Everything => request.scopes.clone(),
    };
    let granted = request.scopes.without(&ask);
    Ok(Step::Consent(ConsentQuestion {
        ask,
        granted,
        declined,
        missing,
        was_connected: before.is_some(),
    }))
}

/// A client of the operator's own needs no page, but its consent is on record like any other, so that it is among
/// the connected apps and can be withdrawn. Returns when it was first given; none if the session has ended meanwhile.
async fn remember_first_party(
    authority: &Authority,
    incoming: &Incoming,
    scopes: &ScopeSet,
    person: Person<'_>,
    context: &ClientContext,
) -> Result<Option<OffsetDateTime>, Fault> {
    let now = authority.clock.now();
    let client = &incoming.client;
    let mut transaction = authority.db.begin().await?;
    if !identity::hold_session(&mut transaction, person.session.id).await? {
        return Ok(None);
    }
    let nothing = ScopeSet::default();
    let consented_at =
        consent::remember(&mut transaction, person.user.id, client, scopes, &nothing, now).await?;
    Record::done(
        now,
        Actor::System,
        Action::ConsentGranted,
        Subject::Client(client.id),
    )
    .account(client.account_id)
    .from(context)
    .detail("user", person.user.id.to_string())
    .detail("app", client.registration.name.as_str())
    .detail("scope", scopes.to_string())
    .detail("first_party", true)
    .write(&mut transaction)
    .await?;
    transaction.commit().await?;
    Ok(Some(consented_at))
}

/// Answers with a code for `scopes`, of the consent that was first given at `consented_at`.
pub(super) fn issue_code(
    authority: &Authority,
    incoming: &Incoming,
    request: &AuthorizationRequest,
    scopes: &ScopeSet,
    person: Person<'_>,
    consented_at: OffsetDateTime,
) -> Result<Answer, Fault> {
    let code = Code::issue(
        authority,
        Binding {
            client_id: incoming.client.id,
            user_id: person.user.id,
            session_id: person.session.id,
            redirect_uri: incoming.reply.redirect_uri.clone(),
            redirect_uri_was_sent: request.redirect_uri_was_sent,
            code_challenge: request.code_challenge,
            scopes: scopes.clone(),
            nonce: request.nonce.clone(),
            id_token_claims: request.id_token_claims.clone(),
            authenticated_at: person.session.authenticated_at,
            consented_at,
        },
    )?;
    Ok(incoming.reply.code(code, &authority.issuer))
}
