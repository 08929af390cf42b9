//! The authorization server: clients, authorization, consent, tokens.

pub mod views;
