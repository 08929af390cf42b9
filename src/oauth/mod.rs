//! The authorization server: OAuth 2.0 with PKCE, and OpenID Connect on it. `docs/oauth.md` says of each rule of
//! each RFC where it is kept.
//!
//! A person's way: `authorize` → `consent` → `code` → `token` → a grant in [`grants`] → `access_token`, `refresh_token`
//! and `id_token`. Afterwards: `introspect`, `revoke`, `userinfo`, `connected_apps`.

pub mod access_token;
mod alerts;
mod authority;
mod authorize;
mod block;
pub mod clients;
pub mod code;
mod connected_apps;
mod consent;
pub mod derived_keys;
mod disown;
mod error;
pub mod grants;
mod hint;
pub mod http;
mod id_token;
mod introspect;
mod jobs;
pub mod leaked;
mod live_tokens;
mod metadata;
mod pages;
mod pkce;
pub mod refresh_token;
mod refusal;
mod replay;
mod request_log;
mod revoke;
pub mod scopes;
mod signing_keys;
mod token;
mod userinfo;
pub mod views;

pub use access_token::longest_life;
pub use authority::Authority;
pub use block::{block_user, unblock_user};
pub use disown::ConsentsAndGrants;
pub use error::EndpointError;
pub use jobs::jobs;
pub use pages::WaitingRequests;
pub use request_log::{LoggedRequest, PastRequest, last_request_of_each, last_requests};
