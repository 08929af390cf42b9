//! OAuth clients: what is registered of them, their secrets, how they authenticate, and this node's copies.

mod authenticate;
mod cache;
mod delete;
mod edit;
mod logo;
mod model;
mod picture;
mod register;
pub(super) mod secrets;
pub(super) mod store;
mod throttle;

pub use authenticate::{AuthenticationFailure, Presented, authenticate};
pub use cache::ClientCache;
pub use delete::{delete_app, delete_client};
pub use edit::{Switch, edit_client, set_disabled, set_logo, vouch_for_client};
pub use logo::{InvalidLogo, Logo};
pub use model::{Client, ClientKind, ClientSecret, GrantType, Registration, RegistrationError};
pub use register::{RegisterError, Registered, register_client};
pub use secrets::{SecretError, add_secret, revoke_secret};
pub use store::{Found, all_clients, client, clients_of_app, count_by_app, drop_scope, find, logo, named};
pub use throttle::{Throttle, network};
