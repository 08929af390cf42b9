//! The rows of people, their sessions, links and failures.

mod cleanup;
mod failures;
mod links;
mod notifications;
mod sessions;
mod users;

pub(super) use cleanup::*;
pub(super) use failures::*;
pub(super) use links::*;
pub(super) use notifications::*;
pub(super) use sessions::*;
pub(super) use users::*;
