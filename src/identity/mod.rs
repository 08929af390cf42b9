//! People: users, sign-up, sign-in, sessions, one-time links.

pub mod views;
