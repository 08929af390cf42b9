//! People: how they sign up, prove who they are, stay signed in and sign out; their addresses, passwords and
//! sessions.
//!
//! Offers [`http::Visitor`] to every page (who is asking, and are they signed in?), the acts of [`Identity`]
//! to the command line, and [`user`] to whoever must know that a person still stands.

mod act;
pub mod http;
mod mail;
mod model;
mod store;
pub mod views;

pub use act::Identity;
pub use mail::{Letter, Mailer};
pub use model::{Session, User};

use diesel_async::AsyncPgConnection;

use crate::types::{Fault, UserId};

/// A person by id.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn user(connection: &mut AsyncPgConnection, id: UserId) -> Result<Option<User>, Fault> {
    store::user(connection, id).await
}

/// Everybody who runs the server.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn operators(connection: &mut AsyncPgConnection) -> Result<Vec<User>, Fault> {
    store::operators(connection).await
}
