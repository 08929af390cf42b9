//! The pages on which developers keep their apps and clients, and operators the catalogue of scopes.

pub mod views;
