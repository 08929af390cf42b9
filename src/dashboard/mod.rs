//! The pages on which developers keep their apps and clients, and operators the catalogue of scopes.

mod pages;
pub mod views;

pub use pages::routes;
