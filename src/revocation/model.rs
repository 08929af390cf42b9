use time::OffsetDateTime;
use uuid::Uuid;

use crate::types::{ApiKeyId, AppId, ClientId, GrantId, SessionId, TokenId, UserId};

/// What can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// One access token.
    Token(TokenId),
    /// A grant with every token that came of it.
    Grant(GrantId),
    /// A sign-in session.
    Session(SessionId),
    /// A person who was blocked or deleted.
    User(UserId),
    /// A client that was changed, disabled or deleted.
    Client(ClientId),
    /// An API key that was revoked, or reads otherwise now.
    ApiKey(ApiKeyId),
    /// An app whose keys may do something else now.
    App(AppId),
}

impl Subject {
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Grant(_) => "grant",
            Self::Session(_) => "session",
            Self::User(_) => "user",
            Self::Client(_) => "client",
            Self::ApiKey(_) => "api_key",
            Self::App(_) => "app",
        }
    }

    pub(super) fn id(self) -> String {
        match self {
            Self::Token(id) => id.to_string(),
            Self::Grant(id) => id.to_string(),
            Self::Session(id) => id.to_string(),
            Self::User(id) => id.to_string(),
            Self::Client(id) => id.to_string(),
            Self::ApiKey(id) => id.to_string(),
            Self::App(id) => id.to_string(),
        }
    }

    pub(super) const fn uuid(self) -> Uuid {
        match self {
            Self::Token(id) => id.uuid(),
            Self::Grant(id) => id.uuid(),
            Self::Session(id) => id.uuid(),
            Self::User(id) => id.uuid(),
            Self::Client(id) => id.uuid(),
            Self::ApiKey(id) => id.uuid(),
            Self::App(id) => id.uuid(),
        }
    }
}

/// Why. For whoever reads the log; no rule depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The client asked for it (RFC 7009).
    ClientRequest,
    /// A used code or refresh token was presented again.
    Replay,
    /// The person disconnected the app or ended one of its sessions.
    Withdrawn,
    /// The person signed out, here or by the list of sessions.
    SignedOut,
    /// A new password ended what the old one began.
    PasswordChanged,
    /// It was given before anybody had proved that the person's address is theirs.
    Disowned,
    /// An operator blocked the person.
    Blocked,
    /// An operator, or its owner, switched the client off.
    Disabled,
    /// It is gone.
    Deleted,
    /// Its owner took it back.
    Revoked,
    /// Somebody found it where it should not be.
    Leaked,
    /// It reads otherwise now: cached copies are stale.
    Changed,
}

impl Reason {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ClientRequest => "client_request",
            Self::Replay => "replay",
            Self::Withdrawn => "withdrawn",
            Self::SignedOut => "signed_out",
            Self::PasswordChanged => "password_changed",
            Self::Disowned => "disowned",
            Self::Blocked => "blocked",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
            Self::Revoked => "revoked",
            Self::Leaked => "leaked",
            Self::Changed => "changed",
        }
    }
}

/// One entry of the log, before it has its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    pub subject: Subject,
    pub reason: Reason,
    /// When nothing that it takes back can be alive any more by this node's configuration; until then, and for as long
    /// as any node's asks for, [`View::is_revoked`] says yes.
    ///
    /// Where the subject itself can come back (a person unblocked, a client enabled again) or goes on
    /// (a client changed), this is the time of the act: every node drops its cached copies, and what the
    /// subject holds is taken back by name, grant by grant.
    ///
    /// [`View::is_revoked`]: super::View::is_revoked
    pub until: OffsetDateTime,
}

/// What a hook is told about the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied<'a> {
    /// This entry is in force here from now on. The same entry may be told more than once.
    Entry(&'a Subject),
    /// Entries were removed from the log before this node read them, because it was away for long. What
    /// they took back has expired since, but cached copies of anything may be stale: drop them all.
    Gap,
}

/// An entry as it is read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) sequence: i64,
    /// None: of a kind that a newer version of the server writes and this one holds nothing of.
    pub(super) subject: Option<Subject>,
    pub(super) until: OffsetDateTime,
}

/// A node that has not reported the sequence that a revoker waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Behind {
    pub(super) node: crate::types::NodeId,
    pub(super) lease: std::time::Duration,
    pub(super) lease_until: OffsetDateTime,
}
