use diesel_async::AsyncPgConnection;

use super::{Client, Logo, Registration, RegistrationError, register::RegisterError, store};
use crate::{
    accounts::{self, Permission},
    audit::{Action, By, Record, Subject},
    oauth::Authority,
    scopes,
    types::Fault,
};

/// The client as it is, held until the transaction ends: what is decided of it is decided of what is there, not of a
/// copy that somebody looked at a while ago. None too for whoever may not change it any more.
pub(super) async fn held(
    connection: &mut AsyncPgConnection,
    client: &Client,
    by: By<'_>,
) -> Result<Option<Client>, Fault> {
    let (account, permission) = (client.account_id, Permission::WriteClients);
    if store::lock(connection, client.id).await?
        && accounts::still_may(connection, account, permission, by).await?
    {
        store::client(connection, client.id).await
    } else {
        Ok(None)
    }
}

/// The same, if its registration is still what `client` says.
async fn unchanged(
    connection: &mut AsyncPgConnection,
    client: &Client,
    by: By<'_>,
) -> Result<Client, RegisterError> {
    let held = held(connection, client, by).await?.ok_or(RegisterError::Gone)?;
    if held.registration.version() == client.registration.version() {
        Ok(held)
    } else {
        Err(RegisterError::Changed)
    }
}

fn changed(authority: &Authority, client: &Client, by: By<'_>) -> Record {
    let subject = Subject::Client(client.id);
    by.done(authority.clock.now(), Action::ClientChanged, subject)
        .account(client.account_id)
}

/// Changes a client from what `client` says to `registration`; every node goes by the new one when this returns.
///
/// # Errors
///
/// If the registration cannot stand, or the client is another by now. The kind stays what it is: a client that could
/// keep a secret and one that could not are not the same client.
pub async fn edit_client(
    authority: &Authority,
    client: &Client,
    registration: &Registration,
    by: By<'_>,
) -> Result<(), RegisterError> {
    let mut transaction = authority.db.begin().await?;
    let catalogue = scopes::held(&mut transaction, &registration.scopes).await?;
    let client = unchanged(&mut transaction, client, by).await?;
    let before = &client.registration;
    let registration = Registration {
        kind: before.kind,
        ..registration.clone()
    };
    registration.check(&catalogue, client.first_party)?;
    if client.first_party && !by.operator {
        keep_within(before, &registration)?;
    }
    let changes = changes(before, &registration);
    if changes.is_empty() {
        return Ok(());
    }
    let verified = client.publisher_verified && before.publisher == registration.publisher;
    store::update(&mut transaction, client.id, &registration, verified).await?;
    let record = changed(authority, &client, by).detail("changed", changes);
    authority
        .commit_client_change(transaction, client.id, record)
        .await?;
    Ok(())
}

/// People are not asked before they are sent to a first-party client, so where to, and with what, is the operator's word.
fn keep_within(before: &Registration, after: &Registration) -> Result<(), RegistrationError> {
    let uri = |uri| !before.redirect_uris.contains(uri);
    if let Some(uri) = after.redirect_uris.iter().find(|own| uri(own)) {
        return Err(RegistrationError::FirstPartyRedirectUri(uri.as_str().to_owned()));
    }
    match after
        .scopes
        .iter()
        .find(|scope| !before.scopes.contains(scope.as_str()))
    {
        Some(scope) => Err(RegistrationError::FirstPartyScope(scope.to_string())),
        None => Ok(()),
    }
}

fn changes(before: &Registration, after: &Registration) -> Vec<&'static str> {
    [
        ("name", before.name != after.name),
        ("redirect_uris", before.redirect_uris != after.redirect_uris),
        ("grant_types", before.grant_types != after.grant_types),
        ("scopes", before.scopes != after.scopes),
        ("optional_scopes", before.optional_scopes != after.optional_scopes),
        ("publisher", before.publisher != after.publisher),
        ("id_token_alg", before.id_token_alg != after.id_token_alg),
        ("retry_window", before.retry_window != after.retry_window),
    ]
    .into_iter()
    .filter_map(|(name, changed)| changed.then_some(name))
    .collect()
}

/// Gives a client a logo, or takes it away. Nothing else of it changes, however long the picture was on its way.
///
/// # Errors
///
/// [`RegisterError::Gone`] if there is no such client any more.
pub async fn set_logo(
    authority: &Authority,
    client: &Client,
    logo: Option<&Logo>,
    by: By<'_>,
) -> Result<(), RegisterError> {
    let mut transaction = authority.db.begin().await?;
    let client = held(&mut transaction, client, by)
        .await?
        .ok_or(RegisterError::Gone)?;
    store::set_logo(&mut transaction, client.id, logo).await?;
    let record = changed(authority, &client, by).detail("changed", vec!["logo"]);
    authority
        .commit_client_change(transaction, client.id, record)
        .await?;
    Ok(())
}

/// Who shuts a client out, or lets it in: what one of them does, the other cannot undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// The account that it belongs to.
    Owner,
    /// Whoever runs the server.
    Operator,
}

/// Shuts a client out, or lets it in again, as far as that hand does. Shut out by either, it cannot authenticate, start a
/// flow or refresh, and its access tokens are dead everywhere when this returns; grants stay for the day it is let in.
///
/// # Errors
///
/// [`RegisterError::Gone`] if there is no such client any more.
pub async fn set_disabled(
    authority: &Authority,
    client: &Client,
    switch: Switch,
    disabled: bool,
    by: By<'_>,
) -> Result<(), RegisterError> {
    let now = authority.clock.now();
    let mut transaction = authority.db.begin().await?;
    let at = disabled.then_some(now);
    held(&mut transaction, client, by)
        .await?
        .ok_or(RegisterError::Gone)?;
    if !store::set_disabled(&mut transaction, client.id, switch, at).await? {
        authority.settle_others(transaction).await?;
        return Ok(());
    }
    let action = if disabled {
        Action::ClientDisabled
    } else {
        Action::ClientEnabled
    };
    let record = by
        .done(now, action, Subject::Client(client.id))
        .account(client.account_id)
        .detail("name", client.registration.name.as_str())
        .detail("by_operator", switch == Switch::Operator);
    authority
        .commit_client_change(transaction, client.id, record)
        .await?;
    Ok(())
}

/// Says of a client, as `client` has it, what only operators may: that it is the house's own, whose consent may be
/// skipped, and that they know who its publisher is.
///
/// # Errors
///
/// If it is another by now; if it has a scope that only first-party clients may have, and would be none; if it names no
/// publisher to be verified.
pub async fn vouch_for_client(
    authority: &Authority,
    client: &Client,
    first_party: bool,
    publisher_verified: bool,
    by: By<'_>,
) -> Result<(), RegisterError> {
    let mut transaction = authority.db.begin().await?;
    let catalogue = scopes::held(&mut transaction, &client.registration.scopes).await?;
    let client = unchanged(&mut transaction, client, by).await?;
    let registration = &client.registration;
    registration.check(&catalogue, first_party)?;
    if publisher_verified && registration.publisher.is_none() {
        return Err(RegistrationError::NoPublisher.into());
    }
    if (client.first_party, client.publisher_verified) == (first_party, publisher_verified) {
        return Ok(());
    }
    store::vouch(&mut transaction, client.id, first_party, publisher_verified).await?;
    let record = changed(authority, &client, by)
        .detail("name", registration.name.as_str())
        .detail("publisher", registration.publisher.as_deref())
        .detail("first_party", first_party)
        .detail("publisher_verified", publisher_verified);
    authority
        .commit_client_change(transaction, client.id, record)
        .await?;
    Ok(())
}
