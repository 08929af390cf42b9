use diesel_async::AsyncPgConnection;
use time::OffsetDateTime;

use super::{Client, register::RegisterError, store};
use crate::{
    accounts::{self, AppError, Permission},
    audit::{Action, By, Subject},
    keys,
    oauth::{Authority, grants},
    revocation::{self, Reason},
    types::{AppId, Fault},
    webhooks,
};

/// Removes a client with its secrets, consents and grants; nothing that it held is good when this returns.
///
/// # Errors
///
/// [`RegisterError::Gone`] for whoever may not delete it any more.
pub async fn delete_client(authority: &Authority, client: &Client, by: By<'_>) -> Result<(), RegisterError> {
    let now = authority.clock.now();
    let mut transaction = authority.db.begin().await?;
    if !accounts::still_may(&mut transaction, client.account_id, Permission::Delete, by).await? {
        return Err(RegisterError::Gone);
    }
    let entries = remove(authority, &mut transaction, client, now, by).await?;
    authority.commit(transaction, &entries, Reason::Deleted).await?;
    Ok(())
}

/// Removes an app with all its clients and keys, in one transaction; nothing that they held is good when this returns.
///
/// # Errors
///
/// See [`AppError`].
pub async fn delete_app(authority: &Authority, app: AppId, by: By<'_>) -> Result<(), AppError> {
    let now = authority.clock.now();
    let mut transaction = authority.db.begin().await?;
    // No client is registered from here on: each would refer to this row.
    accounts::lock_app(&mut transaction, app).await?;
    let mut entries = Vec::new();
    for client in store::clients_of_app(&mut transaction, app).await? {
        entries.extend(remove(authority, &mut transaction, &client, now, by).await?);
    }
    entries.extend(
        keys::revoke_keys_of_app(
            &mut transaction,
            (&authority.clock, &authority.entropy),
            app,
            now,
            by,
        )
        .await?,
    );
    webhooks::forget_app(&mut transaction, app).await?;
    accounts::delete_app(&mut transaction, &authority.clock, app, by).await?;
    authority.commit(transaction, &entries, Reason::Deleted).await?;
    Ok(())
}

/// Removes the rows and says what is to be revoked with them.
async fn remove(
    authority: &Authority,
    connection: &mut AsyncPgConnection,
    client: &Client,
    now: OffsetDateTime,
    by: By<'_>,
) -> Result<Vec<revocation::Subject>, Fault> {
    if !store::lock(connection, client.id).await? {
        return Ok(Vec::new());
    }
    let live = grants::live_of_client(connection, client.id, now).await?;
    grants::tell_taken_back(authority, connection, &live, "client_deleted", now).await?;
    store::delete(connection, client.id).await?;
    let record = by
        .done(now, Action::ClientDeleted, Subject::Client(client.id))
        .account(client.account_id)
        .detail("name", client.registration.name.as_str())
        .detail("grants", live.len());
    record.write(connection).await?;
    let mut entries: Vec<_> = live
        .into_iter()
        .map(|taken| revocation::Subject::Grant(taken.id))
        .collect();
    entries.push(revocation::Subject::Client(client.id));
    Ok(entries)
}
