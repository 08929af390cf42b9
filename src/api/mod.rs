//! `/v1`: the interface for programs. It combines the capabilities below it as the dashboard does for people: who calls is
//! in `http/caller.rs`, how refusals are worded in `http/answer.rs`, and each thing that can be asked for has a file.
//! The `OpenAPI` document is made from the handlers.

pub mod http;
pub mod views;
