//! The command line, run as a program: what scripts rely on, beside a running server and without one.

mod accounts;
mod clients;
mod doctor;
mod keys;
mod people;
mod start;
mod stop;

use reqwest::{Client, StatusCode};
use serde_json::Value;

use crate::support::app::TestApp;

const PASSWORD: &str = "a lantern over the harbour";

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// A token for the client itself: the answer's status and body.
async fn token(app: &TestApp, client: &Value) -> (StatusCode, Value) {
    let answer = Client::new()
        .post(app.url("/oauth/token"))
        .basic_auth(
            client["client_id"].as_str().unwrap(),
            client["client_secret"].as_str(),
        )
        .form(&[("grant_type", "client_credentials")])
        .send()
        .await
        .unwrap();
    (answer.status(), answer.json().await.unwrap())
}
