//! Requests that may come twice (`Idempotency-Key`). The value of a key that such a request makes is not drawn but derived,
//! as refresh tokens are: when the answer was lost and the request comes again, the same value is made again, and
//! nothing that could be replayed was at rest meanwhile.

use zeroize::Zeroizing;

use super::{ApiKey, Asker, KeyError, Keys, act::permit, format, store};
use crate::{
    accounts::Permission,
    crypto::{Purpose, Token, same},
    db::Transaction,
    types::{ApiKeyId, Fault},
};

/// A request that may come again.
#[derive(Clone, Debug)]
pub struct Once {
    /// Who sent it: two callers may choose the same key.
    pub caller: String,
    /// The `Idempotency-Key`.
    pub key: String,
    /// Of what it asks for.
    pub digest: [u8; 32],
}

/// A key that was made or got a new value. The value is here and nowhere else.
#[derive(Debug)]
pub struct Made {
    pub key: ApiKey,
    /// None where the request came again and the key has another value by now.
    pub value: Option<Token>,
    /// Whether the same request had made it before.
    pub again: bool,
}

/// As many bytes as the longest body takes.
pub(super) type Body = Zeroizing<[u8; 64]>;

impl Once {
    /// What a body is derived from, in two halves: an HMAC has half as many bytes.
    fn message(&self, half: u8) -> Vec<u8> {
        let mut message = Vec::with_capacity(self.caller.len() + self.key.len() + 3);
        for part in [&self.caller, &self.key] {
            message.extend(part.as_bytes());
            message.push(0);
        }
        message.push(half);
        message
    }
}

impl Keys {
    /// The body of a new key.
    pub(super) fn body(&self, once: Option<&Once>) -> Result<Body, Fault> {
        let Some(once) = once else {
            return Ok(Zeroizing::new(self.entropy.bytes()));
        };
        let mut body = Zeroizing::new([0; 64]);
        let halves = [
            self.keyring.mac(Purpose::ApiKeyBody, &once.message(0))?,
            self.keyring.mac(Purpose::ApiKeyBody, &once.message(1))?,
        ];
        for (to, from) in body.iter_mut().zip(halves.iter().flat_map(|half| half.tag)) {
            *to = from;
        }
        Ok(body)
    }

    /// Enters a request that may come again as having made `made`; what the first one made, if this is not the first.
    ///
    /// # Errors
    ///
    /// [`KeyError::OtherRequest`] if the first one asked for something else.
    pub async fn made_before(
        &self,
        transaction: &mut Transaction,
        once: Option<&Once>,
        made: &str,
    ) -> Result<Option<String>, KeyError> {
        let Some(once) = once else {
            return Ok(None);
        };
        let now = self.clock.now();
        let first =
            store::enter_request(transaction, &once.caller, &once.key, &once.digest, made, now).await?;
        match first {
            None => Ok(None),
            Some((digest, made)) if same(&digest, &once.digest) => Ok(Some(made)),
            Some(_) => Err(KeyError::OtherRequest),
        }
    }

    /// The same for what makes a key: the answer of the first one, if the asker may still make keys there. Whoever was
    /// removed from the account meanwhile gets no value again.
    pub(super) async fn first_time(
        &self,
        transaction: &mut Transaction,
        once: Option<&Once>,
        made: ApiKeyId,
        asker: &Asker<'_>,
    ) -> Result<Option<Made>, KeyError> {
        let made = self.made_before(transaction, once, &made.to_string()).await?;
        let (Some(made), Some(once)) = (made, once) else {
            return Ok(None);
        };
        let id: ApiKeyId = made.parse().map_err(Fault::from)?;
        let key = store::key(transaction, id).await?.ok_or(KeyError::NotFound)?;
        let app = key.app_id.ok_or(KeyError::NotFound)?;
        permit(transaction, asker, app, Some(Permission::WriteKeys)).await?;
        let value = self.value_again(&key, once);
        Ok(Some(Made {
            key,
            value,
            again: true,
        }))
    }

    /// The value that the first request made, if the key still has it.
    fn value_again(&self, key: &ApiKey, once: &Once) -> Option<Token> {
        let family = self.config.keys.families.get(&key.family)?;
        let first = self.keyring.macs(Purpose::ApiKeyBody, &once.message(0));
        let second = self.keyring.macs(Purpose::ApiKeyBody, &once.message(1));
        first.iter().zip(&second).find_map(|(first, second)| {
            let body = Zeroizing::new([first.tag, second.tag].concat());
            let (value, _) = format::compose(family, key.kind, key.environment, &body);
            self.is_value_of(key, &value).then_some(value)
        })
    }

    /// Whether this is the value that a key has now.
    pub(super) fn is_value_of(&self, key: &ApiKey, value: &Token) -> bool {
        self.keyring
            .mac_with(Purpose::ApiKey, key.mac.key_id, value.expose().as_bytes())
            .is_some_and(|mac| same(&mac.tag, &key.mac.tag))
    }
}
