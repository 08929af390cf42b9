//! The access tokens that this node issued and that are still good, by digest. Nothing of them is at rest.

use std::{
    collections::HashSet,
    hash::{BuildHasherDefault, Hasher},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use hashbrown::HashMap;
use uuid::Uuid;

use crate::{
    crypto::{Token, digest},
    types::ScopeSet,
};

/// What is remembered of a token. A token that a client has for itself has nil ids for person, grant and
/// session.
#[derive(Clone, Debug)]
pub(super) struct LiveToken {
    pub(super) id: Uuid,
    pub(super) client: Uuid,
    pub(super) user: Uuid,
    pub(super) grant: Uuid,
    pub(super) session: Uuid,
    pub(super) scopes: ScopeSet,
    pub(super) authenticated_at: i64,
    pub(super) ends_with_session: bool,
    pub(super) issued_at: i64,
    pub(super) expires_at: i64,
}

/// The same in few bytes: there may be millions.
struct Packed {
    id: Uuid,
    user: Uuid,
    grant: Uuid,
    session: Uuid,
    of: Arc<Holder>,
    authenticated_at: u32,
    issued_at: u32,
    expires_at: u32,
    ends_with_session: bool,
}

/// What many tokens have in common.
#[derive(PartialEq, Eq, Hash)]
struct Holder {
    client: Uuid,
    scopes: ScopeSet,
}

type Key = [u8; 16];
type Shard = HashMap<Key, Packed, BuildHasherDefault<FirstBytes>>;

/// Keys are halves of SHA-256: any eight bytes of them are as good as a hash of them.
#[derive(Default)]
pub(super) struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Clone)]
pub(super) struct LiveTokens {
    shards: Arc<[RwLock<Shard>; SHARDS]>,
    holders: Arc<Mutex<HashSet<Arc<Holder>>>>,
}

const SHARDS: usize = 16;
/// Tokens in memory, about a gigabyte: any client may ask for as many as it likes. Those beyond are known by their
/// signature, as those of other nodes are.
const MOST: usize = 4_000_000;

impl LiveTokens {
    pub(super) fn new() -> Self {
        Self {
            shards: Arc::new(std::array::from_fn(|_| RwLock::default())),
            holders: Arc::default(),
        }
    }

    fn key(text: &str) -> Key {
        let digest = digest(text.as_bytes());
        digest.first_chunk().copied().unwrap_or_default()
    }

    /// The last byte chooses the shard, the first eight the place in it.
    fn shard(&self, key: &Key) -> Option<&RwLock<Shard>> {
        self.shards.get(usize::from(key.last().copied()?) % SHARDS)
    }

    pub(super) fn insert(&self, token: &Token, live: LiveToken) {
        let key = Self::key(token.expose());
        let packed = Packed {
            id: live.id,
            user: live.user,
            grant: live.grant,
            session: live.session,
            of: self.holder(Holder {
                client: live.client,
                scopes: live.scopes,
            }),
            authenticated_at: seconds(live.authenticated_at),
            issued_at: seconds(live.issued_at),
            expires_at: seconds(live.expires_at),
            ends_with_session: live.ends_with_session,
        };
        if let Some(shard) = self.shard(&key) {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            if shard.len() < MOST / SHARDS {
                shard.insert(key, packed);
            }
        }
    }

    fn holder(&self, holder: Holder) -> Arc<Holder> {
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = holders.get(&holder) {
            return known.clone();
        }
        let holder = Arc::new(holder);
        holders.insert(holder.clone());
        holder
    }

    pub(super) fn get(&self, text: &str) -> Option<LiveToken> {
        let key = Self::key(text);
        let shard = self.shard(&key)?.read().unwrap_or_else(PoisonError::into_inner);
        let packed = shard.get(&key)?;
        Some(LiveToken {
            id: packed.id,
            client: packed.of.client,
            user: packed.user,
            grant: packed.grant,
            session: packed.session,
            scopes: packed.of.scopes.clone(),
            authenticated_at: i64::from(packed.authenticated_at),
            ends_with_session: packed.ends_with_session,
            issued_at: i64::from(packed.issued_at),
            expires_at: i64::from(packed.expires_at),
        })
    }

    /// Forgets what has expired, one shard after another, so that nobody waits long.
    pub(super) fn sweep(&self, now: i64) -> usize {
        let now = seconds(now);
        let mut gone = 0;
        for shard in self.shards.iter() {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            let before = shard.len();
            shard.retain(|_, packed| packed.expires_at > now);
            gone += before - shard.len();
            if shard.capacity() > 4 * shard.len().max(1_024) {
                shard.shrink_to_fit();
            }
        }
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        holders.retain(|holder| Arc::strong_count(holder) > 1);
        gone
    }

    pub(super) fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len())
            .sum()
    }
}

/// Times of tokens fit until the year 2106.
fn seconds(time: i64) -> u32 {
    u32::try_from(time.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(expires_at: i64) -> LiveToken {
        LiveToken {
            id: Uuid::nil(),
            client: Uuid::nil(),
            user: Uuid::nil(),
            grant: Uuid::nil(),
            session: Uuid::nil(),
            scopes: "a b".parse().expect("scopes"),
            authenticated_at: 0,
            ends_with_session: false,
            issued_at: 1,
            expires_at,
        }
    }

    #[test]
    fn tokens_are_known_until_they_expire() {
        let tokens = LiveTokens::new();
        for number in 0..1_000 {
            tokens.insert(&Token::from(format!("token {number}")), live(number));
        }
        assert_eq!(tokens.get("token 7").map(|live| live.expires_at), Some(7));
        assert!(tokens.get("token 1000").is_none());
        assert_eq!(tokens.sweep(500), 501);
        assert_eq!(tokens.len(), 499);
        assert!(tokens.get("token 500").is_none() && tokens.get("token 501").is_some());
    }

    #[test]
    fn a_token_takes_few_bytes() {
        // With a hash table at its emptiest (7/16 full) this is what a million tokens cost each.
        let entry = size_of::<Key>() + size_of::<Packed>() + 1;
        assert!(entry * 16 / 7 <= 250, "{entry}");
    }
}
