//! Rows of client secrets: written, ended, removed.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    crypto::{KeyId, Mac},
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

/// Takes a secret back. Its row stays for a while, so that it is known if somebody finds it.
pub(in crate::oauth::clients) async fn revoke_secret(
    connection: &mut AsyncPgConnection,
    client: ClientId,
    secret: ClientSecretId,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    let row = client_secrets::table
        .find(secret.uuid())
        .filter(client_secrets::client_id.eq(client.uuid()))
        .filter(client_secrets::revoked_at.is_null());
    diesel::update(row)
        .set(client_secrets::revoked_at.eq(now))
        .execute(connection)
        .await?;
    Ok(())
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

/// Takes back the secrets of the client that are good no more.
pub(in crate::oauth::clients) async fn revoke_ended_secrets(
    connection: &mut AsyncPgConnection,
    client: ClientId,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    let ended = client_secrets::table
        .filter(client_secrets::client_id.eq(client.uuid()))
        .filter(client_secrets::expires_at.le(now))
        .filter(client_secrets::revoked_at.is_null());
    diesel::update(ended)
        .set(client_secrets::revoked_at.eq(now))
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes up to `most` secrets that were taken back before `before`.
pub(in crate::oauth) async fn delete_revoked_secrets(
    connection: &mut AsyncPgConnection,
    before: OffsetDateTime,
    most: i64,
) -> Result<usize, Fault> {
    Ok(diesel::sql_query(
        "DELETE FROM client_secrets WHERE id IN (SELECT id FROM client_secrets WHERE revoked_at <= $1 LIMIT $2)",
    )
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(most)
    .execute(connection)
    .await?)
}

/// A secret that begins as one that somebody found, and the client that it is of.
pub(in crate::oauth) struct Candidate {
    pub(in crate::oauth) id: ClientSecretId,
    pub(in crate::oauth) mac: Mac,
    pub(in crate::oauth) hint: String,
    pub(in crate::oauth) client: ClientId,
    /// Whether it is good now.
    pub(in crate::oauth) live: bool,
}

/// Secrets with these beginnings, taken back or not.
pub(in crate::oauth) async fn secrets_with_hints(
    connection: &mut AsyncPgConnection,
    hints: &[String],
    now: OffsetDateTime,
) -> Result<Vec<Candidate>, Fault> {
    type Row = (
        Uuid,
        i32,
        Vec<u8>,
        String,
        Uuid,
        Option<OffsetDateTime>,
        Option<OffsetDateTime>,
    );
    let rows: Vec<Row> = client_secrets::table
        .filter(client_secrets::hint.eq_any(hints))
        .select((
            client_secrets::id,
            client_secrets::key_id,
            client_secrets::mac,
            client_secrets::hint,
            client_secrets::client_id,
            client_secrets::expires_at,
            client_secrets::revoked_at,
        ))
        .load(connection)
        .await?;
    rows.into_iter()
        .map(|(id, key_id, mac, hint, client, expires_at, revoked_at)| {
            let id = ClientSecretId::from_uuid(id);
            let bad = || Fault::inconsistent("client_secrets", "mac", id);
            Ok(Candidate {
                id,
                mac: Mac {
                    key_id: KeyId(key_id),
                    tag: mac.try_into().map_err(|_cause| bad())?,
                },
                hint,
                client: ClientId::from_uuid(client),
                live: revoked_at.is_none() && expires_at.is_none_or(|end| now < end),
            })
        })
        .collect()
}

/// Takes back those of these secrets that are good, of whichever clients, and says which those were.
pub(in crate::oauth) async fn revoke_secrets(
    connection: &mut AsyncPgConnection,
    ids: &[ClientSecretId],
    now: OffsetDateTime,
) -> Result<Vec<ClientSecretId>, Fault> {
    let good = client_secrets::table
        .filter(client_secrets::id.eq_any(ids.iter().map(|id| id.uuid())))
        .filter(client_secrets::revoked_at.is_null())
        .filter(
            client_secrets::expires_at
                .is_null()
                .or(client_secrets::expires_at.gt(now)),
        );
    let revoked: Vec<Uuid> = diesel::update(good)
        .set(client_secrets::revoked_at.eq(now))
        .returning(client_secrets::id)
        .get_results(connection)
        .await?;
    Ok(revoked.into_iter().map(ClientSecretId::from_uuid).collect())
}
