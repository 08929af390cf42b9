//! Words that every other folder speaks: ids, time, randomness, scopes, redirect URIs, e-mail addresses.
//! Nothing here does I/O.

mod client_context;
mod clock;
mod email;
mod entropy;
mod environment;
mod fault;
mod id;
mod line;
mod redirect_uri;
mod scope;

pub use client_context::ClientContext;
pub use clock::{Clock, ManualClock};
pub use email::{Email, InvalidEmail};
pub use entropy::Entropy;
pub use environment::{Environment, InvalidEnvironment};
pub use fault::Fault;
pub use id::{
    AccountId, ApiKeyId, AppId, AuthorizationRequestId, ClientId, ClientSecretId, CodeId, GrantId, InvalidId,
    LeakReportId, LinkId, NodeId, SessionId, SigningKeyId, TokenId, UserId, WebhookDeliveryId,
    WebhookEndpointId, WebhookMessageId, WebhookSecretId,
};
pub use line::{Description, DisplayName, InvalidLine, Line};
pub use redirect_uri::{InvalidRedirectUri, RedirectUri};
pub use scope::{InvalidScope, Scope, ScopeSet};
