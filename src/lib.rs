//! Claviger: one server that issues, keeps and takes back credentials.

pub mod types;
