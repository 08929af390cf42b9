use std::time::Duration;

use time::OffsetDateTime;

use crate::{
    config::Lifetimes,
    types::{Email, SessionId, UserId},
};

/// A person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub email: Email,
    pub email_verified: bool,
    pub name: String,
    /// Whether this person runs the server: edits the scope catalogue, invites, blocks.
    pub operator: bool,
    /// Blocked people cannot sign in, and nothing that they hold is good.
    pub blocked: bool,
    pub created_at: OffsetDateTime,
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
