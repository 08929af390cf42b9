//! A key in the query of a URL, where logs, histories and referrers keep it: it counts as leaked.

use std::{
    collections::HashMap,
    sync::{MutexGuard, PoisonError},
};

use time::OffsetDateTime;

use super::{ApiKey, KeyKind, Keys, Leak, RevokedBecause, revoke::revoke_in, store};
use crate::{
    accounts,
    audit::{Action, Actor, By, Subject},
    identity::{self, Notification},
    revocation,
    types::{AccountId, ApiKeyId, ClientContext, Fault, UserId},
};

/// One warning of a key in so many seconds is enough, however often it is sent.
const WARN_EVERY: time::Duration = time::Duration::HOUR;
/// Keys of which it is remembered when their owner was warned.
const MOST: usize = 10_000;

/// A warning that is on its way: until it is out, it is for the next one that comes.
struct Warning<'k> {
    keys: &'k Keys,
    key: ApiKeyId,
}

impl Drop for Warning<'_> {
    fn drop(&mut self) {
        self.keys.warned().remove(&self.key);
    }
}

/// As much of a path as can stand in a URL (RFC 3986 §3.3): strangers choose it, and it is mailed.
fn of_a_url(path: &str) -> &str {
    let end = path.find(|c: char| !c.is_ascii_alphanumeric() && !"/-._~%!$&'()*+,;=:@".contains(c));
    end.and_then(|end| path.get(..end)).unwrap_or(path)
}

impl Keys {
    /// A key came in a query, at this path: its owner is warned, and it is revoked if the configuration says so. What is no
    /// live key of ours is passed over.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn sent_in_query(
        &self,
        presented: &str,
        path: &str,
        context: &ClientContext,
    ) -> Result<(), Fault> {
        let Some(key) = self.id_of(presented).await? else {
            return Ok(());
        };
        let now = self.clock.now();
        let warning = self
            .is_to_be_warned(key, now)
            .then(|| Warning { keys: self, key });
        if warning.is_none() && !self.config.keys.revoke_in_query {
            return Ok(());
        }
        self.tell_of_query(key, of_a_url(path), context).await?;
        std::mem::forget(warning);
        Ok(())
    }

    async fn tell_of_query(&self, id: ApiKeyId, path: &str, context: &ClientContext) -> Result<(), Fault> {
        let now = self.clock.now();
        let by = By {
            actor: Actor::System,
            context: Some(context),
            operator: false,
        };
        let mut transaction = self.db.begin().await?;
        let Some(key) = store::held(&mut transaction, id).await? else {
            return Ok(());
        };
        if key.revoked.is_some() {
            return self.settle_others(transaction).await;
        }
        // Anybody can read a publishable key where it is used, and so could put it in a query.
        let is_public = key.kind == KeyKind::Publishable;
        let revokes =
            self.config.keys.revoke_in_query && (!is_public || self.config.leaks.revoke_publishable);
        if !is_public || revokes {
            let owners = accounts::admins_of(&mut transaction, &[key.account_id]).await?;
            identity::notify(&mut transaction, &warnings(&owners, &key, path, revokes), now).await?;
        }
        by.done(now, Action::KeyLeaked, Subject::ApiKey(id))
            .account(key.account_id)
            .detail("sent_in_query_of", path)
            .detail("revoked", revokes)
            .write(&mut transaction)
            .await?;
        let leak = Leak {
            source: "query",
            url: Some(path),
            revoked: revokes,
        };
        self.tell(&mut transaction, key.leaked(&leak, now)).await?;
        if revokes {
            let means = (&self.clock, &self.entropy);
            let reason = RevokedBecause::InQuery;
            revoke_in(
                &mut transaction,
                means,
                std::slice::from_ref(&key),
                reason,
                now,
                by,
            )
            .await?;
            self.commit(transaction, &[revocation::Subject::ApiKey(id)], reason.into())
                .await?;
        } else {
            transaction.commit().await?;
        }
        self.mailer.send_notifications(&self.db);
        Ok(())
    }

    fn warned(&self) -> MutexGuard<'_, HashMap<ApiKeyId, OffsetDateTime>> {
        self.warned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_to_be_warned(&self, key: ApiKeyId, now: OffsetDateTime) -> bool {
        let mut warned = self.warned();
        if warned.len() >= MOST {
            warned.retain(|_, at| now - *at < WARN_EVERY);
        }
        let is_new = warned.get(&key).is_none_or(|last| now - *last >= WARN_EVERY);
        if is_new {
            warned.insert(key, now);
        }
        is_new
    }
}

/// What the owners of a key are told of it.
fn warnings(owners: &[(AccountId, UserId)], key: &ApiKey, path: &str, revoked: bool) -> Vec<Notification> {
    let done = if revoked {
        "It has been revoked: make a new one."
    } else {
        "Rotate it, and send keys in the Authorization header alone."
    };
    let text = format!(
        "Your key {}… ({}) was sent in the query of a URL, at {path}. URLs are kept in logs and histories, so it must be \
         taken as leaked.\n\n{done}\n",
        key.hint,
        key.settings.name.as_str(),
    );
    let warning = |(_, owner): &(AccountId, UserId)| Notification {
        to: *owner,
        subject: format!("Your key {}… was sent in a URL", key.hint),
        text: text.clone(),
    };
    owners.iter().map(warning).collect()
}
