//! The ceiling of an account: how many requests a month all its API keys may make together.

use super::store;
use crate::{
    audit::{Action, By, Subject},
    db::Db,
    revocation::{self, Reason, Revocation, Revocations},
    types::{AccountId, Clock, Fault},
};

/// Sets the ceiling of an account, or leaves it to the configuration. In force on every node when it returns: keys of the
/// account that nodes hold in memory are read anew. False if there is no such account.
///
/// # Errors
///
/// If the database is out of reach, or the limit is more than it can hold.
pub async fn set_monthly_limit(
    db: &Db,
    revocations: &Revocations,
    clock: &Clock,
    id: AccountId,
    limit: Option<u64>,
    by: By<'_>,
) -> Result<bool, Fault> {
    let stored = limit.map(i64::try_from).transpose().map_err(Fault::internal)?;
    let now = clock.now();
    let mut transaction = db.begin().await?;
    let Some(account) = store::hold_account(&mut transaction, id).await? else {
        return Ok(false);
    };
    store::set_monthly_limit(&mut transaction, id, stored).await?;
    by.done(now, Action::AccountLimitChanged, Subject::Account(id))
        .account(id)
        .detail("from", account.monthly_limit)
        .detail("monthly", limit)
        .write(&mut transaction)
        .await?;
    let entries: Vec<_> = store::apps(&mut transaction, id)
        .await?
        .into_iter()
        .map(|app| Revocation {
            subject: revocation::Subject::App(app.id),
            reason: Reason::Changed,
            until: now,
        })
        .collect();
    let recorded = revocations.record(&mut transaction, now, &entries).await?;
    transaction.commit().await?;
    revocations.settle(recorded).await;
    Ok(true)
}
