use std::str::FromStr;

use time::OffsetDateTime;

use crate::types::{AccountId, AppId, Email, LinkId, UserId};

/// Who owns apps and is billed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub name: String,
    /// Whether it was opened with a person, who is its one owner for good. Others may work in it, so that what somebody
    /// began alone need not be moved to be shared; but it stays theirs, because it stands and falls with them.
    pub personal: bool,
    /// Requests a month of all its API keys, where an operator said so.
    pub monthly_limit: Option<u64>,
    pub created_at: OffsetDateTime,
}

/// One integration of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    pub id: AppId,
    pub account_id: AccountId,
    pub name: String,
    pub created_at: OffsetDateTime,
}

/// An account as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    pub account: Account,
    pub role: Role,
}

/// Somebody in an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    pub user_id: UserId,
    pub role: Role,
    pub since: OffsetDateTime,
}

/// An invitation to an account that nobody has accepted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    pub id: LinkId,
    /// Whoever accepts it must have shown that this address is theirs.
    pub email: Email,
    pub role: Role,
    pub invited_by: UserId,
    pub sent_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
}

/// What somebody is in an account; each role may do all that the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Viewer,
    Developer,
    Admin,
    Owner,
}

/// Something that not everybody in an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Create and rename apps.
    WriteApps,
    /// Create and edit clients and their secrets.
    WriteClients,
    /// Create, rotate and revoke API keys, and say what those of an app may do.
    WriteKeys,
    /// Say where an app is told of events.
    WriteWebhooks,
    /// Delete apps and clients with all that came of them.
    Delete,
    /// Rename the account, invite members, change their roles, remove them.
    ManageMembers,
}

/// A word that is no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is owner, admin, developer or viewer")]
pub struct UnknownRole;

impl Role {
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Developer, Self::Admin, Self::Owner];

    /// Those that somebody can be invited to. Owners are made of members, who are known.
    pub const INVITED: [Self; 3] = [Self::Viewer, Self::Developer, Self::Admin];

    /// The name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    #[must_use]
    pub fn may(self, permission: Permission) -> bool {
        let least = match permission {
            Permission::WriteApps
            | Permission::WriteClients
            | Permission::WriteKeys
            | Permission::WriteWebhooks => Self::Developer,
            Permission::Delete | Permission::ManageMembers => Self::Admin,
        };
        self >= least
    }

    /// Whether this role may make a member of role `from` one of role `to`; none is not being a member. Nobody deals with
    /// what is above them, so nobody raises themselves, and only owners make owners or end them.
    #[must_use]
    pub fn may_change(self, from: Option<Self>, to: Option<Self>) -> bool {
        self.may(Permission::ManageMembers) && from.max(to) <= Some(self)
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::named(text).ok_or(UnknownRole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_its_name_says() {
        let may = |role: Role| {
            [
                Permission::WriteApps,
                Permission::WriteClients,
                Permission::WriteKeys,
                Permission::WriteWebhooks,
                Permission::Delete,
                Permission::ManageMembers,
            ]
            .into_iter()
            .filter(|permission| role.may(*permission))
            .count()
        };
        assert_eq!(Role::ALL.map(may), [0, 4, 6, 6]);
        assert!(
            Role::ALL
                .iter()
                .all(|role| Role::named(role.name()) == Some(*role))
        );
        assert_eq!("root".parse::<Role>(), Err(UnknownRole));
    }

    #[test]
    fn nobody_deals_with_what_is_above_them() {
        let roles = || Role::ALL.into_iter().map(Some).chain([None]);
        for own in Role::ALL {
            for (from, to) in roles().flat_map(|from| roles().map(move |to| (from, to))) {
                let may = own.may_change(from, to);
                let about_owners = [from, to].contains(&Some(Role::Owner));
                let expected = match own {
                    Role::Viewer | Role::Developer => false,
                    Role::Admin => !about_owners,
                    Role::Owner => true,
                };
                assert_eq!(may, expected, "{own:?}: {from:?} to {to:?}");
                assert!(!may || to <= Some(own), "{own:?} would be raised to {to:?}");
            }
        }
    }
}
