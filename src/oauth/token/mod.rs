//! The token endpoint (RFC 6749 §3.2): one file for each grant type.

mod authorization_code;
mod client_credentials;
mod refresh_token;

use std::{borrow::Cow, sync::Arc};

use serde::Serialize;

use super::{
    Authority, EndpointError,
    access_token::AccessToken,
    clients::{Client, GrantType, Presented, authenticate},
};
use crate::{
    crypto::Token,
    types::{ClientContext, ScopeSet},
    web::Parameters,
};

/// A request, typed: each grant type has what it needs, and nothing optional that it must have.
#[derive(Debug)]
enum TokenRequest {
    AuthorizationCode {
        code: Token,
        redirect_uri: Option<String>,
        code_verifier: Token,
    },
    RefreshToken {
        refresh_token: Token,
        scope: Option<ScopeSet>,
    },
    ClientCredentials {
        scope: Option<ScopeSet>,
    },
}

impl TokenRequest {
    fn read(form: &Parameters) -> Result<Self, EndpointError> {
        if let Some(repeated) = form.repeated() {
            return Err(repeated.into());
        }
        let needed = |name: &str| -> Result<&str, EndpointError> {
            form.one(name)?
                .ok_or_else(|| EndpointError::InvalidRequest(format!("{name} is missing")))
        };
        let scope = || {
            form.one("scope")?
                .map(str::parse)
                .transpose()
                .map_err(|error: crate::types::InvalidScope| EndpointError::InvalidScope(error.to_string()))
        };
        match needed("grant_type")? {
            "authorization_code" => Ok(Self::AuthorizationCode {
                code: Token::presented(needed("code")?),
                redirect_uri: form.one("redirect_uri")?.map(str::to_owned),
                code_verifier: Token::presented(needed("code_verifier")?),
            }),
            "refresh_token" => Ok(Self::RefreshToken {
                refresh_token: Token::presented(needed("refresh_token")?),
                scope: scope()?,
            }),
            "client_credentials" => Ok(Self::ClientCredentials { scope: scope()? }),
            _ => Err(EndpointError::UnsupportedGrantType),
        }
    }

    const fn grant_type(&self) -> GrantType {
        match self {
            Self::AuthorizationCode { .. } => GrantType::AuthorizationCode,
            Self::RefreshToken { .. } => GrantType::RefreshToken,
            Self::ClientCredentials { .. } => GrantType::ClientCredentials,
        }
    }
}

/// The successful answer (RFC 6749 §5.1, OIDC Core §3.1.3.3).
#[derive(Serialize)]
pub struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    scope: ScopeSet,
}

impl TokenResponse {
    fn bearer((text, token): &(Token, AccessToken)) -> Self {
        Self {
            access_token: text.expose().to_owned(),
            token_type: "Bearer",
            expires_in: token.expires_at - token.issued_at,
            refresh_token: None,
            id_token: None,
            scope: token.scopes.clone(),
        }
    }

    fn with_refresh_token(mut self, token: &Token) -> Self {
        self.refresh_token = Some(token.expose().to_owned());
        self
    }
}

/// Answers a token request.
///
/// # Errors
///
/// See [`EndpointError`]. The client is told too, as far as it was recognized, for its request log.
pub async fn token(
    authority: &Authority,
    authorization: Option<&str>,
    form: &Parameters,
    context: &ClientContext,
) -> (Option<Arc<Client>>, Result<TokenResponse, EndpointError>) {
    let recognized = async {
        let presented = Presented::read(authorization, form)?;
        authenticate(authority, &presented, context).await
    };
    let client = match recognized.await {
        Ok(client) => client,
        Err(failure) => return (named(authority, authorization, form).await, Err(failure.into())),
    };
    let answer = answer(authority, &client, form, context).await;
    (Some(client), answer)
}

/// The client that a request names, proved or not: its developer should see in the log that a secret was wrong.
pub async fn named(
    authority: &Authority,
    authorization: Option<&str>,
    form: &Parameters,
) -> Option<Arc<Client>> {
    let id = Presented::read(authorization, form)
        .ok()?
        .client_id
        .parse()
        .ok()?;
    authority.clients.get(id).await.ok()?
}

/// What of `granted` the client may have now: its ceiling may have come down since.
fn within_ceiling<'g>(client: &Client, granted: &'g ScopeSet) -> Result<Cow<'g, ScopeSet>, EndpointError> {
    let ceiling = &client.registration.scopes;
    if granted.is_subset(ceiling) {
        return Ok(Cow::Borrowed(granted));
    }
    let left = granted.common_with(ceiling);
    if left.is_empty() {
        return Err(EndpointError::InvalidGrant {
            because: "this client is not registered any more for any scope that was granted",
        });
    }
    Ok(Cow::Owned(left))
}

async fn answer(
    authority: &Authority,
    client: &Client,
    form: &Parameters,
    context: &ClientContext,
) -> Result<TokenResponse, EndpointError> {
    let request = TokenRequest::read(form)?;
    let grant_type = request.grant_type();
    if !client.allows(grant_type) {
        return Err(EndpointError::UnauthorizedClient(grant_type.name()));
    }
    match request {
        TokenRequest::AuthorizationCode {
            code,
            redirect_uri,
            code_verifier,
        } => {
            let redemption = authorization_code::Redemption {
                code,
                redirect_uri,
                code_verifier,
            };
            authorization_code::redeem(authority, client, redemption, context).await
        }
        TokenRequest::RefreshToken { refresh_token, scope } => {
            refresh_token::refresh(authority, client, &refresh_token, scope.as_ref(), context).await
        }
        TokenRequest::ClientCredentials { scope } => {
            client_credentials::issue(authority, client, scope.as_ref())
        }
    }
}
