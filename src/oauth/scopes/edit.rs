use super::{BUILT_IN, Entry, catalogue, store};
use crate::{
    audit::{Action, Actor, Record, Subject},
    oauth::{Authority, clients},
    revocation::{self, Reason},
    types::{ClientContext, Fault},
};

/// Why the catalogue was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ScopeError {
    #[error("a description of 1 to 200 characters is needed: people read it when they are asked for consent")]
    Description,
    #[error("{0} has a meaning in the protocol and stays in the catalogue")]
    BuiltIn(String),
    #[error("scope {0} is not in the catalogue")]
    Unknown(String),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Adds a scope, or changes the one of that name.
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
    if !(1..=200).contains(&entry.description.trim().chars().count()) {
        return Err(ScopeError::Description);
    }
    let now = authority.clock.now();
    let mut transaction = authority.db.begin().await?;
    let known = catalogue(&mut transaction)
        .await?
        .find(entry.scope.as_str())
        .is_some();
    store::upsert(&mut transaction, entry, now).await?;
    let action = if known {
        Action::ScopeChanged
    } else {
        Action::ScopeAdded
    };
    Record::done(now, actor, action, Subject::Scope(entry.scope.to_string()))
        .from(context)
        .detail("description", entry.description.as_str())
        .write(&mut transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

/// Removes a scope, from the catalogue and from every client's ceiling: nobody can ask for it any more when
/// this returns. Access tokens that were given keep it until they expire; no refresh gives it any more.
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
    if !store::delete(&mut transaction, name).await? {
        return Err(ScopeError::Unknown(name.to_owned()));
    }
    let clients = clients::drop_scope(&mut transaction, name).await?;
    Record::done(
        authority.clock.now(),
        actor,
        Action::ScopeRemoved,
        Subject::Scope(name.to_owned()),
    )
    .from(context)
    .detail("clients", clients.len())
    .write(&mut transaction)
    .await?;
    let changed: Vec<_> = clients.into_iter().map(revocation::Subject::Client).collect();
    authority.commit(transaction, &changed, Reason::Changed).await?;
    Ok(())
}
