use std::collections::{HashMap, HashSet};

use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{BigInt, Binary, Bool, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::{LeakedSecret, Secret, secrets::place};
use crate::{
    crypto::{Keyring, Purpose},
    db::schema::{apps, webhook_endpoints, webhook_secrets},
    types::{AccountId, AppId, Fault, WebhookEndpointId, WebhookSecretId},
};

/// Whether a secret signs at that time.
#[diesel::dsl::auto_type]
pub(super) fn is_live(now: OffsetDateTime) -> _ {
    webhook_secrets::expires_at
        .is_null()
        .or(webhook_secrets::expires_at.gt(now))
}

/// Holds several endpoints in one order, so that their secrets stay as they are.
pub(in crate::webhooks) async fn lock_endpoints(
    connection: &mut AsyncPgConnection,
    ids: &[WebhookEndpointId],
) -> Result<(), Fault> {
    let _held: Vec<Uuid> = webhook_endpoints::table
        .filter(webhook_endpoints::id.eq_any(ids.iter().map(|id| id.uuid())))
        .order(webhook_endpoints::id)
        .select(webhook_endpoints::id)
        .for_no_key_update()
        .load(connection)
        .await?;
    Ok(())
}

/// A secret before it is written.
pub(in crate::webhooks) struct NewRow<'n> {
    pub(in crate::webhooks) id: WebhookSecretId,
    pub(in crate::webhooks) endpoint: WebhookEndpointId,
    pub(in crate::webhooks) sealed: &'n [u8],
    pub(in crate::webhooks) digest: &'n [u8],
    pub(in crate::webhooks) hint: &'n str,
    pub(in crate::webhooks) now: OffsetDateTime,
}

/// Adds a secret; false if there is one of that id.
pub(in crate::webhooks) async fn insert_secret(
    connection: &mut AsyncPgConnection,
    new: &NewRow<'_>,
) -> Result<bool, Fault> {
    let inserted = diesel::insert_into(webhook_secrets::table)
        .values((
            webhook_secrets::id.eq(new.id.uuid()),
            webhook_secrets::endpoint_id.eq(new.endpoint.uuid()),
            webhook_secrets::sealed.eq(new.sealed),
            webhook_secrets::digest.eq(new.digest),
            webhook_secrets::hint.eq(new.hint),
            webhook_secrets::created_at.eq(new.now),
        ))
        .on_conflict(webhook_secrets::id)
        .do_nothing()
        .execute(connection)
        .await?;
    Ok(inserted == 1)
}

/// The secrets that sign, oldest first.
pub(in crate::webhooks) async fn live_secrets(
    connection: &mut AsyncPgConnection,
    endpoint: WebhookEndpointId,
    now: OffsetDateTime,
) -> Result<Vec<Secret>, Fault> {
    let rows: Vec<(Uuid, String, OffsetDateTime, Option<OffsetDateTime>)> = webhook_secrets::table
        .filter(webhook_secrets::endpoint_id.eq(endpoint.uuid()))
        .filter(is_live(now))
        .order(webhook_secrets::id)
        .select((
            webhook_secrets::id,
            webhook_secrets::hint,
            webhook_secrets::created_at,
            webhook_secrets::expires_at,
        ))
        .load(connection)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, hint, created_at, expires_at)| Secret {
            id: WebhookSecretId::from_uuid(id),
            hint,
            created_at,
            expires_at,
        })
        .collect())
}

/// The same as they are sealed, newest first.
pub(in crate::webhooks) async fn live_sealed(
    connection: &mut AsyncPgConnection,
    endpoint: WebhookEndpointId,
    now: OffsetDateTime,
) -> Result<Vec<(WebhookSecretId, Vec<u8>)>, Fault> {
    let rows: Vec<(Uuid, Vec<u8>)> = webhook_secrets::table
        .filter(webhook_secrets::endpoint_id.eq(endpoint.uuid()))
        .filter(is_live(now))
        .order(webhook_secrets::id.desc())
        .select((webhook_secrets::id, webhook_secrets::sealed))
        .load(connection)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, sealed)| (WebhookSecretId::from_uuid(id), sealed))
        .collect())
}

/// Lets no secret of the endpoint sign after `end`.
pub(in crate::webhooks) async fn end_secrets(
    connection: &mut AsyncPgConnection,
    endpoint: WebhookEndpointId,
    end: OffsetDateTime,
) -> Result<(), Fault> {
    let later = webhook_secrets::table
        .filter(webhook_secrets::endpoint_id.eq(endpoint.uuid()))
        .filter(is_live(end));
    diesel::update(later)
        .set(webhook_secrets::expires_at.eq(end))
        .execute(connection)
        .await?;
    Ok(())
}

/// Ends those of these secrets that sign now, and says which those were.
pub(in crate::webhooks) async fn end_these_secrets(
    connection: &mut AsyncPgConnection,
    ids: &[WebhookSecretId],
    now: OffsetDateTime,
) -> Result<HashSet<WebhookSecretId>, Fault> {
    let live = webhook_secrets::table
        .filter(webhook_secrets::id.eq_any(ids.iter().map(|id| id.uuid())))
        .filter(is_live(now));
    let ended: Vec<Uuid> = diesel::update(live)
        .set(webhook_secrets::expires_at.eq(now))
        .returning(webhook_secrets::id)
        .get_results(connection)
        .await?;
    Ok(ended.into_iter().map(WebhookSecretId::from_uuid).collect())
}

/// Secrets with whose they are, by their digests.
pub(in crate::webhooks) async fn by_digests(
    connection: &mut AsyncPgConnection,
    digests: &[[u8; 32]],
) -> Result<HashMap<[u8; 32], LeakedSecret>, Fault> {
    let rows: Vec<(Vec<u8>, Uuid, Uuid, String, Uuid, Uuid)> = webhook_secrets::table
        .inner_join(webhook_endpoints::table.inner_join(apps::table))
        .filter(webhook_secrets::digest.eq_any(digests.iter().map(<[u8; 32]>::as_slice)))
        .select((
            webhook_secrets::digest,
            webhook_endpoints::id,
            webhook_secrets::id,
            webhook_secrets::hint,
            apps::id,
            apps::account_id,
        ))
        .load(connection)
        .await?;
    rows.into_iter()
        .map(|(digest, endpoint, secret, hint, app, account)| {
            let bad = |_cause| Fault::inconsistent("webhook_secrets", "digest", secret);
            let leaked = LeakedSecret {
                endpoint: WebhookEndpointId::from_uuid(endpoint),
                secret: WebhookSecretId::from_uuid(secret),
                hint,
                app: AppId::from_uuid(app),
                account: AccountId::from_uuid(account),
            };
            Ok((digest.try_into().map_err(bad)?, leaked))
        })
        .collect()
}

/// Removes up to `batch` secrets that ended before `before`.
pub(in crate::webhooks) async fn delete_ended_secrets(
    connection: &mut AsyncPgConnection,
    before: OffsetDateTime,
    batch: i64,
) -> Result<usize, Fault> {
    Ok(diesel::sql_query(
        "DELETE FROM webhook_secrets WHERE id IN (SELECT id FROM webhook_secrets WHERE expires_at < $1 LIMIT $2)",
    )
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(batch)
    .execute(connection)
    .await?)
}

/// Seals anew those of up to `batch` secrets after the one `after`, by id, that are still under an older key. Returns how
/// many, and the last that was looked at, if there was any.
pub(in crate::webhooks) async fn reseal_secrets(
    connection: &mut AsyncPgConnection,
    keyring: &Keyring,
    after: Option<WebhookSecretId>,
    batch: i64,
) -> Result<(usize, Option<WebhookSecretId>), Fault> {
    let current = keyring.current_id(Purpose::WebhookSecret)?.to_bytes();
    let rows: Vec<(Uuid, Vec<u8>)> = webhook_secrets::table
        .filter(webhook_secrets::id.gt(after.map_or_else(Uuid::nil, WebhookSecretId::uuid)))
        .filter(sql::<Bool>("substring(sealed from 1 for 4) <> ").bind::<Binary, _>(current.to_vec()))
        .order(webhook_secrets::id)
        .select((webhook_secrets::id, webhook_secrets::sealed))
        .limit(batch)
        .load(connection)
        .await?;
    let last = rows.last().map(|(id, _)| WebhookSecretId::from_uuid(*id));
    let mut done = 0;
    for (id, sealed) in rows {
        let secret = WebhookSecretId::from_uuid(id);
        let Some(plain) = keyring.open(Purpose::WebhookSecret, &place(secret), &sealed) else {
            // One row that makes no sense must not keep all others from being sealed anew.
            tracing::error!(%secret, "the secret of a webhook endpoint does not open");
            continue;
        };
        let anew = keyring.seal(Purpose::WebhookSecret, &place(secret), &plain)?;
        done += diesel::update(
            webhook_secrets::table
                .find(id)
                .filter(webhook_secrets::sealed.eq(sealed)),
        )
        .set(webhook_secrets::sealed.eq(anew))
        .execute(connection)
        .await?;
    }
    Ok((done, last))
}
