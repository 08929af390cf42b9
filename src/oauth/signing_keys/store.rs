use diesel::{dsl::sql_query, prelude::*};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Published, verifying_half};
use crate::{
    config::SigningAlgorithm,
    crypto::{KeyId, Keyring, Place, Purpose, SigningKey},
    db::schema::signing_keys,
    types::{Fault, SigningKeyId},
};

pub(super) fn place(id: SigningKeyId) -> Place {
    Place::column("signing_keys", "private_sealed", id)
}

pub(super) const fn name(algorithm: SigningAlgorithm) -> &'static str {
    match algorithm {
        SigningAlgorithm::ES256 => "ES256",
        SigningAlgorithm::EdDSA => "EdDSA",
        SigningAlgorithm::RS256 => "RS256",
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = signing_keys, check_for_backend(diesel::pg::Pg))]
struct Row {
    id: Uuid,
    algorithm: String,
    private_sealed: Vec<u8>,
    signs_from: OffsetDateTime,
    expires_at: Option<OffsetDateTime>,
}

pub(super) async fn all(
    connection: &mut AsyncPgConnection,
    keyring: &Keyring,
) -> Result<Vec<Published>, Fault> {
    let rows = signing_keys::table
        .order((signing_keys::published_at, signing_keys::id))
        .select(Row::as_select())
        .load(connection)
        .await?;
    rows.into_iter()
        .map(|row| {
            let id = SigningKeyId::from_uuid(row.id);
            let algorithm = super::ALGORITHMS
                .into_iter()
                .find(|algorithm| name(*algorithm) == row.algorithm)
                .ok_or_else(|| Fault::inconsistent("signing_keys", "algorithm", id))?;
            let pkcs8 = keyring
                .open(Purpose::SigningKey, &place(id), &row.private_sealed)
                .ok_or_else(|| Fault::inconsistent("signing_keys", "private_sealed", id))?;
            let key = SigningKey::from_pkcs8(algorithm, &pkcs8)?;
            let verifies = verifying_half(&key)?;
            Ok(Published {
                key,
                verifies,
                signs_from: row.signs_from,
                ends_at: row.expires_at,
            })
        })
        .collect()
}

/// Lets one node at a time add keys.
pub(super) async fn lock(connection: &mut AsyncPgConnection) -> Result<(), Fault> {
    sql_query("LOCK TABLE signing_keys IN SHARE ROW EXCLUSIVE MODE")
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn newest(
    connection: &mut AsyncPgConnection,
    algorithm: SigningAlgorithm,
) -> Result<Option<OffsetDateTime>, Fault> {
    Ok(signing_keys::table
        .filter(signing_keys::algorithm.eq(name(algorithm)))
        .select(diesel::dsl::max(signing_keys::signs_from))
        .first(connection)
        .await?)
}

/// Says of the key that signs now until when it does.
pub(super) async fn retire(
    connection: &mut AsyncPgConnection,
    algorithm: SigningAlgorithm,
    until: OffsetDateTime,
) -> Result<(), Fault> {
    diesel::update(signing_keys::table)
        .filter(signing_keys::algorithm.eq(name(algorithm)))
        .filter(signing_keys::signs_until.is_null())
        .set(signing_keys::signs_until.eq(until))
        .execute(connection)
        .await?;
    Ok(())
}

/// Lets the successor sign no later than `at`.
pub(super) async fn hasten(
    connection: &mut AsyncPgConnection,
    algorithm: SigningAlgorithm,
    at: OffsetDateTime,
) -> Result<(), Fault> {
    diesel::update(signing_keys::table)
        .filter(signing_keys::algorithm.eq(name(algorithm)))
        .filter(signing_keys::signs_from.gt(at))
        .set(signing_keys::signs_from.eq(at))
        .execute(connection)
        .await?;
    Ok(())
}

/// Lets nothing that a key signed be believed after `at`.
pub(super) async fn end(
    connection: &mut AsyncPgConnection,
    kid: &str,
    at: OffsetDateTime,
) -> Result<(), Fault> {
    diesel::update(signing_keys::table)
        .filter(signing_keys::kid.eq(kid))
        .set((signing_keys::signs_until.eq(at), signing_keys::expires_at.eq(at)))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn insert(
    connection: &mut AsyncPgConnection,
    id: SigningKeyId,
    key: &SigningKey,
    sealed: &[u8],
    published_at: OffsetDateTime,
    signs_from: OffsetDateTime,
) -> Result<(), Fault> {
    diesel::insert_into(signing_keys::table)
        .values((
            signing_keys::id.eq(id.uuid()),
            signing_keys::kid.eq(key.kid()),
            signing_keys::algorithm.eq(name(key.algorithm())),
            signing_keys::private_sealed.eq(sealed),
            signing_keys::public_jwk.eq(key.public_jwk()),
            signing_keys::published_at.eq(published_at),
            signing_keys::signs_from.eq(signs_from),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes keys that stopped signing before `before`.
pub(super) async fn delete_retired(
    connection: &mut AsyncPgConnection,
    before: OffsetDateTime,
) -> Result<usize, Fault> {
    let retired = signing_keys::table.filter(signing_keys::signs_until.lt(before));
    Ok(diesel::delete(retired).execute(connection).await?)
}

pub(super) async fn reseal(connection: &mut AsyncPgConnection, keyring: &Keyring) -> Result<usize, Fault> {
    let current = keyring.current_id(Purpose::SigningKey)?;
    let rows: Vec<(Uuid, Vec<u8>)> = signing_keys::table
        .select((signing_keys::id, signing_keys::private_sealed))
        .load(connection)
        .await?;
    let mut done = 0;
    for (id, sealed) in rows {
        if sealed.first_chunk::<4>().copied().map(KeyId::from_bytes) == Some(current) {
            continue;
        }
        let place = place(SigningKeyId::from_uuid(id));
        let plain = keyring
            .open(Purpose::SigningKey, &place, &sealed)
            .ok_or_else(|| Fault::inconsistent("signing_keys", "private_sealed", id))?;
        let anew = keyring.seal(Purpose::SigningKey, &place, &plain)?;
        done += diesel::update(signing_keys::table.find(id))
            .set(signing_keys::private_sealed.eq(anew))
            .execute(connection)
            .await?;
    }
    Ok(done)
}
