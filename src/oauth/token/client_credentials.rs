//! The client credentials grant (RFC 6749 §4.4): a token for the client itself. Nothing is written.

use super::TokenResponse;
use crate::{
    oauth::{
        Authority, EndpointError,
        access_token::{self, Principal},
        clients::Client,
    },
    types::ScopeSet,
};

/// Scopes that speak of a person: a client alone has none.
const ABOUT_A_PERSON: &str = "openid profile email offline_access";

pub(super) fn issue(
    authority: &Authority,
    client: &Client,
    asked: Option<&ScopeSet>,
) -> Result<TokenResponse, EndpointError> {
    let about_a_person: ScopeSet = ABOUT_A_PERSON.parse().unwrap_or_default();
    let ceiling = client.registration.scopes.without(&about_a_person);
    let scopes = asked.unwrap_or(&ceiling);
    let beyond = scopes.without(&ceiling);
    if !beyond.is_empty() {
        return Err(EndpointError::InvalidScope(format!(
            "not for this client by itself: {beyond}"
        )));
    }
    let minted = access_token::mint(authority, client.id, Principal::Client, scopes)?;
    Ok(TokenResponse::bearer(&minted))
}
