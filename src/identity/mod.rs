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
mod letters;
mod links;
mod mail;
mod model;
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
pub use mail::{Letter, Mailer};
pub use model::{EmailChange, Link, LinkPurpose, Session, User};
pub use password::BadPassword;
pub use reset_password::ResetError;
pub use sessions::{ListedSession, Started};
pub use sign_in::SignInError;
pub use sign_up::{Created, NewUser, Problems, SignUpError};
pub use verify_email::LinkError;

use diesel_async::AsyncPgConnection;

use crate::types::{Email, Fault, UserId};

/// A person by id.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn user(connection: &mut AsyncPgConnection, id: UserId) -> Result<Option<User>, Fault> {
    store::user(connection, id).await
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
