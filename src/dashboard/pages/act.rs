//! Somebody at an app, or at one of its clients or keys, and how far they may go there; see [`super::visit`].

use std::ops::Deref;

use actix_web::{HttpRequest, HttpResponse, web::Data};

pub(super) use super::visit::ToView;
use super::{
    views,
    visit::{Act, Needs, Place, View},
};
use crate::{
    accounts::{self, App, Permission, Role},
    audit::{Actor, By},
    identity::http::Visitor,
    keys::{ApiKey, Asker, Keys, Reach},
    oauth::{
        Authority,
        clients::{self, Client},
    },
    types::{ApiKeyId, AppId, ClientId, Fault, UserId},
    web::{Failure, News},
};

macro_rules! needs {
    ($($name:ident = $met:expr;)+) => {
        $(pub(super) struct $name;

        impl Needs<Seen> for $name {
            fn met(seen: &Seen) -> bool {
                let met: fn(&Seen) -> bool = $met;
                met(seen)
            }
        })+
    };
}

needs! {
    ToWriteApps = |seen| seen.may(Permission::WriteApps);
    ToWriteClients = |seen| seen.may(Permission::WriteClients);
    ToWriteWebhooks = |seen| seen.may(Permission::WriteWebhooks);
    ToWriteKeys = |seen| seen.may(Permission::WriteKeys);
    ToGovernKeys = |seen| seen.may_govern_keys();
    ToDelete = |seen| seen.may(Permission::Delete);
    ToOperate = |seen| seen.operator;
}

pub(super) type AppView<N> = View<AtApp, N>;
pub(super) type AppAct<N> = Act<AtApp, N>;
pub(super) type ClientView<N> = View<AtClient, N>;
pub(super) type ClientAct<N> = Act<AtClient, N>;
pub(super) type KeyView<N> = View<AtKey, N>;
pub(super) type KeyAct<N> = Act<AtKey, N>;

/// An app that the visitor may see.
pub(super) struct Seen {
    pub(super) user: UserId,
    /// Whether the visitor also runs the server.
    pub(super) operator: bool,
    pub(super) app: App,
    /// What the visitor is in its account; an operator who is none of its members looks at it all the same.
    pub(super) role: Option<Role>,
}

impl Seen {
    pub(super) fn may(&self, permission: Permission) -> bool {
        self.role.is_some_and(|role| role.may(permission))
    }

    /// Whoever runs the server may too: they contain what has leaked, whosever it is, and some scopes only they grant.
    pub(super) fn may_govern_keys(&self) -> bool {
        self.operator || self.may(Permission::WriteKeys)
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
    pub(super) keys: Data<Keys>,
    pub(super) visitor: Visitor,
    pub(super) seen: Seen,
}

impl AtApp {
    pub(super) fn by(&self) -> By<'_> {
        By {
            actor: Actor::User(self.seen.user),
            context: Some(&self.visitor.context),
            operator: self.seen.operator,
        }
    }

    /// Who asks for an act on keys. An operator's role in the account takes nothing from what they may do without one.
    pub(super) fn asker(&self) -> Asker<'_> {
        let by_role = self.seen.may(Permission::WriteKeys) || !self.seen.operator;
        Asker {
            by: self.by(),
            reach: if by_role {
                Reach::Person(self.seen.user)
            } else {
                Reach::Everything
            },
        }
    }
}

impl Place for AtApp {
    type Standing = Seen;

    async fn of(request: &HttpRequest, visitor: Visitor) -> Result<Self, Failure> {
        let user = &visitor.require(request)?.user;
        let authority: Data<Authority> = data(request)?;
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
            app,
            role,
        };
        Ok(Self {
            authority,
            keys: data(request)?,
            visitor,
            seen,
        })
    }

    fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    fn standing(&self) -> &Seen {
        &self.seen
    }
}

/// Somebody at a client of it.
pub(super) struct AtClient {
    at: AtApp,
    pub(super) client: Client,
}

impl AtClient {
    pub(super) fn path(&self) -> String {
        format!("{}/clients/{}", self.seen.path(), self.client.id)
    }

    /// On to the client's page, which says what was done.
    pub(super) fn back(&self, news: News) -> HttpResponse {
        news.on(&self.path())
    }
}

/// Somebody at a key of it.
pub(super) struct AtKey {
    at: AtApp,
    pub(super) key: ApiKey,
}

impl AtKey {
    pub(super) fn path(&self) -> String {
        self.path_of(self.key.id)
    }

    pub(super) fn path_of(&self, key: ApiKeyId) -> String {
        format!("{}/keys/{key}", self.seen.path())
    }

    /// On to the key's page, which says what was done.
    pub(super) fn back(&self, news: News) -> HttpResponse {
        news.on(&self.path())
    }
}

macro_rules! in_an_app {
    ($($name:ident: $of:ident;)+) => {
        $(impl Deref for $name {
            type Target = AtApp;

            fn deref(&self) -> &AtApp {
                &self.at
            }
        }

        impl Place for $name {
            type Standing = Seen;

            async fn of(request: &HttpRequest, visitor: Visitor) -> Result<Self, Failure> {
                $of(request, AtApp::of(request, visitor).await?).await
            }

            fn visitor(&self) -> &Visitor {
                &self.at.visitor
            }

            fn standing(&self) -> &Seen {
                &self.at.seen
            }
        })+
    };
}

in_an_app! {
    AtClient: client_of;
    AtKey: key_of;
}

async fn client_of(request: &HttpRequest, at: AtApp) -> Result<AtClient, Failure> {
    let id: ClientId = part(request, "client")?.parse().or(Err(Failure::NotFound))?;
    let client = clients::client(&mut *at.authority.db.connection().await?, id)
        .await?
        .filter(|client| client.app_id == at.seen.app.id)
        .ok_or(Failure::NotFound)?;
    Ok(AtClient { at, client })
}

async fn key_of(request: &HttpRequest, at: AtApp) -> Result<AtKey, Failure> {
    let id: ApiKeyId = part(request, "key")?.parse().or(Err(Failure::NotFound))?;
    let key = at.keys.key(id, at.asker()).await.map_err(super::keys::refused)?;
    if key.app_id != Some(at.seen.app.id) {
        return Err(Failure::NotFound);
    }
    Ok(AtKey { at, key })
}

fn data<T: 'static>(request: &HttpRequest) -> Result<Data<T>, Fault> {
    let found = request.app_data::<Data<T>>().cloned();
    found.ok_or_else(|| Fault::internal("the application's data lacks a capability"))
}

fn part<'r>(request: &'r HttpRequest, name: &str) -> Result<&'r str, Failure> {
    request.match_info().get(name).ok_or(Failure::NotFound)
}
