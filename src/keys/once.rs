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
type Body = Zeroizing<[u8; 64]>;

/// Whether a request came before, where one of its kind may come twice.
pub enum Entered {
    /// The first time. What it makes is made of this.
    First(Seed),
    /// What the first one made.
    Before { made: String, seed: Seed },
}

/// What the body of a new key is made of.
#[derive(Debug)]
pub enum Seed {
    /// Nothing: it is drawn.
    Drawn,
    /// The request, in its message. Its salt is forgotten with it: an `Idempotency-Key` that is used again after that
    /// makes another value.
    Request(Vec<u8>),
}

/// Of a request whose value may have to be made again.
pub(super) type Salt = [u8; 16];

impl Once {
    fn seed(&self, salt: &[u8]) -> Seed {
        let mut message = Vec::new();
        for part in [&self.caller, &self.key] {
            message.extend(part.as_bytes());
            message.push(0);
        }
        message.extend(salt);
        Seed::Request(message)
    }
}

/// What a body is derived from, in two halves: an HMAC has half as many bytes.
fn halves(message: &[u8]) -> [Vec<u8>; 2] {
    [0, 1].map(|half| [message, &[half]].concat())
}

impl Keys {
    /// The body of a new key.
    pub(super) fn body(&self, seed: &Seed) -> Result<Body, Fault> {
        let Seed::Request(message) = seed else {
            return Ok(Zeroizing::new(self.entropy.bytes()));
        };
        let mut body = Zeroizing::new([0; 64]);
        let [first, second] = halves(message);
        let halves = [
            self.keyring.mac(Purpose::ApiKeyBody, &first)?,
            self.keyring.mac(Purpose::ApiKeyBody, &second)?,
        ];
        for (to, from) in body.iter_mut().zip(halves.iter().flat_map(|half| half.tag)) {
            *to = from;
        }
        Ok(body)
    }

    /// Enters a request that may come again as having made `made`.
    ///
    /// # Errors
    ///
    /// [`KeyError::OtherRequest`] if the first one asked for something else.
    pub async fn enter(
        &self,
        transaction: &mut Transaction,
        once: Option<&Once>,
        made: &str,
    ) -> Result<Entered, KeyError> {
        let Some(once) = once else {
            return Ok(Entered::First(Seed::Drawn));
        };
        let salt: Salt = self.entropy.bytes();
        let now = self.clock.now();
        let first = store::enter_request(transaction, once, made, salt, now).await?;
        match first {
            None => Ok(Entered::First(once.seed(&salt))),
            Some(first) if same(&first.request_digest, &once.digest) => Ok(Entered::Before {
                seed: once.seed(&first.salt),
                made: first.made,
            }),
            Some(_) => Err(KeyError::OtherRequest),
        }
    }

    /// What the first one made, if this is not the first.
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
        match self.enter(transaction, once, made).await? {
            Entered::First(_) => Ok(None),
            Entered::Before { made, .. } => Ok(Some(made)),
        }
    }

    /// The answer of the first one for what made a key, if the asker may still make keys there. Whoever was removed from the
    /// account meanwhile gets no value again.
    pub(super) async fn again(
        &self,
        mut transaction: Transaction,
        made: &str,
        seed: &Seed,
        asker: &Asker<'_>,
    ) -> Result<Made, KeyError> {
        let id: ApiKeyId = made.parse().map_err(Fault::from)?;
        let key = store::key(&mut transaction, id)
            .await?
            .ok_or(KeyError::NotFound)?;
        let app = key.app_id.ok_or(KeyError::NotFound)?;
        permit(&mut transaction, asker, app, Some(Permission::WriteKeys)).await?;
        let value = self.value_again(&key, seed);
        self.settle_others(transaction).await?;
        Ok(Made {
            key,
            value,
            again: true,
        })
    }

    /// The value that the first request made, if the key still has it.
    fn value_again(&self, key: &ApiKey, seed: &Seed) -> Option<Token> {
        let Seed::Request(message) = seed else {
            return None;
        };
        let family = self.config.keys.families.get(&key.family)?;
        let [first, second] = halves(message).map(|half| self.keyring.macs(Purpose::ApiKeyBody, &half));
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
