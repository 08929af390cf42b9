use std::time::Duration;

use time::OffsetDateTime;

use crate::{
    config::Lifetimes,
    types::{AccountId, Email, LinkId, SessionId, UserId},
};

/// A person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub email: Email,
    pub email_verified: bool,
    pub name: String,
    /// When the password came to be what it is: what was remembered of an earlier one counts no more.
    pub password_set_at: OffsetDateTime,
    /// Whether this person runs the server: edits the scope catalogue, invites, blocks.
    pub operator: bool,
    /// Blocked people cannot sign in, and nothing that they hold is good.
    pub blocked: bool,
    pub created_at: OffsetDateTime,
}

/// What a one-time link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPurpose {
    /// `/verify-email`
    VerifyEmail,
    /// `/reset-password`
    ResetPassword,
    /// `/account/email/confirm`, from the address that is left.
    ConfirmOldEmail,
    /// `/account/email/confirm`, from the new address.
    ConfirmNewEmail,
    /// `/setup`
    FirstOperator,
    /// `/sign-up`
    Invitation,
}

impl LinkPurpose {
    /// The name in the database.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::ConfirmOldEmail => "confirm_old_email",
            Self::ConfirmNewEmail => "confirm_new_email",
            Self::FirstOperator => "first_operator",
            Self::Invitation => "invitation",
        }
    }

    /// The page that the link opens.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::VerifyEmail => "/verify-email",
            Self::ResetPassword => "/reset-password",
            Self::ConfirmOldEmail | Self::ConfirmNewEmail => "/account/email/confirm",
            Self::FirstOperator => "/setup",
            Self::Invitation => "/sign-up",
        }
    }
}

/// A one-time link, as far as it is at rest: not its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub user_id: Option<UserId>,
    /// The address in question, where there is one.
    pub email: Option<Email>,
}

/// An invitation that nobody has used yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    pub id: LinkId,
    pub email: Email,
    pub sent_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
}

/// A change of address under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailChange {
    pub new_email: Email,
    pub old_confirmed: bool,
    pub new_confirmed: bool,
    pub expires_at: OffsetDateTime,
}

/// A person as sign-in needs them: with what their password is checked against.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) user: User,
    pub(super) password_hash: String,
    pub(super) account_id: Option<AccountId>,
}

/// One browser in which a person is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user_id: UserId,
    /// When the password was last given in it; `auth_time` in ID tokens.
    pub authenticated_at: OffsetDateTime,
    pub last_seen_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
}

impl Session {
    /// How often a session in use is written to: rarely, or every page would be a write.
    const TOUCH_INTERVAL: Duration = Duration::from_mins(5);

    /// When a session ends that was begun and is used now, unless it is used again.
    pub(super) fn expiry(
        lifetimes: &Lifetimes,
        authenticated_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> OffsetDateTime {
        (now + lifetimes.session.duration()).min(authenticated_at + lifetimes.session_absolute.duration())
    }

    /// Whether it is time to write down that the session is in use. Where sessions are short, that is
    /// oftener, so that none ends under the hands of whoever uses it.
    pub(super) fn is_to_be_touched(&self, lifetimes: &Lifetimes, now: OffsetDateTime) -> bool {
        let interval = Self::TOUCH_INTERVAL.min(lifetimes.session.duration() / 10);
        now - self.last_seen_at >= interval
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::config::Config;

    #[test]
    fn a_session_slides_up_to_its_absolute_end() {
        let lifetimes = Config::default().lifetimes;
        let start = datetime!(2026-01-01 00:00 UTC);
        let day = time::Duration::DAY;
        assert_eq!(Session::expiry(&lifetimes, start, start), start + 14 * day);
        assert_eq!(
            Session::expiry(&lifetimes, start, start + 80 * day),
            start + 90 * day
        );
    }
}
