use std::{str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Logo;
use crate::{
    config::{Config, SigningAlgorithm},
    crypto::{Mac, digest, encode_base64url},
    scopes::{Audience, Catalogue},
    types::{AccountId, AppId, ClientId, ClientSecretId, DisplayName, InvalidLine, RedirectUri, ScopeSet},
};

/// Whether a client can keep a secret (RFC 6749 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    Public,
    Confidential,
}

impl ClientKind {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Confidential => "confidential",
        }
    }
}

impl FromStr for ClientKind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "public" => Ok(Self::Public),
            "confidential" => Ok(Self::Confidential),
            _ => Err("a client is public or confidential"),
        }
    }
}

/// What a client may come to the token endpoint with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    AuthorizationCode,
    RefreshToken,
    ClientCredentials,
}

impl GrantType {
    pub const ALL: [Self; 3] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
        }
    }
}

impl FromStr for GrantType {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|grant| grant.name() == text)
            .ok_or("a grant type is authorization_code, refresh_token or client_credentials")
    }
}

/// A secret of a confidential client, as it is kept: its digest, never itself.
#[derive(Clone, Debug)]
pub struct ClientSecret {
    pub id: ClientSecretId,
    pub mac: Mac,
    /// The first characters, by which its owner knows it again.
    pub hint: String,
    pub created_at: OffsetDateTime,
    /// When it stops being good, if it was replaced.
    pub expires_at: Option<OffsetDateTime>,
}

impl ClientSecret {
    #[must_use]
    pub fn is_live(&self, now: OffsetDateTime) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// What is registered of a client and can be changed.
#[derive(Clone, Debug)]
pub struct Registration {
    pub name: String,
    pub kind: ClientKind,
    pub redirect_uris: Vec<RedirectUri>,
    pub grant_types: Vec<GrantType>,
    /// The most it may ever ask for.
    pub scopes: ScopeSet,
    /// Those of them that the client can do without: people may leave them out.
    pub optional_scopes: ScopeSet,
    /// Who stands behind it, as the consent page says.
    pub publisher: Option<String>,
    pub id_token_alg: SigningAlgorithm,
    /// How long it may repeat a refresh; none is the default for its kind.
    pub retry_window: Option<Duration>,
}

/// Why a registration cannot stand. Each names what to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    #[error("its name: {0}")]
    Name(InvalidLine),
    #[error("its publisher: {0}")]
    Publisher(InvalidLine),
    #[error("at least one redirect URI is needed for the authorization code grant")]
    NoRedirectUri,
    #[error("at most 20 redirect URIs can be registered")]
    ManyRedirectUris,
    #[error("at least one grant type is needed")]
    NoGrantType,
    #[error("refresh tokens come with authorization codes: allow authorization_code too")]
    RefreshAlone,
    #[error("client_credentials needs a client that can keep a secret: make it confidential")]
    PublicCredentials,
    #[error("scope {0} is not in the catalogue; `claviger scope add` adds it")]
    UnknownScope(String),
    #[error("scope {0} is for confidential clients only")]
    ConfidentialScope(String),
    #[error("scope {0} is for first-party clients only, which an operator marks")]
    HouseScope(String),
    #[error("the retry window is 0 to 60 seconds")]
    RetryWindow,
    #[error("redirect URI {0} is new: only an operator adds one to a first-party client")]
    FirstPartyRedirectUri(String),
    #[error("scope {0} is new: only an operator adds one to a first-party client")]
    FirstPartyScope(String),
    #[error("it names no publisher that could be verified")]
    NoPublisher,
}

impl Registration {
    const MOST_REDIRECT_URIS: usize = 20;
    const LONGEST_RETRY_WINDOW: Duration = Duration::from_mins(1);

    /// Names this registration and no other: whoever decides by what they saw says which that was.
    #[must_use]
    pub fn version(&self) -> String {
        let lists = [
            self.redirect_uris
                .iter()
                .map(|uri| uri.as_str().to_owned())
                .collect(),
            self.grant_types
                .iter()
                .map(|grant| grant.name().to_owned())
                .collect(),
            self.scopes.to_strings(),
            self.optional_scopes.to_strings(),
            vec![
                self.name.clone(),
                self.publisher.clone().unwrap_or_default(),
                self.kind.name().to_owned(),
                format!("{:?}", self.id_token_alg),
                format!("{:?}", self.retry_window),
            ],
        ];
        // None of the values holds these control characters.
        let text = lists.map(|list: Vec<String>| list.join("\u{1f}")).join("\u{1e}");
        encode_base64url(&digest(text.as_bytes()))
    }

    /// Checks what must hold of every client, whoever registers it.
    ///
    /// # Errors
    ///
    /// Names the first thing to mend.
    pub fn check(&self, catalogue: &Catalogue, first_party: bool) -> Result<(), RegistrationError> {
        self.faults(catalogue, first_party)
            .into_iter()
            .next()
            .map_or(Ok(()), Err)
    }

    /// All that is to be mended.
    #[must_use]
    pub fn faults(&self, catalogue: &Catalogue, first_party: bool) -> Vec<RegistrationError> {
        let mut faults = Vec::new();
        if let Err(error) = self.name.parse::<DisplayName>() {
            faults.push(RegistrationError::Name(error));
        }
        if let Some(Err(error)) = self.publisher.as_ref().map(|name| name.parse::<DisplayName>()) {
            faults.push(RegistrationError::Publisher(error));
        }
        let codes = self.grant_types.contains(&GrantType::AuthorizationCode);
        for (wrong, fault) in [
            (
                self.redirect_uris.len() > Self::MOST_REDIRECT_URIS,
                RegistrationError::ManyRedirectUris,
            ),
            (self.grant_types.is_empty(), RegistrationError::NoGrantType),
            (
                codes && self.redirect_uris.is_empty(),
                RegistrationError::NoRedirectUri,
            ),
            (
                !codes && self.grant_types.contains(&GrantType::RefreshToken),
                RegistrationError::RefreshAlone,
            ),
            (
                self.kind == ClientKind::Public && self.grant_types.contains(&GrantType::ClientCredentials),
                RegistrationError::PublicCredentials,
            ),
            (
                self.retry_window
                    .is_some_and(|window| window > Self::LONGEST_RETRY_WINDOW),
                RegistrationError::RetryWindow,
            ),
        ] {
            if wrong {
                faults.push(fault);
            }
        }
        for scope in &self.scopes {
            let name = scope.to_string();
            match catalogue.find(&name).map(|entry| entry.audience) {
                None => faults.push(RegistrationError::UnknownScope(name)),
                Some(audience) if audience.admits(self.kind == ClientKind::Confidential, first_party) => {}
                Some(Audience::FirstParty) => faults.push(RegistrationError::HouseScope(name)),
                Some(Audience::Any | Audience::Confidential) => {
                    faults.push(RegistrationError::ConfidentialScope(name));
                }
            }
        }
        faults
    }
}

/// A client with all that the endpoints ask of it.
#[derive(Clone, Debug)]
pub struct Client {
    pub id: ClientId,
    pub app_id: AppId,
    pub account_id: AccountId,
    pub registration: Registration,
    /// The operator's own: consent may be skipped.
    pub first_party: bool,
    pub publisher_verified: bool,
    /// The digest of its logo, which is also the logo's address.
    pub logo_digest: Option<String>,
    pub secrets: Vec<ClientSecret>,
    /// When its owner shut it out.
    pub disabled_at: Option<OffsetDateTime>,
    /// When whoever runs the server shut it out: its owner cannot let it in.
    pub shut_out_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
}

impl Client {
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.disabled_at.is_some() || self.shut_out_at.is_some()
    }

    #[must_use]
    pub fn allows(&self, grant_type: GrantType) -> bool {
        self.registration.grant_types.contains(&grant_type)
    }

    /// How long a refresh may be repeated: nothing for clients that do not prove who they are, unless their
    /// owner said otherwise.
    #[must_use]
    pub fn retry_window(&self, config: &Config) -> Duration {
        self.registration
            .retry_window
            .unwrap_or(match self.registration.kind {
                ClientKind::Public => Duration::ZERO,
                ClientKind::Confidential => config.oauth.retry_window.duration(),
            })
    }

    /// Where the logo can be fetched from this server.
    #[must_use]
    pub fn logo_path(&self) -> Option<String> {
        self.logo_digest
            .as_ref()
            .map(|digest| Logo::path(self.id, digest))
    }

    /// A digest of what people are shown of a client: when it changes, they are asked again.
    #[must_use]
    pub fn presentation(&self) -> [u8; 32] {
        let mut hosts: Vec<String> = self
            .registration
            .redirect_uris
            .iter()
            .map(RedirectUri::host)
            .collect();
        hosts.sort();
        hosts.dedup();
        let logo = self.logo_digest.as_deref().unwrap_or_default();
        let shown = [self.registration.name.as_str(), logo, &hosts.join(" ")].join("\u{1f}");
        digest(shown.as_bytes())
    }
}
