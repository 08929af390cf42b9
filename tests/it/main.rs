//! The integration tests: one binary, each test on its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::missing_panics_doc,
    unreachable_pub,
    reason = "tests"
)]

mod api;
mod architecture;
mod cli;
mod clients;
mod dashboard;
mod database_tls;
mod docs;
mod embedded;
mod identity;
mod jobs;
mod keys;
mod leaks;
mod limits;
mod members;
mod oauth;
mod pages;
mod pool;
mod revocation;
mod schema;
mod serve;
mod support;
mod under_a_path;
mod usage;
mod webhooks;
