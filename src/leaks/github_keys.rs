//! The keys with which GitHub signs its reports. They are asked for when they are first needed, kept for a while, and asked
//! for once more when a report names one that is not among them. Strangers can have them asked for, and looked for in vain,
//! only so often; nobody's key is taken for unknown because of that.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use rustls_pki_types::{SubjectPublicKeyInfoDer, pem::PemObject as _};
use serde::Deserialize;
use time::OffsetDateTime;
use tokio::sync::Mutex;
use url::Url;

use crate::{
    config::Leaks as Settings,
    types::{Clock, Fault},
    webhooks::Carrier,
};

/// How long nothing is asked for after it could not be had, and how long a key that was not there is not looked for again.
const PAUSE: time::Duration = time::Duration::MINUTE;
/// So many keys may be looked for in vain within [`WINDOW`]: GitHub answers sixty times an hour whoever does not say who they
/// are.
const MOST_IN_VAIN: usize = 3;
const WINDOW: time::Duration = time::Duration::minutes(5);
/// How long the list may take to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a list.
const LARGEST: usize = 256 * 1024;

pub(super) struct GithubKeys {
    url: Url,
    carrier: Carrier,
    clock: Clock,
    keep: Duration,
    listed: RwLock<Option<Listed>>,
    /// Held by whoever asks: one at a time.
    asking: Mutex<Asking>,
}

/// The list as it was last read.
struct Listed {
    at: OffsetDateTime,
    keys: HashMap<String, Arc<ParsedPublicKey>>,
}

/// What came to nothing, so that whoever sends us reports that are none cannot have us ask without end.
#[derive(Default)]
struct Asking {
    failed: Option<OffsetDateTime>,
    /// Names of keys that were looked for and are not there, with the time: no more than [`MOST_IN_VAIN`].
    in_vain: Vec<(String, OffsetDateTime)>,
}

/// What is known of a key without asking.
enum Known {
    Key(Arc<ParsedPublicKey>),
    /// The list is there, and it is not in it.
    NotListed,
    /// There is no list, or it is too old.
    NoList,
}

impl GithubKeys {
    pub(super) fn new(settings: &Settings, clock: Clock) -> Result<Self, Fault> {
        let url = Url::parse(&settings.github_keys_url)
            .map_err(|error| Fault::internal(format!("leaks.github_keys_url: {error}")))?;
        Ok(Self {
            url,
            carrier: Carrier::for_operator(PATIENCE),
            clock,
            keep: settings.github_keys_for.duration(),
            listed: RwLock::default(),
            asking: Mutex::default(),
        })
    }

    /// The key of that name; none if GitHub has none.
    ///
    /// # Errors
    ///
    /// [`Fault::Unavailable`] if its list cannot be had now, for a minute after it could not, and while too many others were
    /// looked for in vain: whether there is such a key is not known then.
    pub(super) async fn key(&self, id: &str) -> Result<Option<Arc<ParsedPublicKey>>, Fault> {
        if let Known::Key(key) = self.known(id) {
            return Ok(Some(key));
        }
        let mut asking = self.asking.lock().await;
        let now = self.clock.now();
        // Somebody else may have asked while this one waited.
        match self.known(id) {
            Known::Key(key) => return Ok(Some(key)),
            Known::NotListed => {
                asking.in_vain.retain(|(_, at)| now - *at < WINDOW);
                if asking
                    .in_vain
                    .iter()
                    .any(|(own, at)| own == id && now - *at < PAUSE)
                {
                    return Ok(None);
                }
                if asking.in_vain.len() >= MOST_IN_VAIN {
                    return Err(Fault::unavailable(
                        "too many keys were looked for that GitHub has not",
                    ));
                }
            }
            Known::NoList => asking.in_vain.clear(),
        }
        if asking.failed.is_some_and(|at| now - at < PAUSE) {
            return Err(Fault::unavailable("GitHub's keys could not be had a moment ago"));
        }
        match self.ask().await {
            Ok(keys) => {
                asking.failed = None;
                let key = keys.get(id).cloned();
                if key.is_none() {
                    asking.in_vain.push((id.to_owned(), now));
                }
                let mut listed = self.listed.write().unwrap_or_else(PoisonError::into_inner);
                *listed = Some(Listed { at: now, keys });
                Ok(key)
            }
            Err(fault) => {
                asking.failed = Some(now);
                Err(fault)
            }
        }
    }

    fn known(&self, id: &str) -> Known {
        let listed = self.listed.read().unwrap_or_else(PoisonError::into_inner);
        match listed.as_ref() {
            Some(listed) if self.clock.now() - listed.at < self.keep => {
                listed.keys.get(id).cloned().map_or(Known::NotListed, Known::Key)
            }
            Some(_) | None => Known::NoList,
        }
    }

    async fn ask(&self) -> Result<HashMap<String, Arc<ParsedPublicKey>>, Fault> {
        let document = self.carrier.get(&self.url, LARGEST).await?;
        let keys = read(&document)
            .ok_or_else(|| Fault::unavailable(format!("{}: this is no list of keys", self.url)))?;
        tracing::info!(keys = keys.len(), "GitHub's keys were read");
        Ok(keys)
    }
}

#[derive(Deserialize)]
struct Document {
    public_keys: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    key_identifier: String,
    key: String,
}

/// The keys of a list by their names. One of another kind is passed over: it signs nothing that is read here.
fn read(document: &[u8]) -> Option<HashMap<String, Arc<ParsedPublicKey>>> {
    let document: Document = serde_json::from_slice(document).ok()?;
    let keys = document.public_keys.into_iter().filter_map(|entry| {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(entry.key.as_bytes()).ok()?;
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, der.as_ref()).ok()?;
        Some((entry.key_identifier, Arc::new(key)))
    });
    Some(keys.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_of_another_kind_are_passed_over() {
        let p256 = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsz9ugWDj5jK5ELBK42ynytbo38gP\n\
                    HzZFI03Exwz8Lh/tCfL3YxwMdLjB+bMznsanlhK0RwcGP3IDb34kQDIo3Q==\n-----END PUBLIC KEY-----\n";
        let ed25519 = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
                       -----END PUBLIC KEY-----\n";
        let list = serde_json::json!({"public_keys": [
            {"key_identifier": "one", "key": p256, "is_current": true},
            {"key_identifier": "two", "key": ed25519, "is_current": false},
            {"key_identifier": "three", "key": "none", "is_current": false},
        ]});
        let keys = read(list.to_string().as_bytes()).expect("a list");
        assert_eq!(keys.keys().collect::<Vec<_>>(), ["one"]);
        assert!(read(b"[]").is_none() && read(b"").is_none());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(document: Vec<u8>, key: String) {
            let _ = read(&document);
            let list = serde_json::json!({"public_keys": [{"key_identifier": "one", "key": key}]});
            prop_assert!(read(list.to_string().as_bytes()).is_some());
        }
    }
}
