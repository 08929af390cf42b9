//! Somebody at an account, and how far they may go there; see [`super::visit`].

use actix_web::{HttpRequest, web::Data};

pub(super) use super::visit::ToView;
use super::visit::{Act, Needs, Place, View};
use crate::{
    accounts::{self, Account, Permission, Role},
    audit::{Actor, By},
    identity::{Identity, User, http::Visitor},
    types::{AccountId, Fault},
    web::Failure,
};

pub(super) type AccountView<N> = View<AtAccount, N>;
pub(super) type AccountAct<N> = Act<AtAccount, N>;

/// To say who belongs to it, and what it is called.
pub(super) struct ToManage;
/// To end one's own part in it.
pub(super) struct ToBelong;
/// To give it away or close it.
pub(super) struct ToOwn;

impl Needs<AtAccount> for ToManage {
    fn met(at: &AtAccount) -> bool {
        at.role.is_some_and(|role| role.may(Permission::ManageMembers))
    }
}

impl Needs<AtAccount> for ToBelong {
    fn met(at: &AtAccount) -> bool {
        at.role.is_some()
    }
}

impl Needs<AtAccount> for ToOwn {
    fn met(at: &AtAccount) -> bool {
        at.role == Some(Role::Owner)
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

impl Place for AtAccount {
    type Standing = Self;

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

    fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    fn standing(&self) -> &Self {
        self
    }
}
