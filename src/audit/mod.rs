//! The trail: one record for each act on a credential and each decision about one, written in the
//! transaction of the act. If it cannot be written, the act does not happen.
//!
//! Offers [`Record`] to whoever acts, and [`trail()`] to whoever reads.

mod record;
mod store;
mod trail;

pub use record::{Action, Actor, By, Outcome, Record, Subject};
pub(crate) use store::insertion;
pub use trail::{Entry, Filter, Page, trail};
