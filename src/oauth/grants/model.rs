use time::OffsetDateTime;

use crate::{
    crypto::{Keyring, Mac, Origin, Place, Purpose},
    types::{ClientContext, ClientId, Fault, GrantId, ScopeSet, SessionId, UserId},
};

/// Why a grant came to its end before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokedReason {
    /// The client revoked its refresh token (RFC 7009).
    ClientRequest,
    /// A used code or refresh token was presented again.
    Replay,
    /// The person took it back.
    Withdrawn,
    /// The person was blocked.
    Blocked,
    /// Somebody else proved to be the owner of the address.
    Disowned,
    /// Its refresh token was found where it should not be.
    Leaked,
}

impl RevokedReason {
    pub(in crate::oauth) const fn name(self) -> &'static str {
        match self {
            Self::ClientRequest => "client_request",
            Self::Replay => "replay",
            Self::Withdrawn => "withdrawn",
            Self::Blocked => "blocked",
            Self::Disowned => "disowned",
            Self::Leaked => "leaked",
        }
    }
}

/// A grant as its row tells it.
#[derive(Clone, Debug)]
pub struct Grant {
    pub id: GrantId,
    pub client_id: ClientId,
    pub user_id: UserId,
    pub session_id: SessionId,
    pub scopes: ScopeSet,
    pub redirect_host: String,
    pub authenticated_at: OffsetDateTime,
    /// The refresh token of this generation is good, and no other.
    pub generation: i32,
    /// When that generation came to be.
    pub rotated_at: OffsetDateTime,
    pub refreshes: i64,
    /// Compared to notice that the client has moved, without opening anything.
    pub context_mac: Vec<u8>,
    pub context_sealed: Vec<u8>,
    pub created_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
    pub revoked_at: Option<OffsetDateTime>,
}

impl Grant {
    #[must_use]
    pub fn is_live(&self, now: OffsetDateTime) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }

    /// Whether a use comes from another address or program than the last one.
    #[must_use]
    pub fn has_moved(&self, keyring: &Keyring, context: &ClientContext) -> bool {
        self.origin(keyring) != Some(Origin::from(context))
    }

    /// From where it was used last; none if that was sealed under a key that is gone.
    #[must_use]
    pub fn origin(&self, keyring: &Keyring) -> Option<Origin> {
        keyring.open_origin(&place(self.id), &self.context_sealed)
    }
}

pub(super) fn place(grant: GrantId) -> Place {
    Place::column("grants", "context_sealed", grant)
}

/// Address and user agent of a use, sealed for the row, and digested so that the next use can be compared.
#[derive(Clone, Debug)]
pub struct Fingerprint {
    pub(super) mac: Vec<u8>,
    pub(super) sealed: Vec<u8>,
}

impl Fingerprint {
    /// # Errors
    ///
    /// If there is no key to seal with.
    pub fn of(keyring: &Keyring, grant: GrantId, context: &ClientContext) -> Result<Self, Fault> {
        Ok(Self {
            mac: Self::mac(keyring, grant, context)?,
            sealed: keyring.seal_origin(&place(grant), &Origin::from(context))?,
        })
    }

    /// The digest alone: key id and the first half of the MAC.
    ///
    /// # Errors
    ///
    /// If there is no key to digest with.
    pub fn mac(keyring: &Keyring, grant: GrantId, context: &ClientContext) -> Result<Vec<u8>, Fault> {
        let message = format!("{grant}/{}/{}", context.address, context.user_agent);
        let Mac { key_id, tag } = keyring.mac(Purpose::Fingerprint, message.as_bytes())?;
        Ok(key_id
            .to_bytes()
            .into_iter()
            .chain(tag.into_iter().take(16))
            .collect())
    }
}
