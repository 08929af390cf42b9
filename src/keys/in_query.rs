//! A key in the query of a URL, where logs, histories and referrers keep it: it counts as leaked.

use time::OffsetDateTime;

use super::{ApiKey, Asker, KeyError, Keys, Leak, RevokedBecause, store};
use crate::{
    accounts::{self, Role},
    audit::{Action, Actor, By, Subject},
    identity::{self, Letter},
    types::{ApiKeyId, ClientContext, Fault, UserId},
};

/// One warning of a key in so many seconds is enough, however often it is sent.
const WARN_EVERY: time::Duration = time::Duration::HOUR;
/// Keys of which it is remembered when their owner was warned.
const MOST: usize = 10_000;

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
        let Some(key) = self.find(presented).await? else {
            return Ok(());
        };
        let now = self.clock.now();
        if !self.is_to_be_warned(key.id, now) {
            return Ok(());
        }
        let revokes = self.config.keys.revoke_in_query;
        let by = By {
            actor: Actor::System,
            context: Some(context),
            operator: false,
        };
        let mut transaction = self.db.begin().await?;
        let Some(whole) = store::key(&mut transaction, key.id).await? else {
            return Ok(());
        };
        by.done(now, Action::KeyLeaked, Subject::ApiKey(key.id))
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
        self.tell(&mut transaction, whole.leaked(&leak, now)).await?;
        transaction.commit().await?;
        if revokes {
            let asker = Asker {
                by,
                reach: super::Reach::App(key.app_id),
            };
            match self
                .take_back(key.id, RevokedBecause::InQuery, asker, |_, _| Ok(()))
                .await
            {
                Ok(_) => {}
                Err(KeyError::Fault(fault)) => return Err(fault),
                // It is gone already.
                Err(error) => tracing::debug!(%error, key = %key.id, "a key in a query is not revoked"),
            }
        }
        self.warn_owners(&whole, path, revokes).await
    }

    fn is_to_be_warned(&self, key: ApiKeyId, now: OffsetDateTime) -> bool {
        let mut warned = self
            .warned
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if warned.len() >= MOST {
            warned.retain(|_, at| now - *at < WARN_EVERY);
        }
        let last = warned.insert(key, now);
        last.is_none_or(|last| {
            now - last >= WARN_EVERY || {
                warned.insert(key, last);
                false
            }
        })
    }

    async fn warn_owners(&self, key: &ApiKey, path: &str, revoked: bool) -> Result<(), Fault> {
        let mut connection = self.db.connection().await?;
        let owners: Vec<UserId> = accounts::members_of(&mut connection, key.account_id)
            .await?
            .into_iter()
            .filter(|member| member.role >= Role::Admin)
            .map(|member| member.user_id)
            .collect();
        let done = if revoked {
            "It has been revoked: make a new one."
        } else {
            "Rotate it, and send keys in the Authorization header alone."
        };
        for owner in identity::users(&mut connection, &owners).await? {
            self.mailer.send(Letter {
                to: owner.email,
                subject: format!("Your key {}… was sent in a URL", key.hint),
                text: format!(
                    "Hello {},\n\nyour key {}… ({}) was sent in the query of a URL, at {path}. URLs are kept in logs and \
                     histories, so it must be taken as leaked.\n\n{done}\n",
                    owner.name,
                    key.hint,
                    key.settings.name.as_str(),
                ),
            });
        }
        Ok(())
    }
}
