//! The pages of the authorization server, and what each needs to know.
//!
//! Paths: `/oauth/consent` (`POST`: `request`, `decision=approve|deny`, `scope` for each optional scope that stays
//! ticked), `/oauth/select-account` (`POST`: `request`, `choice=continue|another`), `/account/apps`,
//! `/account/apps/{client_id}`, `POST /account/apps/{client_id}/disconnect`,
//! `POST /account/apps/{client_id}/end` (`id` of a grant).

mod authorize;
mod connected;

pub use authorize::{
    AppFace, AuthorizeError, Consent, ConsentReason, ConsentScope, DeveloperDetail, FormPost, SelectAccount,
};
pub use connected::{ConnectedApp, ConnectedAppPage, ConnectedApps, GrantRow, GrantedScope};
