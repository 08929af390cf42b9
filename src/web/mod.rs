//! What every HTTP room shares.

pub mod assets;
pub mod page;
