//! Grants: what one redeemed code gave. The row holds the generation of the one refresh token that is good
//! now; it is rotated by one guarded UPDATE, so two refreshes can never both win.

mod model;
mod record;
mod rotation;
mod store;
mod tell;

pub use model::{Fingerprint, Grant, RevokedReason};
pub(super) use record::record;
pub use rotation::{Rotation, judge};
pub use store::live_of_user;
pub(super) use store::{
    NewGrant, Next, Rotated, Which, by_code, delete_ended, drop_scope, find, hold_all, insert,
    live_of_client, lock, move_to, parties, reseal_contexts, rotate,
};
pub(super) use tell::{revoke, tell_created, tell_taken_back};
