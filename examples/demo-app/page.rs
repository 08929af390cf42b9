//! The demo app's pages: what a person sees, and nothing that a script could steal.

use std::{fmt::Display, time::Instant};

use actix_web::{
    HttpResponse, ResponseError, get,
    http::{StatusCode, header},
};
use oauth2::{TokenResponse, basic::BasicTokenResponse};
use serde_json::Value;

/// Somebody who signed in, and the tokens that stand for it.
pub(crate) struct SignedIn {
    pub(crate) claims: Value,
    pub(crate) tokens: BasicTokenResponse,
    /// When the access token was issued.
    pub(crate) since: Instant,
    pub(crate) refreshed: u32,
}

/// What went wrong, in a person's words, with its cause.
#[derive(Debug)]
pub(crate) struct Problem {
    what: String,
    why: String,
}

impl Problem {
    pub(crate) fn new(what: &str, why: impl Display) -> Self {
        Self {
            what: what.into(),
            why: why.to_string(),
        }
    }

    /// An OAuth error (RFC 6749 §4.1.2.1 and §5.2).
    pub(crate) fn oauth(error: &str, description: Option<&str>) -> Self {
        let what = match error {
            "access_denied" => "You said no, so this app learned nothing about you.",
            "invalid_grant" => "This login is over: it was used, withdrawn, or it expired. Log in again.",
            "invalid_client" => "The server does not know this app: was its client removed?",
            "invalid_scope" => "This app asked for more than its client may have.",
            "temporarily_unavailable" | "server_error" => {
                "The server cannot answer just now. Try again in a moment."
            }
            _ => "The server refused this login.",
        };
        Self {
            what: what.into(),
            why: description.map_or_else(|| error.into(), |words| format!("{error}: {words}")),
        }
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.what, self.why)
    }
}

impl ResponseError for Problem {
    fn error_response(&self) -> HttpResponse {
        let (what, why) = (escape(&self.what), escape(&self.why));
        let body = format!(
            "<h1>That did not work</h1><p>{what}</p><p class=quiet>{why}</p><p><a class=button href=/>Back</a></p>"
        );
        answer(StatusCode::BAD_REQUEST, &body)
    }
}

pub(crate) fn signed_out(issuer: &str) -> String {
    let issuer = escape(issuer);
    format!(
        "<h1>Demo app</h1>\
         <p>A small app that keeps no passwords. To know who you are, it asks Claviger, and you decide what it learns.</p>\
         <form method=post action=/login><button>Log in with Claviger</button></form>\
         <p class=quiet>You will be asked at <code>{issuer}</code>.</p>"
    )
}

pub(crate) fn signed_in(who: &SignedIn) -> String {
    let claim = |name: &str| who.claims.get(name).and_then(Value::as_str).map(escape);
    let name = claim("name")
        .or_else(|| claim("email"))
        .unwrap_or_else(|| "somebody".into());
    let mut rows = String::new();
    for (label, value) in [("E-mail", claim("email")), ("Subject", claim("sub"))] {
        rows += &row(label, &value.unwrap_or_else(|| "not shared".into()));
    }
    let scopes = who.tokens.scopes().into_iter().flatten();
    let scopes: Vec<String> = scopes
        .map(|scope| format!("<code>{}</code>", escape(scope)))
        .collect();
    rows += &row("Scopes", &scopes.join(" "));
    let left = who
        .tokens
        .expires_in()
        .map(|life| life.saturating_sub(who.since.elapsed()).as_secs());
    let left = left.map_or_else(String::new, |seconds| format!(", good for another {seconds} s"));
    rows += &row(
        "Access token",
        &(hint(who.tokens.access_token().secret()) + &left),
    );
    let refresh = who
        .tokens
        .refresh_token()
        .map_or_else(|| "none".into(), |token| hint(token.secret()));
    rows += &row(
        "Refresh token",
        &format!("{refresh}, refreshed so far: {}", who.refreshed),
    );
    let all = serde_json::to_string_pretty(&who.claims).unwrap_or_default();
    format!(
        "<h1>Hello, {name}</h1><dl>{rows}</dl>\
         <div class=actions><form method=post action=/refresh><button>Refresh</button></form>\
         <form method=post action=/logout><button class=second>Log out</button></form></div>\
         <details><summary>All that the server said about you</summary><pre tabindex=0>{}</pre></details>",
        escape(&all)
    )
}

/// Enough of a token to see that it changed, too little to use it: its last characters and its length.
fn hint(token: &str) -> String {
    let end: String = token
        .chars()
        .skip(token.chars().count().saturating_sub(6))
        .collect();
    format!("<code>…{}</code> ({} characters)", escape(&end), token.len())
}

fn row(label: &str, value: &str) -> String {
    format!("<div><dt>{label}</dt><dd>{value}</dd></div>")
}

pub(crate) fn answer(status: StatusCode, body: &str) -> HttpResponse {
    HttpResponse::build(status).content_type("text/html; charset=utf-8").body(format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><title>Demo app</title>\
         <meta name=viewport content='width=device-width, initial-scale=1'>\
         <link rel=icon href='data:,'><link rel=stylesheet href=/style.css></head><body><main>{body}</main></body></html>"
    ))
}

#[get("/style.css")]
pub(crate) async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/css; charset=utf-8"))
        .body(include_str!("style.css"))
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
