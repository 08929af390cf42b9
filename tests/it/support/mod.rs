//! What the tests share.

pub mod cluster;
pub mod proxy;
pub mod wait;
