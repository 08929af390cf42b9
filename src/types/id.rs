use std::{array, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Clock, Entropy};

/// A string that is no id of the kind that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {0}…")]
pub struct InvalidId(&'static str);

/// Crockford's base 32 in lower case: no letter is mistaken for a digit when an id is read aloud.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters that 128 bits take, five bits each.
const LENGTH: usize = 26;

fn encode(id: Uuid, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let number = id.as_u128();
    let text: [u8; LENGTH] = array::from_fn(|place| {
        let digit = usize::try_from((number >> (5 * (LENGTH - 1 - place))) & 31).unwrap_or_default();
        ALPHABET.get(digit).copied().unwrap_or(b'0')
    });
    // Once for all: answers to programs are full of ids.
    f.write_str(str::from_utf8(&text).unwrap_or_default())
}

fn decode(text: &str) -> Option<Uuid> {
    if text.len() != LENGTH {
        return None;
    }
    text.bytes()
        .try_fold(0_u128, |number, character| {
            let digit = ALPHABET.iter().position(|letter| *letter == character)?;
            number.checked_mul(32)?.checked_add(u128::try_from(digit).ok()?)
        })
        .map(Uuid::from_u128)
}

macro_rules! ids {
    ($($(#[doc = $doc:literal])+ $name:ident = $prefix:literal;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            #[must_use]
            pub fn new(clock: &Clock, entropy: &Entropy) -> Self {
                Self(entropy.uuid(clock))
            }

            #[must_use]
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                encode(self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix($prefix).and_then(decode).map(Self).ok_or(InvalidId($prefix))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

ids! {
    /// A person.
    UserId = "usr_";
    /// Who owns and is billed.
    AccountId = "acc_";
    /// One integration of an account.
    AppId = "app_";
    /// An OAuth client; as text, its `client_id`.
    ClientId = "cli_";
    /// One of the secrets of a client.
    ClientSecretId = "csi_";
    /// A sign-in session; as text, the `sid` of tokens.
    SessionId = "ses_";
    /// What one redeemed code gave: a chain of refresh tokens and the access tokens beside it.
    GrantId = "grt_";
    /// An authorization code, before and after it is redeemed.
    CodeId = "cod_";
    /// An authorization request that waits for a person.
    AuthorizationRequestId = "arq_";
    /// An access token; as text, its `jti`.
    TokenId = "jti_";
    /// A one-time link.
    LinkId = "lnk_";
    /// A running server.
    NodeId = "nod_";
    /// A key that signs tokens.
    SigningKeyId = "sgk_";
    /// An API key: its name, not its value.
    ApiKeyId = "key_";
    /// Where an app wants its webhooks.
    WebhookEndpointId = "whe_";
    /// One of the secrets of a webhook endpoint.
    WebhookSecretId = "whs_";
    /// Something that webhooks tell; as text, their `webhook-id`.
    WebhookMessageId = "msg_";
    /// A message on its way to one endpoint.
    WebhookDeliveryId = "dlv_";
    /// Somebody's word that they found a credential.
    LeakReportId = "lkr_";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_no_other_kind_does() {
        let id = UserId::from_uuid(Uuid::from_u128(0x0193_5c2e_7b1a_7000_8000_0000_dead_beef));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().parse::<ClientId>().is_err());
        for bad in [
            "",
            "usr_",
            "usr_zzzzzzzzzzzzzzzzzzzzzzzzzz",
            "usr_0000000000000000000000000i",
            "usr_é",
        ] {
            assert!(bad.parse::<UserId>().is_err(), "{bad}");
        }
    }
}
