//! Claviger: one server that issues, keeps and takes back credentials.

pub mod accounts;
pub mod api;
pub mod app;
pub mod audit;
pub mod cli;
pub mod config;
pub mod crypto;
pub mod dashboard;
pub mod db;
pub mod identity;
pub mod jobs;
pub mod keys;
pub mod leaks;
pub mod oauth;
pub mod revocation;
pub mod scopes;
pub mod server;
pub mod types;
pub mod web;
pub mod webhooks;
