//! What is kept of clients: written here, read in [`read`] and [`mod@find`].

mod find;
mod logo;
mod read;
mod scopes;
mod secrets;

pub use find::{Found, find};
pub use logo::logo;
pub(super) use logo::set_logo;
pub(super) use read::count;
pub(in crate::oauth) use read::{Owner, owners};
pub use read::{all_clients, client, clients_of_app, count_by_app};
pub use scopes::{drop_scope, named};
pub(in crate::oauth) use secrets::{Candidate, delete_revoked_secrets, revoke_secrets, secrets_with_hints};
pub(super) use secrets::{end_secrets, insert_secret, rehash_secret, revoke_ended_secrets, revoke_secret};

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Registration, Switch};
use crate::{
    config::SigningAlgorithm,
    db::schema::clients,
    types::{AppId, ClientId, Fault, RedirectUri},
};

fn algorithm_name(algorithm: SigningAlgorithm) -> &'static str {
    match algorithm {
        SigningAlgorithm::ES256 => "ES256",
        SigningAlgorithm::EdDSA => "EdDSA",
        SigningAlgorithm::RS256 => "RS256",
    }
}

#[derive(AsChangeset, Insertable)]
#[diesel(table_name = clients, treat_none_as_null = true)]
struct RegistrationRow<'r> {
    name: &'r str,
    kind: &'static str,
    publisher: Option<String>,
    redirect_uris: Vec<&'r str>,
    grant_types: Vec<&'static str>,
    scopes: Vec<String>,
    optional_scopes: Vec<String>,
    id_token_alg: &'static str,
    retry_window_seconds: Option<i32>,
}

impl<'r> From<&'r Registration> for RegistrationRow<'r> {
    fn from(registration: &'r Registration) -> Self {
        Self {
            name: registration.name.trim(),
            kind: registration.kind.name(),
            publisher: registration
                .publisher
                .as_deref()
                .map(str::trim)
                .filter(|publisher| !publisher.is_empty())
                .map(str::to_owned),
            redirect_uris: registration
                .redirect_uris
                .iter()
                .map(RedirectUri::as_str)
                .collect(),
            grant_types: registration
                .grant_types
                .iter()
                .map(|grant| grant.name())
                .collect(),
            scopes: registration.scopes.to_strings(),
            optional_scopes: registration
                .optional_scopes
                .iter()
                .filter(|scope| registration.scopes.contains(scope.as_str()))
                .map(ToString::to_string)
                .collect(),
            id_token_alg: algorithm_name(registration.id_token_alg),
            retry_window_seconds: registration
                .retry_window
                .and_then(|window| i32::try_from(window.as_secs()).ok()),
        }
    }
}

pub(super) async fn insert(
    connection: &mut AsyncPgConnection,
    id: ClientId,
    app: AppId,
    registration: &Registration,
    first_party: bool,
    now: OffsetDateTime,
) -> Result<bool, Fault> {
    let inserted = diesel::insert_into(clients::table)
        .values((
            clients::id.eq(id.uuid()),
            clients::app_id.eq(app.uuid()),
            RegistrationRow::from(registration),
            clients::first_party.eq(first_party),
            clients::publisher_verified.eq(first_party),
            clients::created_at.eq(now),
        ))
        .on_conflict(clients::id)
        .do_nothing()
        .execute(connection)
        .await?;
    Ok(inserted == 1)
}

/// Writes what can be changed. A new publisher is not verified until an operator says so.
pub(super) async fn update(
    connection: &mut AsyncPgConnection,
    id: ClientId,
    registration: &Registration,
    publisher_verified: bool,
) -> Result<(), Fault> {
    diesel::update(clients::table.find(id.uuid()))
        .set((
            RegistrationRow::from(registration),
            clients::publisher_verified.eq(publisher_verified),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes what only operators say of a client.
pub(super) async fn vouch(
    connection: &mut AsyncPgConnection,
    id: ClientId,
    first_party: bool,
    publisher_verified: bool,
) -> Result<(), Fault> {
    diesel::update(clients::table.find(id.uuid()))
        .set((
            clients::first_party.eq(first_party),
            clients::publisher_verified.eq(publisher_verified),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Says whether anything changed.
pub(super) async fn set_disabled(
    connection: &mut AsyncPgConnection,
    id: ClientId,
    switch: Switch,
    at: Option<OffsetDateTime>,
) -> Result<bool, Fault> {
    let client = clients::table.find(id.uuid());
    let changed = match (switch, at) {
        (Switch::Owner, Some(_)) => {
            diesel::update(client.filter(clients::disabled_at.is_null()))
                .set(clients::disabled_at.eq(at))
                .execute(connection)
                .await?
        }
        (Switch::Owner, None) => {
            diesel::update(client.filter(clients::disabled_at.is_not_null()))
                .set(clients::disabled_at.eq(at))
                .execute(connection)
                .await?
        }
        (Switch::Operator, Some(_)) => {
            diesel::update(client.filter(clients::shut_out_at.is_null()))
                .set(clients::shut_out_at.eq(at))
                .execute(connection)
                .await?
        }
        (Switch::Operator, None) => {
            diesel::update(client.filter(clients::shut_out_at.is_not_null()))
                .set(clients::shut_out_at.eq(at))
                .execute(connection)
                .await?
        }
    };
    Ok(changed == 1)
}

pub(super) async fn delete(connection: &mut AsyncPgConnection, id: ClientId) -> Result<bool, Fault> {
    Ok(diesel::delete(clients::table.find(id.uuid()))
        .execute(connection)
        .await?
        == 1)
}

/// Holds several in one order, so that two who hold some of the same do not wait for each other.
pub(in crate::oauth) async fn hold_all(
    connection: &mut AsyncPgConnection,
    ids: &[ClientId],
) -> Result<(), Fault> {
    let _held: Vec<Uuid> = clients::table
        .filter(clients::id.eq_any(ids.iter().map(|id| id.uuid())))
        .order(clients::id)
        .select(clients::id)
        .for_no_key_update()
        .load(connection)
        .await?;
    Ok(())
}

/// Locks the client's row, so that two hands cannot both remove its last secret.
pub(super) async fn lock(connection: &mut AsyncPgConnection, id: ClientId) -> Result<bool, Fault> {
    let found: Option<Uuid> = clients::table
        .find(id.uuid())
        .select(clients::id)
        .for_update()
        .first(connection)
        .await
        .optional()?;
    Ok(found.is_some())
}
