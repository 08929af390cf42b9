//! Keys that have used up a limit. Their app is told once for each limit and period, not for each request that is refused:
//! whoever judges one notes it in memory alone, and each node writes now and then what it has noted. Of several nodes that
//! noted the same, one tells.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use serde_json::json;
use time::OffsetDateTime;

use super::{
    Keys,
    limits::{Span, Stand},
    store, tell,
};
use crate::{
    types::{ApiKeyId, Fault},
    webhooks::{self, EventType},
};

/// What this node knows of it.
#[derive(Debug, Default)]
pub(super) struct Reached(RwLock<HashMap<(ApiKeyId, Span), Noted>>);

#[derive(Clone, Copy, Debug)]
struct Noted {
    /// The period in which it was.
    began: OffsetDateTime,
    at: OffsetDateTime,
    quota: u64,
    /// When there is some again.
    resets_at: OffsetDateTime,
    written: bool,
}

impl Reached {
    /// A request was refused. All but the first of a period cost a look.
    pub(super) fn note(&self, key: ApiKeyId, stand: &Stand, now: OffsetDateTime) {
        let began = stand.span.period(now);
        let known = |noted: Option<&Noted>| noted.is_some_and(|noted| began <= noted.began);
        if known(
            self.0
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&(key, stand.span)),
        ) {
            return;
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known(all.get(&(key, stand.span))) {
            return;
        }
        let reset = std::time::Duration::from_secs(stand.reset);
        let noted = Noted {
            began,
            at: now,
            quota: stand.quota,
            resets_at: now + reset,
            written: false,
        };
        all.insert((key, stand.span), noted);
    }

    fn unwritten(&self) -> Vec<(ApiKeyId, Span, Noted)> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut unwritten: Vec<_> = all
            .iter()
            .filter(|(_, noted)| !noted.written)
            .map(|((key, span), noted)| (*key, *span, *noted))
            .collect();
        // In the order in which every node takes the rows.
        unwritten.sort_unstable_by_key(|(key, span, _)| (*key, *span));
        unwritten
    }

    /// These are written; those of periods that are over are forgotten.
    fn settle(&self, written: &[(ApiKeyId, Span, Noted)], now: OffsetDateTime) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (key, span, was) in written {
            if let Some(noted) = all.get_mut(&(*key, *span))
                && noted.began == was.began
            {
                noted.written = true;
            }
        }
        all.retain(|(_, span), noted| !noted.written || span.period(now) <= noted.began);
    }
}

impl Keys {
    /// Tells the apps of keys that have used up a limit since this was last done. For each node to do now and then.
    ///
    /// # Errors
    ///
    /// If the database is out of reach; it is all kept then, to be told another time.
    pub async fn tell_reached(&self) -> Result<(), Fault> {
        let noted = self.reached.unwritten();
        if !noted.is_empty() {
            let mut transaction = self.db.begin().await?;
            let rows: Vec<_> = noted
                .iter()
                .map(|(key, span, noted)| (*key, span.name(), noted.began))
                .collect();
            let first = store::enter_reached(&mut transaction, &rows).await?;
            let ids: Vec<_> = first.iter().map(|(key, _)| *key).collect();
            let keys = store::keys(&mut transaction, &ids).await?;
            let events: Vec<_> = noted
                .iter()
                .filter(|(key, span, _)| first.contains(&(*key, span.name().to_owned())))
                .filter_map(|(key, span, noted)| {
                    let more = json!({
                        "limit": span.name(),
                        "quota": noted.quota,
                        "resets_at": tell::moment(noted.resets_at),
                    });
                    keys.get(key)?.event(EventType::KeyLimitReached, noted.at, &more)
                })
                .collect();
            webhooks::enqueue_all(&mut transaction, &self.clock, &self.entropy, &events).await?;
            transaction.commit().await?;
        }
        self.reached.settle(&noted, self.clock.now());
        Ok(())
    }
}
