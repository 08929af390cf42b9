use super::{Client, Logo, Registration, RegistrationError, register::RegisterError, store};
use crate::{
    audit::{Action, By, Subject},
    oauth::{Authority, scopes},
    types::Fault,
};

/// What to do with the logo.
#[derive(Clone, Debug)]
pub enum LogoChange {
    Keep,
    Remove,
    Set(Logo),
}

/// Changes a client; every node goes by the new registration when this returns.
///
/// # Errors
///
/// If the registration cannot stand. The kind stays what it is: a client that could keep a secret and one
/// that could not are not the same client.
pub async fn edit_client(
    authority: &Authority,
    client: &Client,
    registration: &Registration,
    logo: LogoChange,
    by: By<'_>,
) -> Result<(), RegisterError> {
    let registration = Registration {
        kind: client.registration.kind,
        ..registration.clone()
    };
    let mut transaction = authority.db.begin().await?;
    registration.check(&scopes::catalogue(&mut transaction).await?, client.first_party)?;
    let verified = client.publisher_verified && client.registration.publisher == registration.publisher;
    if !store::update(&mut transaction, client.id, &registration, verified).await? {
        return Err(RegistrationError::Name.into());
    }
    match &logo {
        LogoChange::Keep => {}
        LogoChange::Remove => store::set_logo(&mut transaction, client.id, None).await?,
        LogoChange::Set(logo) => store::set_logo(&mut transaction, client.id, Some(logo)).await?,
    }
    let record = by
        .done(
            authority.clock.now(),
            Action::ClientChanged,
            Subject::Client(client.id),
        )
        .account(client.account_id)
        .detail("changed", changes(&client.registration, &registration, &logo));
    authority
        .commit_client_change(transaction, client.id, record)
        .await?;
    Ok(())
}

fn changes(before: &Registration, after: &Registration, logo: &LogoChange) -> Vec<&'static str> {
    [
        ("name", before.name != after.name),
        ("redirect_uris", before.redirect_uris != after.redirect_uris),
        ("grant_types", before.grant_types != after.grant_types),
        ("scopes", before.scopes != after.scopes),
        ("optional_scopes", before.optional_scopes != after.optional_scopes),
        ("publisher", before.publisher != after.publisher),
        ("id_token_alg", before.id_token_alg != after.id_token_alg),
        ("retry_window", before.retry_window != after.retry_window),
        ("logo", !matches!(logo, LogoChange::Keep)),
    ]
    .into_iter()
    .filter_map(|(name, changed)| changed.then_some(name))
    .collect()
}

/// Shuts a client out, or lets it in again. Shut out, it cannot authenticate, start a flow or refresh, and
/// its access tokens are dead everywhere when this returns; grants stay for the day it is let in.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn set_disabled(
    authority: &Authority,
    client: &Client,
    disabled: bool,
    by: By<'_>,
) -> Result<(), Fault> {
    let now = authority.clock.now();
    let mut transaction = authority.db.begin().await?;
    store::set_disabled(&mut transaction, client.id, disabled.then_some(now)).await?;
    let action = if disabled {
        Action::ClientDisabled
    } else {
        Action::ClientEnabled
    };
    let record = by
        .done(now, action, Subject::Client(client.id))
        .account(client.account_id);
    authority
        .commit_client_change(transaction, client.id, record)
        .await
}

/// Says of a client what only operators may: that it is the house's own, whose consent may be skipped, and that
/// they know who its publisher is.
///
/// # Errors
///
/// If it has a scope that only first-party clients may have, and would be none.
pub async fn vouch_for_client(
    authority: &Authority,
    client: &Client,
    first_party: bool,
    publisher_verified: bool,
    by: By<'_>,
) -> Result<(), RegisterError> {
    let mut transaction = authority.db.begin().await?;
    client
        .registration
        .check(&scopes::catalogue(&mut transaction).await?, first_party)?;
    store::vouch(&mut transaction, client.id, first_party, publisher_verified).await?;
    let record = by
        .done(
            authority.clock.now(),
            Action::ClientChanged,
            Subject::Client(client.id),
        )
        .account(client.account_id)
        .detail("first_party", first_party)
        .detail("publisher_verified", publisher_verified);
    authority
        .commit_client_change(transaction, client.id, record)
        .await?;
    Ok(())
}
