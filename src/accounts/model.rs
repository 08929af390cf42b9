use time::OffsetDateTime;

use crate::types::{AccountId, AppId};

/// Who owns apps and is billed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub name: String,
    /// Whether it was opened with a person and is theirs alone.
    pub personal: bool,
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
    /// Invite members, change their roles, remove them.
    ManageMembers,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Developer, Self::Admin, Self::Owner];

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
        assert_eq!(Role::named("root"), None);
    }
}
