//! Grants: what one redeemed code gave. The row holds the generation of the one refresh token that is good
//! now; it is rotated by one guarded UPDATE, so two refreshes can never both win.

mod model;
mod rotation;
mod store;

pub use model::{Fingerprint, Grant, RevokedReason};
pub use rotation::{Rotation, judge};
pub(super) use store::{
    NewGrant, Next, Rotated, by_code, delete_ended, drop_scope, find, insert, lock, move_to, of_user,
    of_user_at_client, reseal_contexts, revoke, rotate,
};
pub use store::{live_of_client, live_of_user};
