//! The authorization server from outside.

#![allow(
    clippy::duration_suboptimal_units,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::too_many_lines,
    clippy::unchecked_time_subtraction,
    clippy::unused_self,
    reason = "a test reads from top to bottom, in the seconds that the wire counts in"
)]

mod authorize;
mod clocks;
mod consent;
mod crates;
mod faults;
pub mod flow;
mod introspection;
mod keys;
mod openid;
mod races;
mod refresh;
mod retirement;
mod scopes;
mod secrets;
mod token;
