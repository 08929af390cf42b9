//! What handlers of an account take, as [`super::act`] has it for apps: whoever asks, what they are in the account, and the
//! form that they sent.

use std::{marker::PhantomData, ops::Deref};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Data};
use futures_util::future::LocalBoxFuture;

use crate::{
    accounts::{self, Account, Permission, Role},
    audit::{Actor, By},
    identity::{
        Identity, User,
        http::{Posted, SignedPost, Visitor},
    },
    types::{AccountId, Fault},
    web::{Failure, Parameters},
};

/// What a handler needs of its caller.
pub(super) trait Needs: 'static {
    /// Whether it goes beyond looking: then the visitor's address must be known to be theirs.
    const CHANGES: bool = true;

    fn met(role: Option<Role>) -> bool;
}

/// To see it, as whoever gets so far does.
pub(super) struct ToLook;
/// To say who belongs to it, and what it is called.
pub(super) struct ToManage;
/// To end one's own part in it.
pub(super) struct ToBelong;
/// To give it away or close it.
pub(super) struct ToOwn;

impl Needs for ToLook {
    const CHANGES: bool = false;

    fn met(_: Option<Role>) -> bool {
        true
    }
}

impl Needs for ToManage {
    fn met(role: Option<Role>) -> bool {
        role.is_some_and(|role| role.may(Permission::ManageMembers))
    }
}

impl Needs for ToBelong {
    fn met(role: Option<Role>) -> bool {
        role.is_some()
    }
}

impl Needs for ToOwn {
    fn met(role: Option<Role>) -> bool {
        role == Some(Role::Owner)
    }
}

/// Somebody at an account that they may see.
pub(super) struct AtAccount {
    pub(super) identity: Data<Identity>,
    pub(super) visitor: Visitor,
    pub(super) user: User,
    pub(super) account: Account,
    /// What the visitor is in it; an operator who is none of its members looks at it all the same.
    pub(super) role: Option<Role>,
}

impl AtAccount {
    async fn of(request: &HttpRequest, visitor: Visitor) -> Result<Self, Failure> {
        let user = visitor.require(request)?.user.clone();
        let identity = request
            .app_data::<Data<Identity>>()
            .cloned()
            .ok_or_else(|| Fault::internal("no identity in the application's data"))?;
        let id = request.match_info().get("account").ok_or(Failure::NotFound)?;
        let id: AccountId = id.parse().or(Err(Failure::NotFound))?;
        let mut connection = identity.db.connection().await?;
        let role = accounts::role_in(&mut connection, id, user.id).await?;
        if role.is_none() && !user.operator {
            return Err(Failure::NotFound);
        }
        let account = accounts::account(&mut connection, id)
            .await?
            .ok_or(Failure::NotFound)?;
        drop(connection);
        Ok(Self {
            identity,
            visitor,
            user,
            account,
            role,
        })
    }

    fn check<N: Needs>(&self) -> Result<PhantomData<N>, Failure> {
        if !N::met(self.role) {
            Err(Failure::Forbidden)
        } else if N::CHANGES && !self.user.email_verified {
            Err(Failure::AddressUnverified)
        } else {
            Ok(PhantomData)
        }
    }

    pub(super) fn path(&self) -> String {
        format!("/accounts/{}", self.account.id)
    }

    pub(super) fn by(&self) -> By<'_> {
        By {
            actor: Actor::User(self.user.id),
            context: Some(&self.visitor.context),
            operator: self.user.operator,
        }
    }
}

/// A page of an account is asked for.
pub(super) struct AccountView<N> {
    at: AtAccount,
    _needs: PhantomData<N>,
}

/// A form of an account's page was sent.
pub(super) struct AccountAct<N> {
    pub(super) form: Parameters,
    at: AtAccount,
    _needs: PhantomData<N>,
}

impl<N> Deref for AccountView<N> {
    type Target = AtAccount;

    fn deref(&self) -> &AtAccount {
        &self.at
    }
}

impl<N> Deref for AccountAct<N> {
    type Target = AtAccount;

    fn deref(&self) -> &AtAccount {
        &self.at
    }
}

impl<N: Needs> FromRequest for AccountView<N> {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let visitor = Visitor::of(&request).await?;
            let at = AtAccount::of(&request, visitor).await?;
            let needs = at.check()?;
            Ok(Self { at, _needs: needs })
        })
    }
}

impl<N: Needs> FromRequest for AccountAct<N> {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let post = SignedPost::from_request(&request, &mut payload).await?;
            let Posted { visitor, form } = post.into();
            let at = AtAccount::of(&request, visitor).await?;
            let needs = at.check()?;
            Ok(Self {
                form,
                at,
                _needs: needs,
            })
        })
    }
}
