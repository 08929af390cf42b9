//! What the tests share.

#[allow(dead_code, reason = "what one test file leaves, another takes")]
pub mod app;
#[allow(dead_code, reason = "what one test file leaves, another takes")]
pub mod browser;
pub mod cluster;
pub mod logs;
#[allow(dead_code, reason = "what one test file leaves, another takes")]
pub mod people;
#[allow(dead_code, reason = "what one test file leaves, another takes")]
pub mod program;
pub mod proxy;
pub mod seen;
pub mod wait;
