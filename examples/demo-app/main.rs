//! A third-party web app that logs people in with Claviger, written as one would for any OAuth 2.0 server.
//!
//! `make demo` starts it beside the server. To read: [`login`] sends the browser away with PKCE and a state,
//! [`callback`] takes the code that it brings back, [`refresh`] and [`logout`] use the tokens and end them.
//! It asks the server who signed in (userinfo); an app that wants ID tokens would use the `openidconnect` crate.
//! Its HTTP client is built without TLS, so it talks to a server on this machine only.
#![allow(
    clippy::disallowed_methods,
    reason = "an app of its own: no test moves its clock"
)]

use std::{process::ExitCode, sync::Mutex, time::Instant};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer, get,
    http::{StatusCode, header},
    middleware::DefaultHeaders,
    post,
    web::{Data, Query},
};
use clap::Parser;
use oauth2::{
    AuthorizationCode, ClientId, ClientSecret, CsrfToken, PkceCodeChallenge, RedirectUrl, RefreshToken,
    Scope, TokenResponse, basic::BasicClient,
};
use serde::Deserialize;

mod app;
mod page;

use app::{DemoApp, Session, discover, explain};
use page::{Problem, SignedIn};

const SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// A third-party app that logs people in with Claviger.
#[derive(Parser)]
struct Options {
    /// The server's issuer.
    #[arg(long, env = "DEMO_ISSUER", default_value = "http://localhost:8080")]
    issuer: String,
    /// What `claviger client create` gave.
    #[arg(long, env = "DEMO_CLIENT_ID")]
    client_id: String,
    /// For a confidential client only.
    #[arg(long, env = "DEMO_CLIENT_SECRET", hide_env_values = true)]
    client_secret: Option<String>,
    /// Where this app listens; the client's redirect URI is `http://ADDRESS/callback`.
    #[arg(long, env = "DEMO_LISTEN", default_value = "127.0.0.1:9090")]
    listen: String,
}

#[get("/")]
async fn home(app: Data<DemoApp>, request: HttpRequest) -> HttpResponse {
    let body = app
        .look(&request)
        .unwrap_or_else(|| page::signed_out(&app.metadata.issuer));
    page::answer(StatusCode::OK, &body)
}

/// Sends the browser to the server (RFC 6749 §4.1.1). The challenge (RFC 7636) ties the code to this app, the
/// state ties the answer to this browser.
#[post("/login")]
async fn login(app: Data<DemoApp>) -> HttpResponse {
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state) = app
        .oauth
        .authorize_url(CsrfToken::new_random)
        .add_scopes(SCOPES.map(|scope| Scope::new(scope.into())))
        .set_pkce_challenge(challenge)
        .url();
    app.keep(Session::Asked { state, verifier }, url.as_str())
}

/// What the server sends back in the query (RFC 6749 §4.1.2; `iss` is RFC 9207).
#[derive(Deserialize)]
struct Answer {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// Takes the browser back: checks that the answer is to our question and from our server, then redeems the code.
#[get("/callback")]
async fn callback(
    app: Data<DemoApp>,
    request: HttpRequest,
    answer: Query<Answer>,
) -> Result<HttpResponse, Problem> {
    let Some(Session::Asked { state, verifier }) = app.take(&request) else {
        return Err(Problem::new(
            "This browser has no login under way here.",
            "Start again from the front page.",
        ));
    };
    if answer.state.as_deref() != Some(state.secret().as_str()) {
        return Err(Problem::new(
            "This answer belongs to another login.",
            "Its state is not the one that was sent.",
        ));
    }
    if answer.iss.as_deref() != Some(app.metadata.issuer.as_str()) {
        return Err(Problem::new(
            "This answer comes from another server.",
            "Its iss is not the issuer that was asked.",
        ));
    }
    if let Some(error) = &answer.error {
        return Err(Problem::oauth(error, answer.error_description.as_deref()));
    }
    let code = answer
        .code
        .clone()
        .ok_or_else(|| Problem::new("The answer holds no code.", "And no error either."))?;
    let tokens = app
        .oauth
        .exchange_code(AuthorizationCode::new(code))
        .set_pkce_verifier(verifier)
        .request_async(&|request| app.send(request))
        .await
        .map_err(explain)?;
    let claims = app.who(&tokens).await?;
    let who = SignedIn {
        claims,
        tokens,
        since: Instant::now(),
        refreshed: 0,
    };
    Ok(app.keep(Session::SignedIn(Box::new(who)), "/"))
}

/// Gets a fresh access token (RFC 6749 §6). The refresh token that comes with it replaces the one that was sent.
#[post("/refresh")]
async fn refresh(app: Data<DemoApp>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let Some(Session::SignedIn(mut who)) = app.take(&request) else {
        return Err(Problem::new(
            "Nobody is signed in here.",
            "Start again from the front page.",
        ));
    };
    let old = who
        .tokens
        .refresh_token()
        .map(|token| RefreshToken::new(token.secret().clone()));
    let old =
        old.ok_or_else(|| Problem::new("There is no refresh token.", "offline_access was not granted."))?;
    who.tokens = app
        .oauth
        .exchange_refresh_token(&old)
        .request_async(&|request| app.send(request))
        .await
        .map_err(explain)?;
    if who.tokens.refresh_token().is_none() {
        who.tokens.set_refresh_token(Some(old));
    }
    who.claims = app.who(&who.tokens).await?;
    who.since = Instant::now();
    who.refreshed += 1;
    Ok(app.keep(Session::SignedIn(who), "/"))
}

/// Gives the tokens back (RFC 7009): revoking the refresh token ends all that came of this login. Sent by hand,
/// since the `oauth2` crate revokes over https only.
#[post("/logout")]
async fn logout(app: Data<DemoApp>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    if let Some(Session::SignedIn(who)) = app.take(&request) {
        let token = who
            .tokens
            .refresh_token()
            .map_or_else(|| who.tokens.access_token().secret(), RefreshToken::secret);
        let call = app.http.post(&app.metadata.revocation_endpoint);
        let call = match &app.client_secret {
            Some(secret) => call
                .basic_auth(&app.client_id, Some(secret))
                .form(&[("token", token)]),
            None => call.form(&[("token", token), ("client_id", &app.client_id)]),
        };
        let answer = async { call.send().await?.error_for_status() };
        answer
            .await
            .map_err(|cause| Problem::new("The tokens could not be revoked.", cause))?;
    }
    Ok(HttpResponse::SeeOther()
        .insert_header((header::LOCATION, "/"))
        .finish())
}

#[actix_web::main]
async fn main() -> ExitCode {
    match serve(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo-app: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    // No redirect is followed: a token request goes to the address that the metadata names, or nowhere.
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let metadata = discover(&http, &options.issuer).await?;
    let mut oauth = BasicClient::new(ClientId::new(options.client_id.clone()))
        .set_auth_uri(metadata.authorization_endpoint.clone())
        .set_token_uri(metadata.token_endpoint.clone())
        .set_redirect_uri(RedirectUrl::new(format!("http://{}/callback", options.listen))?);
    if let Some(secret) = &options.client_secret {
        oauth = oauth.set_client_secret(ClientSecret::new(secret.clone()));
    }
    let (client_id, client_secret) = (options.client_id, options.client_secret);
    let app = Data::new(DemoApp {
        oauth,
        client_id,
        client_secret,
        http,
        metadata,
        sessions: Mutex::default(),
    });
    HttpServer::new(move || {
        let policy = (
            "content-security-policy",
            "default-src 'self'; img-src data:; frame-ancestors 'none'",
        );
        App::new()
            .app_data(app.clone())
            // The callback's address holds a code: it goes into no Referer and no cache.
            .wrap(
                DefaultHeaders::new()
                    .add(policy)
                    .add(("referrer-policy", "no-referrer"))
                    .add(("cache-control", "no-store")),
            )
            .service((home, login, callback, refresh, logout, page::style))
    })
    .workers(1)
    .bind(options.listen)?
    .run()
    .await?;
    Ok(())
}
