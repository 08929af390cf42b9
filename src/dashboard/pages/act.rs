//! What handlers of an app or a client take: whoever asks, what they may see, and the form that they sent. What a handler
//! needs of its caller is in its type, so that none can forget to ask: what is not the visitor's to see does not exist
//! for them, and what their role does not reach is refused before the handler runs.

use std::{marker::PhantomData, ops::Deref};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, web::Data};
use futures_util::future::LocalBoxFuture;

use super::views;
use crate::{
    accounts::{self, App, Permission, Role},
    audit::{Actor, By},
    identity::http::{Posted, Sent, SignedPost, Visitor},
    oauth::{
        Authority,
        clients::{self, Client},
    },
    types::{AppId, ClientId, Fault, UserId},
    web::{Failure, News, Parameters},
};

/// What a handler needs of its caller.
pub(super) trait Needs: 'static {
    /// Whether it goes beyond looking: then the visitor's address must be known to be theirs.
    const CHANGES: bool = true;

    fn met(seen: &Seen) -> bool;
}

macro_rules! needs {
    ($($name:ident = $met:expr;)+) => {
        $(pub(super) struct $name;

        impl Needs for $name {
            fn met(seen: &Seen) -> bool {
                let met: fn(&Seen) -> bool = $met;
                met(seen)
            }
        })+
    };
}

/// To see it, as whoever gets so far does.
pub(super) struct ToView;

impl Needs for ToView {
    const CHANGES: bool = false;

    fn met(_: &Seen) -> bool {
        true
    }
}

needs! {
    ToWriteApps = |seen| seen.may(Permission::WriteApps);
    ToWriteClients = |seen| seen.may(Permission::WriteClients);
    ToWriteWebhooks = |seen| seen.may(Permission::WriteWebhooks);
    ToDelete = |seen| seen.may(Permission::Delete);
    ToOperate = |seen| seen.operator;
}

/// An app that the visitor may see.
pub(super) struct Seen {
    pub(super) user: UserId,
    /// Whether the visitor also runs the server.
    pub(super) operator: bool,
    /// Whether somebody has shown that the visitor's address is theirs.
    verified: bool,
    pub(super) app: App,
    /// What the visitor is in its account; an operator who is none of its members looks at it all the same.
    pub(super) role: Option<Role>,
}

impl Seen {
    pub(super) fn may(&self, permission: Permission) -> bool {
        self.role.is_some_and(|role| role.may(permission))
    }

    pub(super) fn path(&self) -> String {
        format!("/apps/{}", self.app.id)
    }

    pub(super) fn app_ref(&self) -> views::AppRef {
        views::AppRef {
            id: self.app.id.to_string(),
            name: self.app.name.clone(),
        }
    }
}

/// Somebody at an app that they may see.
pub(super) struct AtApp {
    pub(super) authority: Data<Authority>,
    pub(super) visitor: Visitor,
    pub(super) seen: Seen,
}

impl AtApp {
    /// # Errors
    ///
    /// [`Failure::SignInNeeded`], or [`Failure::NotFound`] for what is not there or not the visitor's to see.
    async fn of(request: &HttpRequest, visitor: Visitor) -> Result<Self, Failure> {
        let user = &visitor.require(request)?.user;
        let authority = request
            .app_data::<Data<Authority>>()
            .cloned()
            .ok_or_else(|| Fault::internal("no authority in the application's data"))?;
        let id: AppId = part(request, "app")?.parse().or(Err(Failure::NotFound))?;
        let mut connection = authority.db.connection().await?;
        let (app, role) = match accounts::app_seen_by(&mut connection, user.id, id).await? {
            Some((app, role)) => (app, Some(role)),
            None if user.operator => {
                let app = accounts::app(&mut connection, id).await?;
                (app.ok_or(Failure::NotFound)?, None)
            }
            None => return Err(Failure::NotFound),
        };
        drop(connection);
        let seen = Seen {
            user: user.id,
            operator: user.operator,
            verified: user.email_verified,
            app,
            role,
        };
        Ok(Self {
            authority,
            visitor,
            seen,
        })
    }

    pub(super) fn by(&self) -> By<'_> {
        By {
            actor: Actor::User(self.seen.user),
            context: Some(&self.visitor.context),
            operator: self.seen.operator,
        }
    }
}

/// Somebody at a client of it.
pub(super) struct AtClient {
    at: AtApp,
    pub(super) client: Client,
}

impl AtClient {
    async fn of(request: &HttpRequest, at: AtApp) -> Result<Self, Failure> {
        let id: ClientId = part(request, "client")?.parse().or(Err(Failure::NotFound))?;
        let client = clients::client(&mut *at.authority.db.connection().await?, id)
            .await?
            .filter(|client| client.app_id == at.seen.app.id)
            .ok_or(Failure::NotFound)?;
        Ok(Self { at, client })
    }

    pub(super) fn path(&self) -> String {
        format!("{}/clients/{}", self.seen.path(), self.client.id)
    }

    /// On to the client's page, which says what was done.
    pub(super) fn back(&self, news: News) -> HttpResponse {
        news.on(&self.path())
    }
}

impl Deref for AtClient {
    type Target = AtApp;

    fn deref(&self) -> &AtApp {
        &self.at
    }
}

fn part<'r>(request: &'r HttpRequest, name: &str) -> Result<&'r str, Failure> {
    request.match_info().get(name).ok_or(Failure::NotFound)
}

fn check<N: Needs>(seen: &Seen) -> Result<PhantomData<N>, Failure> {
    if !N::met(seen) {
        Err(Failure::Forbidden)
    } else if N::CHANGES && !seen.verified {
        // The account may turn out to be another's, who must find nothing planted.
        Err(Failure::AddressUnverified)
    } else {
        Ok(PhantomData)
    }
}

/// A page of an app is asked for.
pub(super) struct AppView<N> {
    at: AtApp,
    _needs: PhantomData<N>,
}

/// A page of a client is asked for.
pub(super) struct ClientView<N> {
    at: AtClient,
    _needs: PhantomData<N>,
}

/// A form of an app's page was sent.
pub(super) struct AppAct<N> {
    pub(super) form: Parameters,
    at: AtApp,
    _needs: PhantomData<N>,
}

/// A form of a client's page was sent.
pub(super) struct ClientAct<N> {
    pub(super) form: Parameters,
    at: AtClient,
    _needs: PhantomData<N>,
}

impl<N: Needs> ClientAct<N> {
    /// Of a form that was read already.
    pub(super) async fn of(request: &HttpRequest, sent: Sent) -> Result<Self, Failure> {
        let Posted { visitor, form } = SignedPost::of(sent, request)?.into();
        let at = AtClient::of(request, AtApp::of(request, visitor).await?).await?;
        let needs = check(&at.seen)?;
        Ok(Self {
            form,
            at,
            _needs: needs,
        })
    }
}

macro_rules! derefs {
    ($($name:ident to $target:ident;)+) => {
        $(impl<N> Deref for $name<N> {
            type Target = $target;

            fn deref(&self) -> &$target {
                &self.at
            }
        })+
    };
}

derefs! {
    AppView to AtApp;
    ClientView to AtClient;
    AppAct to AtApp;
    ClientAct to AtClient;
}

impl<N: Needs> FromRequest for AppView<N> {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let visitor = Visitor::of(&request).await?;
            let at = AtApp::of(&request, visitor).await?;
            let needs = check(&at.seen)?;
            Ok(Self { at, _needs: needs })
        })
    }
}

impl<N: Needs> FromRequest for ClientView<N> {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let visitor = Visitor::of(&request).await?;
            let at = AtClient::of(&request, AtApp::of(&request, visitor).await?).await?;
            let needs = check(&at.seen)?;
            Ok(Self { at, _needs: needs })
        })
    }
}

impl<N: Needs> FromRequest for AppAct<N> {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let post = SignedPost::from_request(&request, &mut payload).await?;
            let Posted { visitor, form } = post.into();
            let at = AtApp::of(&request, visitor).await?;
            let needs = check(&at.seen)?;
            Ok(Self {
                form,
                at,
                _needs: needs,
            })
        })
    }
}

impl<N: Needs> FromRequest for ClientAct<N> {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let sent = Sent::from_request(&request, &mut payload).await?;
            Self::of(&request, sent).await
        })
    }
}
