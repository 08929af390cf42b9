//! Clients as they are read back, with their secrets.

use std::{collections::HashMap, time::Duration};

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    super::{Client, ClientSecret, Registration},
    algorithm_name,
};
use crate::{
    config::SigningAlgorithm,
    crypto::{KeyId, Mac},
    db::schema::{apps, client_secrets, clients},
    types::{AccountId, AppId, ClientId, ClientSecretId, Fault, Scope, ScopeSet},
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = clients, check_for_backend(diesel::pg::Pg))]
struct ClientRow {
    id: Uuid,
    app_id: Uuid,
    name: String,
    kind: String,
    first_party: bool,
    publisher: Option<String>,
    publisher_verified: bool,
    logo_digest: Option<String>,
    redirect_uris: Vec<String>,
    grant_types: Vec<String>,
    scopes: Vec<String>,
    optional_scopes: Vec<String>,
    id_token_alg: String,
    retry_window_seconds: Option<i32>,
    disabled_at: Option<OffsetDateTime>,
    shut_out_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = client_secrets, check_for_backend(diesel::pg::Pg))]
struct SecretRow {
    id: Uuid,
    client_id: Uuid,
    key_id: i32,
    mac: Vec<u8>,
    hint: String,
    expires_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
}

impl TryFrom<SecretRow> for ClientSecret {
    type Error = Fault;

    fn try_from(row: SecretRow) -> Result<Self, Fault> {
        let tag = row
            .mac
            .try_into()
            .map_err(|_cause| Fault::inconsistent("client_secrets", "mac", row.id))?;
        Ok(Self {
            id: ClientSecretId::from_uuid(row.id),
            mac: Mac {
                key_id: KeyId(row.key_id),
                tag,
            },
            hint: row.hint,
            created_at: row.created_at,
            expires_at: row.expires_at,
        })
    }
}

fn scope_set(scopes: &[String]) -> Option<ScopeSet> {
    scopes.iter().map(|scope| scope.parse::<Scope>().ok()).collect()
}

fn entity(row: ClientRow, account: Uuid, secrets: Vec<ClientSecret>) -> Result<Client, Fault> {
    let id = ClientId::from_uuid(row.id);
    let bad = |column: &str| Fault::inconsistent("clients", column, id);
    let id_token_alg = [
        SigningAlgorithm::ES256,
        SigningAlgorithm::EdDSA,
        SigningAlgorithm::RS256,
    ]
    .into_iter()
    .find(|algorithm| algorithm_name(*algorithm) == row.id_token_alg)
    .ok_or_else(|| bad("id_token_alg"))?;
    let retry_window = row
        .retry_window_seconds
        .map(|seconds| u64::try_from(seconds).map(Duration::from_secs))
        .transpose()
        .map_err(|_cause| bad("retry_window_seconds"))?;
    let registration = Registration {
        name: row.name,
        kind: row.kind.parse().map_err(|_cause| bad("kind"))?,
        redirect_uris: row
            .redirect_uris
            .iter()
            .map(|uri| uri.parse())
            .collect::<Result<_, _>>()
            .map_err(|_cause| bad("redirect_uris"))?,
        grant_types: row
            .grant_types
            .iter()
            .map(|grant| grant.parse())
            .collect::<Result<_, _>>()
            .map_err(|_cause| bad("grant_types"))?,
        scopes: scope_set(&row.scopes).ok_or_else(|| bad("scopes"))?,
        optional_scopes: scope_set(&row.optional_scopes).ok_or_else(|| bad("optional_scopes"))?,
        publisher: row.publisher,
        id_token_alg,
        retry_window,
    };
    Ok(Client {
        id,
        app_id: AppId::from_uuid(row.app_id),
        account_id: AccountId::from_uuid(account),
        registration,
        first_party: row.first_party,
        publisher_verified: row.publisher_verified,
        logo_digest: row.logo_digest,
        secrets,
        disabled_at: row.disabled_at,
        shut_out_at: row.shut_out_at,
        created_at: row.created_at,
    })
}

/// The client of that id, with its secrets.
///
/// # Errors
///
/// If the database is out of reach, or its row makes no sense.
pub async fn client(connection: &mut AsyncPgConnection, id: ClientId) -> Result<Option<Client>, Fault> {
    let found: Option<(ClientRow, Uuid)> = clients::table
        .inner_join(apps::table)
        .filter(clients::id.eq(id.uuid()))
        .select((ClientRow::as_select(), apps::account_id))
        .first(connection)
        .await
        .optional()?;
    let Some((row, account)) = found else {
        return Ok(None);
    };
    let secrets = secrets_of(connection, &[row.id]).await?;
    entity(
        row,
        account,
        secrets.into_iter().map(|(_, secret)| secret).collect(),
    )
    .map(Some)
}

/// All clients of an app, oldest first.
///
/// # Errors
///
/// As [`client`].
pub async fn clients_of_app(connection: &mut AsyncPgConnection, app: AppId) -> Result<Vec<Client>, Fault> {
    let rows: Vec<(ClientRow, Uuid)> = clients::table
        .inner_join(apps::table)
        .filter(clients::app_id.eq(app.uuid()))
        .order(clients::created_at)
        .select((ClientRow::as_select(), apps::account_id))
        .load(connection)
        .await?;
    with_secrets(connection, rows).await
}

/// All clients there are, oldest first: for operators.
///
/// # Errors
///
/// As [`client`].
pub async fn all_clients(connection: &mut AsyncPgConnection) -> Result<Vec<Client>, Fault> {
    let rows: Vec<(ClientRow, Uuid)> = clients::table
        .inner_join(apps::table)
        .order((clients::created_at, clients::id))
        .select((ClientRow::as_select(), apps::account_id))
        .load(connection)
        .await?;
    with_secrets(connection, rows).await
}

async fn with_secrets(
    connection: &mut AsyncPgConnection,
    rows: Vec<(ClientRow, Uuid)>,
) -> Result<Vec<Client>, Fault> {
    let ids: Vec<Uuid> = rows.iter().map(|(row, _)| row.id).collect();
    let secrets = secrets_of(connection, &ids).await?;
    rows.into_iter()
        .map(|(row, account)| {
            let own = secrets
                .iter()
                .filter(|(client, _)| *client == row.id)
                .map(|(_, secret)| secret.clone());
            let own = own.collect();
            entity(row, account, own)
        })
        .collect()
}

/// How many clients an app has.
pub(in crate::oauth::clients) async fn count(
    connection: &mut AsyncPgConnection,
    app: AppId,
) -> Result<i64, Fault> {
    Ok(clients::table
        .filter(clients::app_id.eq(app.uuid()))
        .count()
        .get_result(connection)
        .await?)
}

/// How many clients each app of an account has; apps without any are not named.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn count_by_app(
    connection: &mut AsyncPgConnection,
    account: AccountId,
) -> Result<HashMap<AppId, usize>, Fault> {
    let rows: Vec<(Uuid, i64)> = clients::table
        .inner_join(apps::table)
        .filter(apps::account_id.eq(account.uuid()))
        .group_by(clients::app_id)
        .select((clients::app_id, diesel::dsl::count_star()))
        .load(connection)
        .await?;
    rows.into_iter()
        .map(|(app, count)| {
            let count = usize::try_from(count).map_err(Fault::internal)?;
            Ok((AppId::from_uuid(app), count))
        })
        .collect()
}

/// Whose a client is, with its name.
pub(in crate::oauth) struct Owner {
    pub(in crate::oauth) name: String,
    pub(in crate::oauth) app: AppId,
    pub(in crate::oauth) account: AccountId,
}

/// The same of several, by their ids; those that are gone are not named.
pub(in crate::oauth) async fn owners(
    connection: &mut AsyncPgConnection,
    ids: &[ClientId],
) -> Result<HashMap<ClientId, Owner>, Fault> {
    let rows: Vec<(Uuid, String, Uuid, Uuid)> = clients::table
        .inner_join(apps::table)
        .filter(clients::id.eq_any(ids.iter().map(|id| id.uuid())))
        .select((clients::id, clients::name, apps::id, apps::account_id))
        .load(connection)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(client, name, app, account)| {
            let owner = Owner {
                name,
                app: AppId::from_uuid(app),
                account: AccountId::from_uuid(account),
            };
            (ClientId::from_uuid(client), owner)
        })
        .collect())
}

async fn secrets_of(
    connection: &mut AsyncPgConnection,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, ClientSecret)>, Fault> {
    client_secrets::table
        .filter(client_secrets::client_id.eq_any(ids))
        .filter(client_secrets::revoked_at.is_null())
        .order(client_secrets::created_at.desc())
        .select(SecretRow::as_select())
        .load(connection)
        .await?
        .into_iter()
        .map(|row| Ok((row.client_id, row.try_into()?)))
        .collect()
}
