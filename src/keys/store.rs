//! What is kept of keys: written here, read in [`read`].

mod default_key;
mod leaked;
mod policy;
mod read;
mod told;

pub(super) use default_key::{configure_default_key, default_key, take_default_key};
pub(super) use leaked::by_values;
pub(super) use policy::{
    apps_named, apps_with_any, change_policy, drop_publishable_scope, drop_scope, held_policy, hold_all_apps,
    policy, set_app_scopes,
};
pub(super) use read::{
    Found, FoundApp, by_account, by_app, count_live, count_live_by_app, count_usable, ending, former, held,
    held_all, key, keys, keys_with_any, live_by_macs, usable,
};
pub(super) use told::{enter_reached, forget_reached, take_reminders};

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use ipnet::IpNet;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    model::{ApiKey, OwnLimits, RevokedBecause, Settings},
    once::{Once, Salt},
    remind,
};
use crate::{
    crypto::Mac,
    db::schema::{api_keys, idempotent_requests, regenerated_values},
    types::{AccountId, ApiKeyId, AppId, Fault},
};

fn strings(networks: &[IpNet]) -> Vec<String> {
    networks.iter().map(ToString::to_string).collect()
}

#[derive(AsChangeset, Insertable)]
#[diesel(table_name = api_keys, treat_none_as_null = true)]
struct SettingsRow<'s> {
    name: &'s str,
    scopes: Vec<String>,
    per_second: Option<i32>,
    per_hour: Option<i64>,
    per_month: Option<i64>,
    allowed_networks: Vec<String>,
    expires_at: Option<OffsetDateTime>,
}

impl<'s> TryFrom<&'s Settings> for SettingsRow<'s> {
    type Error = Fault;

    fn try_from(settings: &'s Settings) -> Result<Self, Fault> {
        let OwnLimits {
            per_second,
            per_hour,
            per_month,
        } = settings.limits;
        let count = |limit: Option<std::num::NonZeroU64>| {
            limit
                .map(|limit| i64::try_from(limit.get()))
                .transpose()
                .map_err(Fault::internal)
        };
        Ok(Self {
            name: settings.name.as_str(),
            scopes: settings.scopes.to_strings(),
            per_second: per_second
                .map(|limit| i32::try_from(limit.get()))
                .transpose()
                .map_err(Fault::internal)?,
            per_hour: count(per_hour)?,
            per_month: count(per_month)?,
            allowed_networks: strings(&settings.networks),
            expires_at: settings.expires_at,
        })
    }
}

/// Adds a key; false if there is one of that id.
pub(super) async fn insert(
    connection: &mut AsyncPgConnection,
    key: &ApiKey,
    created_by: &str,
) -> Result<bool, Fault> {
    let inserted = diesel::insert_into(api_keys::table)
        .values((
            (
                api_keys::id.eq(key.id.uuid()),
                api_keys::app_id.eq(key.app_id.map(AppId::uuid)),
                api_keys::account_id.eq(key.account_id.uuid()),
                api_keys::family.eq(&key.family),
                api_keys::kind.eq(key.kind.name()),
                api_keys::environment.eq(key.environment.name()),
            ),
            SettingsRow::try_from(&key.settings)?,
            api_keys::pepper_id.eq(key.mac.key_id.0),
            api_keys::mac.eq(key.mac.tag.as_slice()),
            api_keys::hint.eq(&key.hint),
            api_keys::created_by.eq(created_by),
            api_keys::reminded_days.eq(remind::passed(key.settings.expires_at, key.created_at)),
            api_keys::created_at.eq(key.created_at),
            api_keys::changed_at.eq(key.changed_at),
        ))
        .on_conflict(api_keys::id)
        .do_nothing()
        .execute(connection)
        .await?;
    Ok(inserted == 1)
}

/// Another end has reminders of its own.
fn reminders(
    was: &ApiKey,
    end: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Option<diesel::dsl::Eq<api_keys::reminded_days, Option<i32>>> {
    (was.settings.expires_at != end).then(|| api_keys::reminded_days.eq(remind::passed(end, now)))
}

/// Writes what can be changed of a key.
pub(super) async fn change(
    connection: &mut AsyncPgConnection,
    was: &ApiKey,
    settings: &Settings,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    diesel::update(api_keys::table.find(was.id.uuid()))
        .set((
            SettingsRow::try_from(settings)?,
            api_keys::changed_at.eq(now),
            reminders(was, settings.expires_at, now),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Says which key took its place, and when it ends.
pub(super) async fn succeed(
    connection: &mut AsyncPgConnection,
    was: &ApiKey,
    successor: ApiKeyId,
    ends_at: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    diesel::update(api_keys::table.find(was.id.uuid()))
        .set((
            api_keys::successor_id.eq(successor.uuid()),
            api_keys::rotated_at.eq(now),
            api_keys::expires_at.eq(ends_at),
            api_keys::changed_at.eq(now),
            reminders(was, ends_at, now),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Gives a key another value, and keeps the digest of the one that it had.
pub(super) async fn regenerate(
    connection: &mut AsyncPgConnection,
    was: &ApiKey,
    mac: Mac,
    hint: &str,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    diesel::insert_into(regenerated_values::table)
        .values((
            regenerated_values::mac.eq(was.mac.tag.as_slice()),
            regenerated_values::pepper_id.eq(was.mac.key_id.0),
            regenerated_values::key_id.eq(was.id.uuid()),
            regenerated_values::ended_at.eq(now),
        ))
        .execute(connection)
        .await?;
    diesel::update(api_keys::table.find(was.id.uuid()))
        .set((
            api_keys::pepper_id.eq(mac.key_id.0),
            api_keys::mac.eq(mac.tag.as_slice()),
            api_keys::hint.eq(hint),
            api_keys::changed_at.eq(now),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Digests a key anew under another pepper, unless it has got another value meanwhile.
pub(super) async fn rehash(
    connection: &mut AsyncPgConnection,
    id: ApiKeyId,
    from: &Mac,
    to: Mac,
) -> Result<(), Fault> {
    diesel::update(api_keys::table.find(id.uuid()))
        .filter(api_keys::mac.eq(from.tag.as_slice()))
        .set((
            api_keys::pepper_id.eq(to.key_id.0),
            api_keys::mac.eq(to.tag.as_slice()),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Revokes those of these keys that are not revoked, and says which those were.
pub(super) async fn revoke(
    connection: &mut AsyncPgConnection,
    ids: &[ApiKeyId],
    reason: RevokedBecause,
    now: OffsetDateTime,
) -> Result<Vec<ApiKeyId>, Fault> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let revoked: Vec<Uuid> = diesel::update(api_keys::table)
        .filter(api_keys::id.eq_any(ids))
        .filter(api_keys::revoked_at.is_null())
        .set((
            api_keys::revoked_at.eq(now),
            api_keys::revoked_reason.eq(reason.name()),
            api_keys::changed_at.eq(now),
        ))
        .returning(api_keys::id)
        .get_results(connection)
        .await?;
    Ok(revoked.into_iter().map(ApiKeyId::from_uuid).collect())
}

/// A request that came before.
#[derive(Queryable, Selectable)]
#[diesel(table_name = idempotent_requests, check_for_backend(diesel::pg::Pg))]
pub(super) struct FirstRequest {
    pub(super) request_digest: Vec<u8>,
    pub(super) made: String,
    pub(super) salt: Vec<u8>,
}

/// The first request with that `Idempotency-Key`; none if this is the first, which is then entered as having made `made`.
pub(super) async fn enter_request(
    connection: &mut AsyncPgConnection,
    once: &Once,
    made: &str,
    salt: Salt,
    now: OffsetDateTime,
) -> Result<Option<FirstRequest>, Fault> {
    loop {
        let entered = diesel::insert_into(idempotent_requests::table)
            .values((
                idempotent_requests::caller.eq(&once.caller),
                idempotent_requests::idempotency_key.eq(&once.key),
                idempotent_requests::request_digest.eq(once.digest.as_slice()),
                idempotent_requests::made.eq(made),
                idempotent_requests::salt.eq(salt.as_slice()),
                idempotent_requests::created_at.eq(now),
            ))
            .on_conflict_do_nothing()
            .execute(connection)
            .await?;
        if entered == 1 {
            return Ok(None);
        }
        let first = idempotent_requests::table
            .find((&once.caller, &once.key))
            .select(FirstRequest::as_select())
            .first(connection)
            .await
            .optional()?;
        // None if it was forgotten meanwhile: then this is the first.
        if first.is_some() {
            return Ok(first);
        }
    }
}

/// Forgets requests from before `before`, up to `most`.
pub(super) async fn forget_requests(
    connection: &mut AsyncPgConnection,
    before: OffsetDateTime,
    most: i64,
) -> Result<usize, Fault> {
    use diesel::sql_types::{BigInt, Timestamptz};

    Ok(diesel::sql_query(
        "DELETE FROM idempotent_requests WHERE ctid IN
             (SELECT ctid FROM idempotent_requests WHERE created_at <= $1 LIMIT $2)",
    )
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(most)
    .execute(connection)
    .await?)
}

/// Takes the keys of an app out of it, as it goes: their tombstones stay.
pub(super) async fn leave_app(connection: &mut AsyncPgConnection, app: AppId) -> Result<(), Fault> {
    diesel::update(api_keys::table)
        .filter(api_keys::app_id.eq(app.uuid()))
        .filter(api_keys::revoked_at.is_not_null())
        .set(api_keys::app_id.eq(None::<Uuid>))
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether that account has a key that is good now.
pub(super) async fn has_usable(
    connection: &mut AsyncPgConnection,
    accounts: &[AccountId],
    now: OffsetDateTime,
) -> Result<bool, Fault> {
    let accounts: Vec<Uuid> = accounts.iter().map(|id| id.uuid()).collect();
    let usable = api_keys::table
        .filter(api_keys::account_id.eq_any(accounts))
        .filter(api_keys::revoked_at.is_null())
        .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now)));
    Ok(diesel::select(diesel::dsl::exists(usable))
        .get_result(connection)
        .await?)
}
