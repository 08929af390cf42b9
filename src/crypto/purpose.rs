use time::OffsetDateTime;

/// What a derived key is for. No key serves two purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Seals authorization codes.
    AuthorizationCode,
    /// Authenticates refresh tokens.
    RefreshToken,
    /// Digests client secrets, so that a stolen table alone is no use.
    ClientSecret,
    /// Seals the private halves of signing keys.
    SigningKey,
    /// Seals addresses and user agents on sessions and grants.
    ClientContext,
    /// Compares addresses and user agents without opening them, and digests subjects of throttling.
    Fingerprint,
    /// Binds forms to a browser.
    Csrf,
    /// Seals the cookie by which a browser is known in which somebody was signed in.
    KnownBrowser,
    /// Digests API keys: the pepper, without which a stolen table cannot be compared with anything.
    ApiKey,
    /// Makes the body of an API key that is asked for with an `Idempotency-Key`: asked for again, it is made again.
    ApiKeyBody,
    /// Seals the secrets that sign webhooks.
    WebhookSecret,
}

impl Purpose {
    pub const ALL: [Self; 11] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientSecret,
        Self::SigningKey,
        Self::ClientContext,
        Self::Fingerprint,
        Self::Csrf,
        Self::KnownBrowser,
        Self::ApiKey,
        Self::ApiKeyBody,
        Self::WebhookSecret,
    ];

    /// The name in the database and in the derivation. It can never change.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization-code",
            Self::RefreshToken => "refresh-token",
            Self::ClientSecret => "client-secret",
            Self::SigningKey => "signing-key",
            Self::ClientContext => "client-context",
            Self::Fingerprint => "fingerprint",
            Self::Csrf => "csrf",
            Self::KnownBrowser => "known-browser",
            Self::ApiKey => "api-key",
            Self::ApiKeyBody => "api-key-body",
            Self::WebhookSecret => "webhook-secret",
        }
    }

    /// Whether it authenticates or seals what clients and browsers hold and present. The others protect what is
    /// stored, so that with the key alone nothing can be made that anybody would accept.
    #[must_use]
    pub const fn travels(self) -> bool {
        match self {
            Self::AuthorizationCode
            | Self::RefreshToken
            | Self::Csrf
            | Self::KnownBrowser
            | Self::ApiKeyBody => true,
            Self::ClientSecret
            | Self::SigningKey
            | Self::ClientContext
            | Self::Fingerprint
            | Self::ApiKey
            | Self::WebhookSecret => false,
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }
}

/// Names a derived key; stands before what it sealed and in what it authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub i32);

impl KeyId {
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }

    #[must_use]
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(i32::from_be_bytes(bytes))
    }
}

/// HMAC-SHA256 and the key that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac {
    pub key_id: KeyId,
    pub tag: [u8; 32],
}

/// Where a derived key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It was made, and its time has not come.
    Waiting,
    /// It seals and authenticates.
    Current,
    /// Its successor has taken over; it still opens and verifies.
    Serving,
    /// Nothing opens or verifies with it any more.
    Retired,
}

/// A derived key without itself.
#[derive(Clone, Debug)]
pub struct KeyStatus {
    pub id: KeyId,
    pub purpose: Purpose,
    pub master_key_id: String,
    pub active_from: OffsetDateTime,
    /// When its successor takes over, if there is one.
    pub superseded_at: Option<OffsetDateTime>,
    /// From when on it is good for nothing, if that is settled.
    pub retired_at: Option<OffsetDateTime>,
    pub state: KeyState,
}
