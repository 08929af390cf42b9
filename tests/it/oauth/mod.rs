//! The authorization server from outside.

mod authorize;
mod consent;
mod crates;
mod faults;
mod flow;
mod introspection;
mod keys;
mod openid;
mod races;
mod refresh;
mod secrets;
mod token;
