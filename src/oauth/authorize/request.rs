use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Reply,
    claims::{Claims, expected_subject},
};
use crate::{
    crypto::{digest, encode_base64url},
    oauth::{
        Authority,
        clients::{Client, ClientKind, GrantType},
        error::legal_description,
        pkce,
    },
    types::{ClientId, Fault, RedirectUri, ScopeSet, UserId},
    web::Parameters,
};

/// How the answer travels (OAuth 2.0 Multiple Response Types §2.1, Form Post Response Mode).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponseMode {
    Query,
    FormPost,
}

/// What the client wishes the person to be asked (OIDC Core §3.1.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a word that may stand in `prompt`, beside the others"
)]
pub struct Prompt {
    pub none: bool,
    pub login: bool,
    pub consent: bool,
    pub select_account: bool,
}

/// A request that can be carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    pub redirect_uri_was_sent: bool,
    pub scopes: ScopeSet,
    /// Those of `scopes` that were not asked for by their names: they give claims that were.
    #[serde(default)]
    pub by_claims: ScopeSet,
    pub code_challenge: [u8; 32],
    pub nonce: Option<String>,
    pub prompt: Prompt,
    /// Seconds since the person last gave a password, at most.
    pub max_age: Option<u32>,
    pub login_hint: Option<String>,
    /// Whom the client means, by `id_token_hint` or by the `sub` of `claims`.
    pub expected_subject: Option<UserId>,
    /// Claims that it wants in the ID token.
    pub id_token_claims: Vec<String>,
}

/// The error codes of RFC 6749 §4.1.2.1 and OIDC Core §3.1.2.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    InvalidRequest,
    UnauthorizedClient,
    AccessDenied,
    UnsupportedResponseType,
    InvalidScope,
    LoginRequired,
    ConsentRequired,
    AccountSelectionRequired,
    RequestNotSupported,
    RequestUriNotSupported,
    RegistrationNotSupported,
    /// OpenID Connect Core Error Code `unmet_authentication_requirements` 1.0.
    UnmetAuthenticationRequirements,
}

impl ErrorCode {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::AccessDenied => "access_denied",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::AccountSelectionRequired => "account_selection_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
        }
    }
}

/// Why a request is answered with an error, to the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationError {
    pub code: ErrorCode,
    /// What to mend; ASCII without quotes and backslashes (RFC 6749 §4.1.2.1).
    pub description: String,
}

impl AuthorizationError {
    pub(super) fn new(code: ErrorCode, description: impl Into<String>) -> Self {
        Self {
            code,
            description: legal_description(&description.into()),
        }
    }
}

/// Why the browser is sent nowhere: the person sees a page, and the client hears nothing.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    #[error("client_id is missing")]
    NoClientId,
    #[error("client_id or redirect_uri is sent more than once")]
    Repeated,
    #[error("no client with this client_id is registered")]
    UnknownClient,
    #[error("this client is disabled")]
    DisabledClient(Arc<Client>),
    #[error("redirect_uri is missing, and the client has not registered exactly one")]
    NoRedirectUri(Arc<Client>),
    #[error("redirect_uri does not match any that is registered for this client")]
    RedirectUriMismatch { client: Arc<Client>, sent: String },
    #[error("the request is larger than 16 KiB")]
    TooLarge,
    #[error("the parameters cannot be read: {0}")]
    Unreadable(#[from] crate::web::Unreadable),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A request whose client and redirect URI are genuine, so that it may be answered, even with an error.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub client: Arc<Client>,
    pub reply: Reply,
    /// Whether it asks that no page be shown (`prompt=none`), whatever else is wrong with it.
    pub silent: bool,
    pub request: Result<AuthorizationRequest, AuthorizationError>,
}

impl Incoming {
    /// Whether another program on the person's device could have sent it under this client's name: the client proves
    /// itself by no secret, and the answer goes to whoever listens on loopback or claims the scheme (RFC 8252 §8.6).
    pub(super) fn is_of_unproved_native_app(&self) -> bool {
        self.client.registration.kind == ClientKind::Public
            && self
                .reply
                .destination()
                .is_none_or(|uri| uri.is_loopback() || uri.is_private_use())
    }

    /// A digest of what a person is shown of the client beside the scopes, and of which of these can be left out.
    pub(super) fn appearance(&self) -> String {
        let client = &self.client;
        let registered = &client.registration;
        let host = self.reply.destination().map(|uri| uri.host());
        let shown = [
            registered.name.as_str(),
            client.logo_digest.as_deref().unwrap_or_default(),
            registered.publisher.as_deref().unwrap_or_default(),
            if client.publisher_verified { "verified" } else { "" },
            host.as_deref().unwrap_or_default(),
            &registered.optional_scopes.to_string(),
        ];
        encode_base64url(&digest(shown.join("\u{1f}").as_bytes()))
    }
}

/// Bytes of a request: anybody may send one, and it is kept while it waits for somebody to sign in.
const LARGEST: usize = 16 * 1024;

/// Reads a request: first what decides where an answer may go, then the rest.
///
/// # Errors
///
/// [`Untrusted`] if it must not be answered by redirect.
pub async fn read(authority: &Authority, parameters: &Parameters) -> Result<Incoming, Untrusted> {
    if parameters.size() > LARGEST {
        return Err(Untrusted::TooLarge);
    }
    let trusted = |name| parameters.one(name).map_err(|_cause| Untrusted::Repeated);
    let client_id = trusted("client_id")?.ok_or(Untrusted::NoClientId)?;
    let sent = trusted("redirect_uri")?;
    let client = match client_id.parse::<ClientId>() {
        Ok(id) => authority.clients.get(id).await?.ok_or(Untrusted::UnknownClient)?,
        Err(_) => return Err(Untrusted::UnknownClient),
    };
    if client.is_disabled() {
        return Err(Untrusted::DisabledClient(client));
    }
    let redirect_uri = match (sent, client.registration.redirect_uris.as_slice()) {
        (None, [only]) => only.as_str().to_owned(),
        (None, _) => return Err(Untrusted::NoRedirectUri(client)),
        (Some(sent), registered) if registered.iter().any(|uri| uri.allows(sent)) => sent.to_owned(),
        (Some(sent), _) => {
            return Err(Untrusted::RedirectUriMismatch {
                sent: sent.to_owned(),
                client,
            });
        }
    };
    let reply = Reply {
        redirect_uri,
        mode: match parameters.one("response_mode") {
            Ok(Some("form_post")) => ResponseMode::FormPost,
            _ => ResponseMode::Query,
        },
        // Sent twice, there is no telling which one to return.
        state: parameters.one("state").ok().flatten().map(str::to_owned),
    };
    let request = read_rest(authority, &client, parameters, sent.is_some());
    let silent = matches!(parameters.one("prompt"), Ok(Some("none")));
    Ok(Incoming {
        client,
        reply,
        silent,
        request,
    })
}

fn read_rest(
    authority: &Authority,
    client: &Client,
    parameters: &Parameters,
    redirect_uri_was_sent: bool,
) -> Result<AuthorizationRequest, AuthorizationError> {
    use ErrorCode::{
        InvalidRequest, InvalidScope, RegistrationNotSupported, RequestNotSupported, RequestUriNotSupported,
        UnauthorizedClient, UnsupportedResponseType,
    };
    if let Some(repeated) = parameters.repeated() {
        return Err(AuthorizationError::new(InvalidRequest, repeated.to_string()));
    }
    let one = |name| parameters.one(name).ok().flatten();
    for (name, code) in [
        ("request", RequestNotSupported),
        ("request_uri", RequestUriNotSupported),
        ("registration", RegistrationNotSupported),
    ] {
        if one(name).is_some() {
            return Err(AuthorizationError::new(
                code,
                format!("the parameter {name} is not supported"),
            ));
        }
    }
    match one("response_type") {
        Some("code") => {}
        None => {
            return Err(AuthorizationError::new(
                InvalidRequest,
                "response_type is missing: it must be code",
            ));
        }
        Some(_) => {
            return Err(AuthorizationError::new(
                UnsupportedResponseType,
                "response_type must be code",
            ));
        }
    }
    match one("response_mode") {
        None | Some("query" | "form_post") => {}
        Some(_) => {
            return Err(AuthorizationError::new(
                InvalidRequest,
                "response_mode must be query or form_post",
            ));
        }
    }
    if !client.allows(GrantType::AuthorizationCode) {
        return Err(AuthorizationError::new(
            UnauthorizedClient,
            "this client is not registered for the grant type authorization_code",
        ));
    }
    let code_challenge = challenge(one("code_challenge"), one("code_challenge_method"))?;
    let scopes: ScopeSet =
        one("scope")
            .unwrap_or_default()
            .parse()
            .map_err(|error: crate::types::InvalidScope| {
                AuthorizationError::new(InvalidScope, error.to_string())
            })?;
    if scopes.is_empty() {
        return Err(AuthorizationError::new(
            InvalidScope,
            "scope is missing: name at least one",
        ));
    }
    let beyond = scopes.without(&client.registration.scopes);
    if !beyond.is_empty() {
        return Err(AuthorizationError::new(
            InvalidScope,
            format!("not registered for this client: {beyond}"),
        ));
    }
    let claims = Claims::read(one("claims"))?;
    let hinted = match one("id_token_hint") {
        None => None,
        Some(hint) => Some(authority.subject_of_hint(hint, client.id).ok_or_else(|| {
            AuthorizationError::new(
                InvalidRequest,
                "id_token_hint is not an ID token that this server gave to this client",
            )
        })?),
    };
    let by_claims = claims.scopes_beside(&scopes, client);
    Ok(AuthorizationRequest {
        redirect_uri_was_sent,
        scopes: scopes.union(&by_claims),
        by_claims,
        code_challenge,
        nonce: one("nonce").map(str::to_owned),
        prompt: prompt(one("prompt"))?,
        max_age: one("max_age").map(max_age).transpose()?,
        login_hint: one("login_hint").map(str::to_owned),
        expected_subject: expected_subject(hinted, &claims.subjects)?,
        id_token_claims: claims.id_token,
    })
}

fn challenge(challenge: Option<&str>, method: Option<&str>) -> Result<[u8; 32], AuthorizationError> {
    let wrong = |description| AuthorizationError::new(ErrorCode::InvalidRequest, description);
    let challenge =
        challenge.ok_or_else(|| wrong("code_challenge is missing: PKCE is required (RFC 7636)"))?;
    if method != Some("S256") {
        return Err(wrong("code_challenge_method must be S256"));
    }
    pkce::challenge(challenge).ok_or_else(|| {
        wrong("code_challenge must be the base64url of a SHA-256: 43 characters (RFC 7636 section 4.2)")
    })
}

fn max_age(text: &str) -> Result<u32, AuthorizationError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| {
        AuthorizationError::new(
            ErrorCode::InvalidRequest,
            "max_age must be a whole number of seconds",
        )
    })
}

fn prompt(text: Option<&str>) -> Result<Prompt, AuthorizationError> {
    let wrong = |description| Err(AuthorizationError::new(ErrorCode::InvalidRequest, description));
    let mut prompt = Prompt::default();
    for word in text
        .unwrap_or_default()
        .split(' ')
        .filter(|word| !word.is_empty())
    {
        match word {
            "none" => prompt.none = true,
            "login" => prompt.login = true,
            "consent" => prompt.consent = true,
            "select_account" => prompt.select_account = true,
            _ => return wrong("prompt must be none, login, consent or select_account"),
        }
    }
    if prompt.none && (prompt.login || prompt.consent || prompt.select_account) {
        return wrong("prompt=none cannot be combined with another value");
    }
    Ok(prompt)
}

impl Reply {
    /// Where the browser is going to be sent, as a registered URI is read.
    #[must_use]
    pub fn destination(&self) -> Option<RedirectUri> {
        self.redirect_uri.parse().ok()
    }
}
