//! People: how they sign up, prove who they are, stay signed in and sign out; their addresses, passwords and
//! sessions.
//!
//! Offers [`http::Visitor`] to every page (who is asking, and are they signed in?), the acts of [`Identity`]
//! to the command line, and [`user`] to whoever must know that a person still stands.

mod act;
mod change;
mod change_email;
mod cleanup;
pub mod http;
mod invite;
mod invite_member;
mod known_browser;
mod letters;
mod links;
mod mail;
mod membership_mail;
mod model;
mod notifications;
mod pages;
mod password;
mod reset_password;
mod sessions;
mod sign_in;
mod sign_up;
mod store;
mod throttle;
mod verify_email;
pub mod views;

pub use act::Identity;
pub use change::ChangeError;
pub use change_email::Progress;
pub use invite::InviteError;
pub use invite_member::{InviteMemberError, JoinError, MemberInvitation};
pub use known_browser::KNOWN_FOR;
pub use mail::{Letter, Mailer};
pub use model::{EmailChange, Invitation, Link, LinkPurpose, Session, User};
pub use notifications::{Notification, notify};
pub use password::BadPassword;
pub use reset_password::{HeldByApps, Reset, ResetError};
pub use sessions::{ListedSession, Started};
pub use sign_in::SignInError;
pub use sign_up::{Created, NewUser, Problems, SignUpError};
pub use verify_email::LinkError;

use diesel_async::AsyncPgConnection;

use time::OffsetDateTime;

use crate::types::{Email, Fault, SessionId, UserId};

/// A person by id.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn user(connection: &AsyncPgConnection, id: UserId) -> Result<Option<User>, Fault> {
    store::user(connection, id).await
}

/// Those of these people who are there.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn users(connection: &mut AsyncPgConnection, ids: &[UserId]) -> Result<Vec<User>, Fault> {
    store::users(connection, ids).await
}

/// The person with that address.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn user_by_email(connection: &mut AsyncPgConnection, email: &Email) -> Result<Option<User>, Fault> {
    store::user_by_email(connection, email).await
}

/// Everybody who runs the server.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn operators(connection: &mut AsyncPgConnection) -> Result<Vec<User>, Fault> {
    store::operators(connection).await
}

/// Blocks a person and ends their sessions, in the caller's transaction. None if they were blocked already, or are not
/// there.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn block(
    connection: &mut AsyncPgConnection,
    id: UserId,
    at: OffsetDateTime,
) -> Result<Option<Vec<SessionId>>, Fault> {
    if !store::set_blocked(connection, id, Some(at)).await? {
        return Ok(None);
    }
    store::delete_sessions(connection, id, store::Which::All)
        .await
        .map(Some)
}

/// Holds a sign-in session against its end until the caller's transaction ends; false if it has ended. What is given to
/// an app in a session is given while holding it, so that whoever ends the session finds it, or has prevented it.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn hold_session(connection: &mut AsyncPgConnection, id: SessionId) -> Result<bool, Fault> {
    store::hold_session(connection, id).await
}

/// Lets a blocked person in again, in the caller's transaction; says whether they were blocked.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn unblock(connection: &mut AsyncPgConnection, id: UserId) -> Result<bool, Fault> {
    store::set_blocked(connection, id, None).await
}
