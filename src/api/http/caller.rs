//! Who calls: an API key or an OAuth access token in the Authorization header, or, where a route says so, a session of the
//! dashboard. What a handler needs of its caller is in its type, so that none can forget to ask.

use std::{
    convert::Infallible,
    marker::PhantomData,
    ops::Deref,
    rc::Rc,
    sync::{Arc, LazyLock},
    time::Instant,
};

use actix_web::{
    Error, FromRequest, HttpMessage as _, HttpRequest,
    body::MessageBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::header,
    middleware::Next,
    web::Data,
};
use futures_util::future::LocalBoxFuture;

use super::answer::{ApiError, limit_headers};
use crate::{
    accounts,
    audit::{Actor, By},
    identity::{self, http::Visitor},
    keys::{Asker, Judgement, Keys, LiveKey, Reach, Seen, Wanted},
    oauth::{
        Authority,
        access_token::{self, AccessToken, Principal},
    },
    types::{AccountId, AppId, ClientContext, Fault, InvalidScope, ScopeSet, UserId},
    web::{Failure, RequestContext, form_decoded},
};

/// What a route needs of its caller.
pub(super) trait Needs: 'static {
    /// Whether a session of the dashboard may call it too.
    const SESSION: bool;

    /// What a key or a token must cover; empty is anything.
    fn scope() -> &'static Result<ScopeSet, InvalidScope>;
}

macro_rules! needs {
    ($($(#[doc = $doc:literal])+ $name:ident = $scope:literal, session: $session:literal;)+) => {$(
        $(#[doc = $doc])+
        pub(super) struct $name;

        impl Needs for $name {
            const SESSION: bool = $session;

            fn scope() -> &'static Result<ScopeSet, InvalidScope> {
                static SCOPE: LazyLock<Result<ScopeSet, InvalidScope>> = LazyLock::new(|| $scope.parse());
                &SCOPE
            }
        }
    )+};
}

needs! {
    /// To look at what everybody may see who may call at all.
    ToLook = "", session: true;
    /// To judge keys for others.
    ToVerifyKeys = "keys:verify", session: false;
    /// To report leaked credentials.
    ToReportLeaks = "leaks:report", session: false;
    /// To make, change and revoke keys.
    ToManageKeys = "keys:manage", session: true;
    /// To say where an app is told of events.
    ToManageWebhooks = "webhooks:manage", session: true;
}

/// Who they are.
enum Who {
    Key(Arc<LiveKey>),
    /// An access token, and how far it reaches.
    Token(AccessToken, Reach),
    Session(UserId),
}

/// Somebody who may call.
pub(super) struct Caller {
    who: Who,
    operator: bool,
    pub(super) context: Rc<ClientContext>,
    pub(super) keys: Data<Keys>,
    pub(super) authority: Data<Authority>,
}

impl Caller {
    pub(super) fn asker(&self) -> Asker<'_> {
        let (actor, reach) = match &self.who {
            Who::Key(key) => (Actor::Key(key.id), Reach::App(key.app_id)),
            Who::Token(token, reach) => {
                let actor = match token.principal {
                    Principal::User { user, .. } => Actor::User(user),
                    Principal::Client => Actor::Client(token.client_id),
                };
                (actor, *reach)
            }
            Who::Session(user) => (Actor::User(*user), Reach::Person(*user)),
        };
        Asker {
            by: By {
                actor,
                context: Some(&self.context),
                operator: self.operator,
            },
            reach,
        }
    }

    /// Two callers may choose the same `Idempotency-Key`.
    pub(super) fn name(&self) -> String {
        match &self.who {
            Who::Key(key) => key.id.to_string(),
            Who::Token(token, _) => format!("{}/{}", token.client_id, token.subject()),
            Who::Session(user) => user.to_string(),
        }
    }

    /// The app that a caller is bound to, where it is bound to one.
    pub(super) fn own_app(&self) -> Option<AppId> {
        match self.asker().reach {
            Reach::App(app) => Some(app),
            Reach::Person(_) | Reach::Everything => None,
        }
    }
}

impl From<Infallible> for ApiError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// A caller who may call this route, and what they brought along. A body is not looked at before it is known who sent it:
/// what is wrong with it must neither go before what is wrong with the caller, nor cut off what follows from that.
pub(super) struct Called<N, B = ()> {
    pub(super) caller: Caller,
    pub(super) body: B,
    _needs: PhantomData<N>,
}

impl<N> Deref for Called<N> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<N: Needs, B: FromRequest + 'static> FromRequest for Called<N, B>
where
    ApiError: From<B::Error>,
{
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let caller = caller(&request, N::scope(), N::SESSION).await?;
            Ok(Self {
                caller,
                body: B::from_request(&request, &mut payload).await?,
                _needs: PhantomData,
            })
        })
    }
}

fn data<T: 'static>(request: &HttpRequest) -> Result<Data<T>, Fault> {
    request
        .app_data::<Data<T>>()
        .cloned()
        .ok_or_else(|| Fault::internal("something is missing in the application's data"))
}

/// The context of a request whose address is known.
pub(super) fn context(request: &HttpRequest) -> Result<ClientContext, ApiError> {
    RequestContext::from_request(request, &mut Payload::None)
        .into_inner()
        .map(|context| context.0)
        .map_err(refused)
}

fn refused(failure: Failure) -> ApiError {
    match failure {
        Failure::Fault(fault) => ApiError::Fault(fault),
        other => ApiError::Fault(Fault::internal(other.to_string())),
    }
}

/// What stands behind `Bearer`; none for a header that is not there.
pub(super) fn bearer(request: &HttpRequest) -> Result<Option<&str>, ApiError> {
    let mut all = request.headers().get_all(header::AUTHORIZATION);
    let Some(first) = all.next() else {
        return Ok(None);
    };
    if all.next().is_some() {
        return Err(ApiError::InvalidCredential);
    }
    let text = first.to_str().map_err(|_cause| ApiError::InvalidCredential)?;
    let (scheme, credential) = text.split_once(' ').ok_or(ApiError::InvalidCredential)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(Some(credential.trim()))
    } else {
        Err(ApiError::InvalidCredential)
    }
}

/// The key in a query, if there is one: whatever its parameter is called, and whatever stands beside it.
pub(super) fn key_in_query(keys: &Keys, query: &str) -> Option<String> {
    query
        .split(['&', '='])
        .filter_map(|part| form_decoded(part.as_bytes()).ok())
        .find_map(|text| {
            let words = text.split_ascii_whitespace();
            words
                .last()
                .filter(|word| keys.formats.read(word).is_some())
                .map(str::to_owned)
        })
}

async fn caller(
    request: &HttpRequest,
    scope: &'static Result<ScopeSet, InvalidScope>,
    session: bool,
) -> Result<Caller, ApiError> {
    let keys: Data<Keys> = data(request)?;
    let authority: Data<Authority> = data(request)?;
    let context = Rc::new(context(request)?);
    if let Some(key) = key_in_query(&keys, request.query_string()) {
        let path = keys.formats.before_keys(request.path());
        Box::pin(keys.sent_in_query(&key, path, &context)).await?;
        return Err(ApiError::KeyInQuery);
    }
    let required = scope.as_ref().map_err(Fault::internal)?;
    let Some(credential) = bearer(request)? else {
        if !session {
            return Err(ApiError::NoCredential);
        }
        let visitor = Box::pin(Visitor::of(request)).await.map_err(refused)?;
        let user = Box::pin(by_session(request, visitor, &keys)).await?;
        return Ok(Caller {
            who: Who::Session(user.0),
            operator: user.1,
            context,
            keys,
            authority,
        });
    };
    if keys.formats.begins(credential) {
        let wanted = Wanted {
            scope: Some(required).filter(|scope| !scope.is_empty()),
            environment: None,
            address: Some(context.address),
            cost: 1,
        };
        let judgement = keys.judge(credential, wanted).await?;
        let key = judgement.key.clone();
        let refusal = judgement.result.as_ref().err().cloned();
        request.extensions_mut().insert(Judged {
            judgement,
            required,
            context: context.clone(),
        });
        if let Some(refusal) = refusal {
            return Err(refusal.into());
        }
        return Ok(Caller {
            who: Who::Key(key.ok_or(ApiError::InvalidCredential)?),
            operator: false,
            context,
            keys,
            authority,
        });
    }
    let token = Box::pin(access_token::inspect(&authority, credential))
        .await?
        .ok_or(ApiError::InvalidCredential)?;
    if let Some(missing) = token.lacks(required) {
        return Err(ApiError::InsufficientScope(missing.clone()));
    }
    let (reach, operator) = Box::pin(reach_of(&authority, &token)).await?;
    Ok(Caller {
        who: Who::Token(token, reach),
        operator,
        context,
        keys,
        authority,
    })
}

/// How far an access token reaches: as far as its person does, or the app of its client.
async fn reach_of(authority: &Authority, token: &AccessToken) -> Result<(Reach, bool), ApiError> {
    match token.principal {
        Principal::User { user, .. } => {
            let connection = authority.db.connection().await?;
            let person = identity::user(&connection, user)
                .await?
                .ok_or(ApiError::InvalidCredential)?;
            if !person.email_verified {
                return Err(ApiError::AddressUnverified);
            }
            // What operators may do beyond others, no app does in their name.
            Ok((Reach::Person(user), false))
        }
        Principal::Client => {
            let client = authority
                .clients
                .get(token.client_id)
                .await?
                .ok_or(ApiError::InvalidCredential)?;
            Ok((Reach::App(client.app_id), false))
        }
    }
}

/// Who is signed in at the dashboard, if they may call: with a form's token unless they only look, and with a live key on
/// one of their accounts.
async fn by_session(
    request: &HttpRequest,
    visitor: Visitor,
    keys: &Keys,
) -> Result<(UserId, bool), ApiError> {
    let Some(signed_in) = &visitor.signed_in else {
        return Err(ApiError::NoCredential);
    };
    let user = signed_in.user.clone();
    if !request.method().is_safe() {
        let token = request
            .headers()
            .get("x-csrf-token")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if !visitor.was_given(token).map_err(refused)? {
            return Err(ApiError::Csrf);
        }
    }
    if !user.email_verified {
        return Err(ApiError::AddressUnverified);
    }
    let accounts: Vec<AccountId> = accounts::memberships_of(&mut *keys.db.connection().await?, user.id)
        .await?
        .into_iter()
        .map(|membership| membership.account.id)
        .collect();
    if !keys.has_usable(&accounts).await? {
        return Err(ApiError::NoLiveKey);
    }
    Ok((user.id, user.operator))
}

/// Left in a request's extensions for [`account_for`].
pub(super) struct Judged {
    pub(super) judgement: Judgement,
    pub(super) required: &'static ScopeSet,
    pub(super) context: Rc<ClientContext>,
}

/// Counts each request for the owner of the key that it came with, and tells the caller how its limits stand.
#[allow(clippy::disallowed_methods, reason = "measures how long the answer took")]
pub(super) async fn account_for(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let started = Instant::now();
    let mut response = next.call(request).await?;
    let judged = response.request().extensions_mut().remove::<Judged>();
    let Some(judged) = judged else {
        return Ok(response);
    };
    if let Ok(standing) = &judged.judgement.result {
        for (name, value) in limit_headers(standing) {
            response.headers_mut().insert(name, value);
        }
    }
    if let Some(keys) = response.request().app_data::<Data<Keys>>() {
        let route = response.request().match_pattern();
        let wanted = Wanted {
            scope: Some(judged.required).filter(|scope| !scope.is_empty()),
            environment: None,
            address: Some(judged.context.address),
            cost: 1,
        };
        let seen = Seen {
            route: route.as_deref().unwrap_or_else(|| response.request().path()),
            status: response.status().as_u16(),
            user_agent: &judged.context.user_agent,
            latency: started.elapsed(),
            request_id: &judged.context.request_id,
        };
        keys.count(&judged.judgement, wanted, seen);
    }
    Ok(response)
}
