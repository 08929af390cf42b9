//! Changes of the catalogue of scopes: what a scope is no longer for is taken away where it is held.

use diesel_async::AsyncPgConnection;

use super::{Authority, clients, consent, grants};
use crate::{
    audit::{Action, Actor, Record, Subject},
    db::Transaction,
    keys,
    revocation::{self, Reason},
    scopes::{self, Audience, BUILT_IN, Entry, catalogue},
    types::{ClientContext, ClientId, Fault},
};

/// Why the catalogue was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ScopeError {
    #[error("{0} has a meaning to the server and stays in the catalogue")]
    BuiltIn(String),
    #[error("scope {0} is not in the catalogue")]
    Unknown(String),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Adds a scope, or changes the one of that name. Clients and keys that it is not for any more lose it, as if it were
/// removed.
///
/// # Errors
///
/// See [`ScopeError`].
pub async fn add_scope(
    authority: &Authority,
    entry: &Entry,
    actor: Actor,
    context: Option<&ClientContext>,
) -> Result<(), ScopeError> {
    let now = authority.clock.now();
    let mut transaction = authority.db.begin().await?;
    keys::hold_all_apps(&mut transaction).await?;
    let before = catalogue(&mut transaction)
        .await?
        .find(entry.scope.as_str())
        .map(|before| before.audience);
    scopes::upsert(&mut transaction, entry, now).await?;
    let clients = take_away(&mut transaction, entry.scope.as_str(), Some(entry.audience)).await?;
    let mut changed = Vec::new();
    changed.extend(keys::drop_scope(&mut transaction, entry.scope.as_str(), Some(entry)).await?);
    if entry.audience == Audience::FirstParty && before != Some(Audience::FirstParty) {
        let now_known = catalogue(&mut transaction).await?;
        let families = &authority.config.keys.families;
        let withheld = keys::withhold_scope(&mut transaction, &entry.scope, &now_known, families, now);
        changed.extend(withheld.await?);
    }
    let action = if before.is_some() {
        Action::ScopeChanged
    } else {
        Action::ScopeAdded
    };
    Record::done(now, actor, action, Subject::Scope(entry.scope.to_string()))
        .from(context)
        .detail("description", entry.description.as_str())
        .detail("audience", entry.audience.name())
        .detail("clients", clients.len())
        .detail("apps_and_keys", changed.len())
        .write(&mut transaction)
        .await?;
    end(
        authority,
        transaction,
        (&clients, changed),
        entry.scope.as_str(),
        actor,
    )
    .await
}

/// Removes a scope, from the catalogue, every client and every key: nobody can ask for it any more when this returns, and what
/// people allowed before does not come back with a scope of the same name. Access tokens that were given keep it until
/// they expire; no refresh gives it any more.
///
/// # Errors
///
/// See [`ScopeError`].
pub async fn remove_scope(
    authority: &Authority,
    name: &str,
    actor: Actor,
    context: Option<&ClientContext>,
) -> Result<(), ScopeError> {
    if BUILT_IN.contains(&name) {
        return Err(ScopeError::BuiltIn(name.to_owned()));
    }
    let mut transaction = authority.db.begin().await?;
    keys::hold_all_apps(&mut transaction).await?;
    if !scopes::delete(&mut transaction, name).await? {
        return Err(ScopeError::Unknown(name.to_owned()));
    }
    let clients = take_away(&mut transaction, name, None).await?;
    let changed = keys::drop_scope(&mut transaction, name, None).await?;
    Record::done(
        authority.clock.now(),
        actor,
        Action::ScopeRemoved,
        Subject::Scope(name.to_owned()),
    )
    .from(context)
    .detail("clients", clients.len())
    .detail("apps_and_keys", changed.len())
    .write(&mut transaction)
    .await?;
    end(authority, transaction, (&clients, changed), name, actor).await
}

/// Ends a change of the catalogue, with a record of each client, app and key that lost the scope by it.
async fn end(
    authority: &Authority,
    mut transaction: Transaction,
    (clients, mut changed): (&[ClientId], Vec<revocation::Subject>),
    scope: &str,
    actor: Actor,
) -> Result<(), ScopeError> {
    let now = authority.clock.now();
    let mut records = keys::records_of_loss(&mut transaction, &changed, scope, actor, now).await?;
    for (id, account, name) in clients::named(&mut transaction, clients).await? {
        records.push(
            Record::done(now, actor, Action::ClientChanged, Subject::Client(id))
                .account(account)
                .detail("name", name)
                .detail("lost_scope", scope),
        );
    }
    Record::write_all(&records, &mut transaction).await?;
    changed.extend(clients.iter().copied().map(revocation::Subject::Client));
    authority.commit(transaction, &changed, Reason::Changed).await?;
    Ok(())
}

/// Takes a scope from the clients that it is not for: out of their ceilings, of what people have allowed them, and of
/// what they hold. Says which clients are not what they were.
async fn take_away(
    connection: &mut AsyncPgConnection,
    name: &str,
    audience: Option<Audience>,
) -> Result<Vec<ClientId>, Fault> {
    let clients = clients::drop_scope(connection, name, audience).await?;
    consent::drop_scope(connection, name, &clients).await?;
    grants::drop_scope(connection, name, &clients).await?;
    Ok(clients)
}
