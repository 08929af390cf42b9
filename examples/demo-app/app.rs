//! The app's state: its OAuth client, what it knows of the server, and its browsers' sessions.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite},
    http::header,
};
use oauth2::{
    AuthUrl, CsrfToken, EndpointNotSet, EndpointSet, PkceCodeVerifier, TokenResponse, TokenUrl,
    basic::{BasicClient, BasicRequestTokenError, BasicTokenResponse},
};
use serde::Deserialize;

use crate::page::{self, Problem, SignedIn};

const COOKIE: &str = "demo_session";

/// What the app reads of the server's metadata (RFC 8414; OpenID Connect Discovery §3).
#[derive(Clone, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) issuer: String,
    pub(crate) authorization_endpoint: AuthUrl,
    pub(crate) token_endpoint: TokenUrl,
    pub(crate) revocation_endpoint: String,
    pub(crate) userinfo_endpoint: String,
}

pub(crate) struct DemoApp {
    pub(crate) oauth: BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>,
    pub(crate) client_id: String,
    pub(crate) client_secret: Option<String>,
    pub(crate) http: reqwest::Client,
    pub(crate) metadata: Metadata,
    pub(crate) sessions: Mutex<HashMap<String, Session>>,
}

/// What the app remembers of one browser.
pub(crate) enum Session {
    /// It was sent to the server; what it brings back must fit these.
    Asked {
        state: CsrfToken,
        verifier: PkceCodeVerifier,
    },
    SignedIn(Box<SignedIn>),
}

impl DemoApp {
    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The page of whoever is signed in.
    pub(crate) fn look(&self, request: &HttpRequest) -> Option<String> {
        let cookie = request.cookie(COOKIE)?;
        match self.sessions().get(cookie.value())? {
            Session::SignedIn(who) => Some(page::signed_in(who)),
            Session::Asked { .. } => None,
        }
    }

    /// Takes the browser's session out: whatever it held is good for one use.
    pub(crate) fn take(&self, request: &HttpRequest) -> Option<Session> {
        let cookie = request.cookie(COOKIE)?;
        self.sessions().remove(cookie.value())
    }

    /// Keeps a session under a new name, and sends the browser on with it.
    pub(crate) fn keep(&self, session: Session, location: &str) -> HttpResponse {
        let name = CsrfToken::new_random_len(32).into_secret();
        self.sessions().insert(name.clone(), session);
        let cookie = Cookie::build(COOKIE, name)
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .finish();
        HttpResponse::SeeOther()
            .cookie(cookie)
            .insert_header((header::LOCATION, location))
            .finish()
    }

    /// The transport that the `oauth2` crate sends its requests through.
    pub(crate) async fn send(
        &self,
        request: oauth2::HttpRequest,
    ) -> Result<oauth2::HttpResponse, reqwest::Error> {
        let answer = self.http.execute(request.try_into()?).await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut response = oauth2::HttpResponse::new(answer.bytes().await?.to_vec());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    pub(crate) async fn who(&self, tokens: &BasicTokenResponse) -> Result<serde_json::Value, Problem> {
        let request = self
            .http
            .get(&self.metadata.userinfo_endpoint)
            .bearer_auth(tokens.access_token().secret());
        let answer = async { request.send().await?.error_for_status()?.json().await };
        answer
            .await
            .map_err(|cause| Problem::new("The server did not say who signed in.", cause))
    }
}

/// What went wrong at the token endpoint (RFC 6749 §5.2).
pub(crate) fn explain(error: BasicRequestTokenError<reqwest::Error>) -> Problem {
    match error {
        BasicRequestTokenError::ServerResponse(answer) => Problem::oauth(
            answer.error().as_ref(),
            answer.error_description().map(String::as_str),
        ),
        BasicRequestTokenError::Request(cause) => Problem::new("The server could not be reached.", cause),
        other => Problem::new("The server's answer could not be read.", other),
    }
}

/// Reads the server's metadata, and checks that it speaks of the issuer that was asked (RFC 8414 §3.3).
pub(crate) async fn discover(
    http: &reqwest::Client,
    issuer: &str,
) -> Result<Metadata, Box<dyn std::error::Error>> {
    let url = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    let answer = async {
        http.get(&url)
            .send()
            .await?
            .error_for_status()?
            .json::<Metadata>()
            .await
    };
    let metadata = answer
        .await
        .map_err(|cause| format!("no metadata at {url}: is the server running? {cause}"))?;
    if metadata.issuer != issuer {
        return Err(format!(
            "the server calls itself {}, not {issuer}: use its own name",
            metadata.issuer
        )
        .into());
    }
    Ok(metadata)
}
