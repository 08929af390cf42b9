//! Rows of client secrets: written, ended, removed.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;

use crate::{
    crypto::Mac,
    db::schema::client_secrets,
    oauth::clients::ClientSecret,
    types::{ClientId, ClientSecretId, Fault},
};

pub(in crate::oauth::clients) async fn insert_secret(
    connection: &mut AsyncPgConnection,
    client: ClientId,
    secret: &ClientSecret,
) -> Result<bool, Fault> {
    let inserted = diesel::insert_into(client_secrets::table)
        .values((
            client_secrets::id.eq(secret.id.uuid()),
            client_secrets::client_id.eq(client.uuid()),
            client_secrets::key_id.eq(secret.mac.key_id.0),
            client_secrets::mac.eq(secret.mac.tag.as_slice()),
            client_secrets::hint.eq(&secret.hint),
            client_secrets::expires_at.eq(secret.expires_at),
            client_secrets::created_at.eq(secret.created_at),
        ))
        .on_conflict(client_secrets::id)
        .do_nothing()
        .execute(connection)
        .await?;
    Ok(inserted == 1)
}

pub(in crate::oauth::clients) async fn delete_secret(
    connection: &mut AsyncPgConnection,
    client: ClientId,
    secret: ClientSecretId,
) -> Result<bool, Fault> {
    let row = client_secrets::table
        .find(secret.uuid())
        .filter(client_secrets::client_id.eq(client.uuid()));
    Ok(diesel::delete(row).execute(connection).await? == 1)
}

/// Digests a secret anew under the current key, when it was presented.
pub(in crate::oauth::clients) async fn rehash_secret(
    connection: &mut AsyncPgConnection,
    secret: ClientSecretId,
    mac: Mac,
) -> Result<(), Fault> {
    diesel::update(client_secrets::table.find(secret.uuid()))
        .set((
            client_secrets::key_id.eq(mac.key_id.0),
            client_secrets::mac.eq(mac.tag.as_slice()),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Lets no secret of the client be good after `end`.
pub(in crate::oauth::clients) async fn end_secrets(
    connection: &mut AsyncPgConnection,
    client: ClientId,
    end: OffsetDateTime,
) -> Result<(), Fault> {
    let later = client_secrets::table
        .filter(client_secrets::client_id.eq(client.uuid()))
        .filter(
            client_secrets::expires_at
                .is_null()
                .or(client_secrets::expires_at.gt(end)),
        );
    diesel::update(later)
        .set(client_secrets::expires_at.eq(end))
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes the secrets of the client that are good no more.
pub(in crate::oauth::clients) async fn delete_ended_secrets(
    connection: &mut AsyncPgConnection,
    client: ClientId,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    let ended = client_secrets::table
        .filter(client_secrets::client_id.eq(client.uuid()))
        .filter(client_secrets::expires_at.le(now));
    diesel::delete(ended).execute(connection).await?;
    Ok(())
}
