//! What this server says of itself (RFC 8414, OpenID Connect Discovery §3). Everything here is true, or it is not
//! here.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::{Authority, clients::GrantType, id_token::ACR};
use crate::{
    scopes::{self, Audience, Catalogue},
    types::Fault,
};

/// How old the document may be: far less than clients keep it.
const FRESH: Duration = Duration::from_secs(2);

/// The document as it was last made.
#[derive(Clone, Default)]
pub(super) struct LastDocument(Arc<RwLock<Option<Made>>>);

#[derive(Clone)]
struct Made {
    at: OffsetDateTime,
    document: Arc<str>,
}

impl Authority {
    /// The metadata as JSON. The catalogue of scopes is read for it every other second, not for every request.
    ///
    /// # Errors
    ///
    /// If the database is needed and out of reach.
    pub(super) async fn metadata(&self) -> Result<Arc<str>, Fault> {
        let now = self.clock.now();
        let last = self
            .last_document
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        // Of a clock that stepped back, too, it is as old as the clock has moved.
        if let Some(made) = last.filter(|made| (now - made.at).unsigned_abs() < FRESH) {
            return Ok(made.document);
        }
        let catalogue = scopes::catalogue(&mut *self.db.connection().await?).await?;
        let document: Arc<str> = Value::Object(metadata(&self.issuer, &catalogue))
            .to_string()
            .into();
        *self
            .last_document
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(Made {
            at: now,
            document: document.clone(),
        });
        Ok(document)
    }
}

/// The document that both well-known addresses answer with.
fn metadata(issuer: &str, catalogue: &Catalogue) -> Map<String, Value> {
    let at = |path: &str| format!("{issuer}{path}");
    let scopes: Vec<&str> = catalogue
        .0
        .iter()
        .filter(|entry| entry.audience != Audience::FirstParty)
        .map(|entry| entry.scope.as_str())
        .collect();
    let secrets = ["client_secret_basic", "client_secret_post"];
    let document = json!({
        "issuer": issuer,
        "authorization_endpoint": at("/oauth/authorize"),
        "token_endpoint": at("/oauth/token"),
        "introspection_endpoint": at("/oauth/introspect"),
        "revocation_endpoint": at("/oauth/revoke"),
        "userinfo_endpoint": at("/oauth/userinfo"),
        "jwks_uri": at("/.well-known/jwks.json"),
        "scopes_supported": scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": GrantType::ALL,
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint_auth_methods_supported": secrets,
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "authorization_response_iss_parameter_supported": true,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "EdDSA", "RS256"],
        "claims_supported": [
            "sub", "iss", "aud", "azp", "exp", "iat", "auth_time", "nonce", "at_hash", "acr", "amr", "sid",
            "name", "email", "email_verified",
        ],
        "acr_values_supported": [ACR],
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "ui_locales_supported": ["en"],
    });
    match document {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
