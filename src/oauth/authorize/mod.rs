//! The authorization endpoint (RFC 6749 §3.1, §4.1; OpenID Connect Core §3.1.2): reading a request, finding the
//! next step for whoever is in front of the browser, and answering the client.

mod answer;
mod claims;
mod decide;
mod pending;
mod request;
mod step;
mod store;

pub use answer::{Answer, Reply, Way};
pub use decide::{DecisionError, choose_account, decide};
pub use pending::{ParkError, Waiting, claim, park, resume};
pub use request::{
    AuthorizationError, AuthorizationRequest, ErrorCode, Incoming, ResponseMode, Untrusted, read,
};
pub use step::{ConsentQuestion, Person, Step, must_sign_in_again, next_step};
pub(in crate::oauth) use store::delete_expired;
