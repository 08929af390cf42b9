//! The token endpoint: what it takes, what it refuses, and in which words.

mod client_authentication;
mod code;
mod errors;

const INVALID_GRANT: (u16, &str) = (400, "invalid_grant");

fn is(error: &(u16, String), expected: (u16, &str)) -> bool {
    (error.0, error.1.as_str()) == expected
}
