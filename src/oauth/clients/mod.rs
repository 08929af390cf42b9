//! OAuth clients: what is registered of them, their secrets, how they authenticate, and this node's copies.

mod authenticate;
mod cache;
mod edit;
mod logo;
mod model;
mod register;
mod secrets;
mod store;
mod throttle;

pub use authenticate::{AuthenticationFailure, Guesser, Presented, authenticate};
pub use cache::ClientCache;
pub use edit::{LogoChange, delete_client, edit_client, set_disabled};
pub use logo::{InvalidLogo, Logo};
pub use model::{Client, ClientKind, ClientSecret, GrantType, Registration, RegistrationError};
pub use register::{RegisterError, Registered, register_client};
pub use secrets::{SecretError, add_secret, revoke_secret};
pub use store::{client, clients_of_app, count_of_app, drop_scope, logo};
pub use throttle::Throttle;
