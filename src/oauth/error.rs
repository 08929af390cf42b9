use std::time::Duration;

use super::clients::AuthenticationFailure;
use crate::{
    types::Fault,
    web::{Repeated, Unreadable},
};

/// Characters of an `error_description`: with more, a redirect could become an address that no server takes.
const LONGEST_DESCRIPTION: usize = 300;

/// `text`, cut to a bearable length, with nothing in it that an `error_description` must not have: printable ASCII without quotes and
/// backslashes (RFC 6749 §4.1.2.1, §5.2). Some texts quote what the client sent.
#[must_use]
pub(super) fn legal_description(text: &str) -> String {
    let legal = |c: char| match c {
        '"' | '\\' => '?',
        ' '..='~' => c,
        _ => '?',
    };
    text.chars().take(LONGEST_DESCRIPTION).map(legal).collect()
}

/// What the token, introspection and revocation endpoints refuse with (RFC 6749 §5.2).
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    #[error("{0}")]
    InvalidRequest(String),
    /// 401; with a challenge if `Authorization` was tried.
    #[error("{description}")]
    InvalidClient {
        challenge: bool,
        description: &'static str,
    },
    /// The words are the same whatever was wrong: they must not tell which part of a guess was right.
    #[error(
        "the code or refresh token is not good: it was used, revoked or issued to another client, or its time has passed"
    )]
    InvalidGrant {
        /// What it was, for the request log of the client's own developer alone.
        because: &'static str,
    },
    #[error("this client is not registered for the grant type {0}")]
    UnauthorizedClient(&'static str),
    #[error("grant_type must be authorization_code, refresh_token or client_credentials")]
    UnsupportedGrantType,
    #[error("{0}")]
    InvalidScope(String),
    /// 401: the caller's own API key is not good for this (RFC 6750 §3.1, RFC 7662 §2.3).
    #[error("the API key is not good, or does not have the scope tokens:introspect")]
    InvalidToken,
    #[error("too many attempts")]
    Throttled(Duration),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl EndpointError {
    /// The `error` code on the wire; none for what is not the client's doing.
    #[must_use]
    pub const fn code(&self) -> Option<&'static str> {
        match self {
            Self::InvalidRequest(_) => Some("invalid_request"),
            Self::InvalidClient { .. } => Some("invalid_client"),
            Self::InvalidGrant { .. } => Some("invalid_grant"),
            Self::UnauthorizedClient(_) => Some("unauthorized_client"),
            Self::UnsupportedGrantType => Some("unsupported_grant_type"),
            Self::InvalidScope(_) => Some("invalid_scope"),
            Self::InvalidToken => Some("invalid_token"),
            Self::Throttled(_) => Some("slow_down"),
            Self::Fault(_) => None,
        }
    }
}

impl EndpointError {
    /// What to mend, in words for the client's own developer: never on the wire.
    #[must_use]
    pub fn for_developer(&self) -> String {
        match self {
            Self::InvalidGrant { because } => (*because).to_owned(),
            Self::Fault(_) => {
                "the server could not answer; it is in its log under this request id".to_owned()
            }
            other => other.to_string(),
        }
    }
}

impl From<Unreadable> for EndpointError {
    fn from(unreadable: Unreadable) -> Self {
        Self::InvalidRequest(unreadable.to_string())
    }
}

impl From<Repeated> for EndpointError {
    fn from(repeated: Repeated) -> Self {
        Self::InvalidRequest(repeated.to_string())
    }
}

impl From<AuthenticationFailure> for EndpointError {
    fn from(failure: AuthenticationFailure) -> Self {
        match failure {
            AuthenticationFailure::InvalidRequest(description) => Self::InvalidRequest(description),
            AuthenticationFailure::InvalidClient {
                challenge,
                description,
            } => Self::InvalidClient {
                challenge,
                description,
            },
            AuthenticationFailure::Throttled(wait) => Self::Throttled(wait),
            AuthenticationFailure::Fault(fault) => Self::Fault(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_has_only_characters_that_the_rfc_allows() {
        assert_eq!(legal_description("a \"b\" \\ \u{e9} \n ~!"), "a ?b? ? ? ? ~!");
    }
}
