use std::{
    collections::HashMap,
    num::{NonZeroU32, NonZeroU64},
};

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use ipnet::IpNet;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    crypto::{KeyId, Mac},
    db::schema::{accounts, api_keys, apps},
    keys::model::{ApiKey, OwnLimits, RevokedBecause, Settings},
    types::{AccountId, ApiKeyId, AppId, Environment, Fault, ScopeSet},
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys, check_for_backend(diesel::pg::Pg))]
struct Row {
    id: Uuid,
    app_id: Option<Uuid>,
    account_id: Uuid,
    family: String,
    kind: String,
    environment: String,
    name: String,
    scopes: Vec<String>,
    pepper_id: i32,
    mac: Vec<u8>,
    hint: String,
    per_second: Option<i32>,
    per_hour: Option<i64>,
    per_month: Option<i64>,
    allowed_networks: Vec<String>,
    expires_at: Option<OffsetDateTime>,
    successor_id: Option<Uuid>,
    rotated_at: Option<OffsetDateTime>,
    revoked_at: Option<OffsetDateTime>,
    revoked_reason: Option<String>,
    created_at: OffsetDateTime,
    changed_at: OffsetDateTime,
    last_used_at: Option<OffsetDateTime>,
    last_used_sealed: Option<Vec<u8>>,
}

impl TryFrom<Row> for ApiKey {
    type Error = Fault;

    fn try_from(row: Row) -> Result<Self, Fault> {
        let id = ApiKeyId::from_uuid(row.id);
        let bad = |column: &str| Fault::inconsistent("api_keys", column, id);
        let count = |limit: Option<i64>, column: &str| {
            limit
                .map(|limit| {
                    u64::try_from(limit)
                        .ok()
                        .and_then(NonZeroU64::new)
                        .ok_or_else(|| bad(column))
                })
                .transpose()
        };
        let per_second = row
            .per_second
            .map(|limit| {
                let limit = u32::try_from(limit).ok().and_then(NonZeroU32::new);
                limit.ok_or_else(|| bad("per_second"))
            })
            .transpose()?;
        let revoked = match (row.revoked_at, &row.revoked_reason) {
            (None, None) => None,
            (Some(at), Some(reason)) => {
                let reason = RevokedBecause::named(reason).ok_or_else(|| bad("revoked_reason"))?;
                Some((at, reason))
            }
            (Some(_), None) | (None, Some(_)) => return Err(bad("revoked_at")),
        };
        Ok(Self {
            id,
            app_id: row.app_id.map(AppId::from_uuid),
            account_id: AccountId::from_uuid(row.account_id),
            family: row.family,
            kind: row.kind.parse().map_err(|_cause| bad("kind"))?,
            environment: row.environment.parse().map_err(|_cause| bad("environment"))?,
            settings: Settings {
                name: row.name.parse().map_err(|_cause| bad("name"))?,
                scopes: scopes(&row.scopes).ok_or_else(|| bad("scopes"))?,
                limits: OwnLimits {
                    per_second,
                    per_hour: count(row.per_hour, "per_hour")?,
                    per_month: count(row.per_month, "per_month")?,
                },
                expires_at: row.expires_at,
                networks: networks(&row.allowed_networks).ok_or_else(|| bad("allowed_networks"))?,
            },
            mac: Mac {
                key_id: KeyId(row.pepper_id),
                tag: row.mac.try_into().map_err(|_cause| bad("mac"))?,
            },
            hint: row.hint,
            successor_id: row.successor_id.map(ApiKeyId::from_uuid),
            rotated_at: row.rotated_at,
            revoked,
            created_at: row.created_at,
            changed_at: row.changed_at,
            last_used_at: row.last_used_at,
            last_used_sealed: row.last_used_sealed,
        })
    }
}

pub(super) fn scopes(names: &[String]) -> Option<ScopeSet> {
    names.iter().map(|name| name.parse().ok()).collect()
}

pub(super) fn networks(texts: &[String]) -> Option<Vec<IpNet>> {
    texts.iter().map(|text| text.parse().ok()).collect()
}

fn all(rows: Vec<Row>) -> Result<Vec<ApiKey>, Fault> {
    rows.into_iter().map(ApiKey::try_from).collect()
}

pub(in crate::keys) async fn key(
    connection: &mut AsyncPgConnection,
    id: ApiKeyId,
) -> Result<Option<ApiKey>, Fault> {
    let row: Option<Row> = api_keys::table
        .find(id.uuid())
        .select(Row::as_select())
        .first(connection)
        .await
        .optional()?;
    row.map(ApiKey::try_from).transpose()
}

/// Several at once; those that there are.
pub(in crate::keys) async fn keys(
    connection: &mut AsyncPgConnection,
    ids: &[ApiKeyId],
) -> Result<HashMap<ApiKeyId, ApiKey>, Fault> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let found = all(api_keys::table
        .filter(api_keys::id.eq_any(ids))
        .select(Row::as_select())
        .load(connection)
        .await?)?;
    Ok(found.into_iter().map(|key| (key.id, key)).collect())
}

/// The key as it is, held until the transaction ends.
pub(in crate::keys) async fn held(
    connection: &mut AsyncPgConnection,
    id: ApiKeyId,
) -> Result<Option<ApiKey>, Fault> {
    let row: Option<Row> = api_keys::table
        .find(id.uuid())
        .select(Row::as_select())
        .for_no_key_update()
        .first(connection)
        .await
        .optional()?;
    row.map(ApiKey::try_from).transpose()
}

/// The same of several, in one order: of two who hold some of the same none waits for the other in a circle.
pub(in crate::keys) async fn held_all(
    connection: &mut AsyncPgConnection,
    ids: &[ApiKeyId],
) -> Result<Vec<ApiKey>, Fault> {
    all(api_keys::table
        .filter(api_keys::id.eq_any(ids.iter().map(|id| id.uuid())))
        .order(api_keys::id)
        .select(Row::as_select())
        .for_no_key_update()
        .load(connection)
        .await?)
}

/// Keys that are not revoked and have any of these scopes, held.
pub(in crate::keys) async fn keys_with_any(
    connection: &mut AsyncPgConnection,
    names: &[String],
) -> Result<Vec<ApiKey>, Fault> {
    all(api_keys::table
        .filter(api_keys::scopes.overlaps_with(names))
        .filter(api_keys::revoked_at.is_null())
        .order(api_keys::id)
        .select(Row::as_select())
        .for_no_key_update()
        .load(connection)
        .await?)
}

/// Keys of an app, newest first, from before `before`.
pub(in crate::keys) async fn by_app(
    connection: &mut AsyncPgConnection,
    app: AppId,
    before: Option<ApiKeyId>,
    most: i64,
) -> Result<Vec<ApiKey>, Fault> {
    let mut query = api_keys::table
        .filter(api_keys::app_id.eq(app.uuid()))
        .select(Row::as_select())
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(api_keys::id.lt(before.uuid()));
    }
    all(query
        .order(api_keys::id.desc())
        .limit(most)
        .load(connection)
        .await?)
}

/// The same of all apps of some accounts.
pub(in crate::keys) async fn by_account(
    connection: &mut AsyncPgConnection,
    accounts: &[AccountId],
    before: Option<ApiKeyId>,
    most: i64,
) -> Result<Vec<ApiKey>, Fault> {
    let accounts: Vec<Uuid> = accounts.iter().map(|id| id.uuid()).collect();
    let mut query = api_keys::table
        .filter(api_keys::account_id.eq_any(accounts))
        .filter(api_keys::app_id.is_not_null())
        .select(Row::as_select())
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(api_keys::id.lt(before.uuid()));
    }
    all(query
        .order(api_keys::id.desc())
        .limit(most)
        .load(connection)
        .await?)
}

/// Keys of an app that can be used, newest first.
pub(in crate::keys) async fn usable(
    connection: &mut AsyncPgConnection,
    app: AppId,
    now: OffsetDateTime,
) -> Result<Vec<ApiKey>, Fault> {
    all(api_keys::table
        .filter(api_keys::app_id.eq(app.uuid()))
        .filter(api_keys::revoked_at.is_null())
        .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now)))
        .select(Row::as_select())
        .order(api_keys::id.desc())
        .load(connection)
        .await?)
}

/// Keys of an app that cannot be used any more, newest first, from before `before`.
pub(in crate::keys) async fn former(
    connection: &mut AsyncPgConnection,
    app: AppId,
    now: OffsetDateTime,
    before: Option<ApiKeyId>,
    most: i64,
) -> Result<Vec<ApiKey>, Fault> {
    let before = before.map_or_else(Uuid::max, ApiKeyId::uuid);
    all(api_keys::table
        .filter(api_keys::app_id.eq(app.uuid()))
        .filter(
            api_keys::revoked_at
                .is_not_null()
                .or(api_keys::expires_at.le(now).assume_not_null()),
        )
        .filter(api_keys::id.lt(before))
        .select(Row::as_select())
        .order(api_keys::id.desc())
        .limit(most)
        .load(connection)
        .await?)
}

/// Keys of some accounts that end between two times and have no successor, the next one first.
pub(in crate::keys) async fn ending(
    connection: &mut AsyncPgConnection,
    accounts: &[AccountId],
    from: OffsetDateTime,
    to: OffsetDateTime,
) -> Result<Vec<ApiKey>, Fault> {
    let accounts: Vec<Uuid> = accounts.iter().map(|id| id.uuid()).collect();
    all(api_keys::table
        .filter(api_keys::account_id.eq_any(accounts))
        .filter(api_keys::app_id.is_not_null())
        .filter(api_keys::revoked_at.is_null())
        .filter(api_keys::successor_id.is_null())
        .filter(api_keys::expires_at.gt(from))
        .filter(api_keys::expires_at.le(to))
        .select(Row::as_select())
        .order((api_keys::expires_at, api_keys::id))
        .load(connection)
        .await?)
}

fn good<'q>(app: AppId, now: OffsetDateTime) -> api_keys::BoxedQuery<'q, diesel::pg::Pg> {
    api_keys::table
        .filter(api_keys::app_id.eq(app.uuid()))
        .filter(api_keys::revoked_at.is_null())
        .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now)))
        .into_boxed()
}

/// Keys of an app that take a place: those that were rotated are on their way out and take none.
pub(in crate::keys) async fn count_live(
    connection: &mut AsyncPgConnection,
    app: AppId,
    now: OffsetDateTime,
) -> Result<i64, Fault> {
    let live = good(app, now).filter(api_keys::successor_id.is_null());
    Ok(live.count().get_result(connection).await?)
}

/// Keys of an app that are good, with those that were rotated.
pub(in crate::keys) async fn count_usable(
    connection: &mut AsyncPgConnection,
    app: AppId,
    now: OffsetDateTime,
) -> Result<i64, Fault> {
    Ok(good(app, now).count().get_result(connection).await?)
}

pub(in crate::keys) async fn count_live_by_app(
    connection: &mut AsyncPgConnection,
    account: AccountId,
    now: OffsetDateTime,
) -> Result<HashMap<AppId, i64>, Fault> {
    let rows: Vec<(Option<Uuid>, i64)> = api_keys::table
        .filter(api_keys::account_id.eq(account.uuid()))
        .filter(api_keys::revoked_at.is_null())
        .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now)))
        .group_by(api_keys::app_id)
        .select((api_keys::app_id, diesel::dsl::count_star()))
        .load(connection)
        .await?;
    Ok(rows
        .into_iter()
        .filter_map(|(app, count)| Some((AppId::from_uuid(app?), count)))
        .collect())
}

/// A key by its digest under any of the peppers, with what its app and its account say.
pub(in crate::keys) struct Found {
    pub(in crate::keys) key: ApiKey,
    /// None once its app is gone.
    pub(in crate::keys) app: Option<FoundApp>,
}

pub(in crate::keys) struct FoundApp {
    pub(in crate::keys) environments: Vec<Environment>,
    pub(in crate::keys) tier: String,
    pub(in crate::keys) networks: Vec<IpNet>,
    pub(in crate::keys) account_monthly_limit: Option<NonZeroU64>,
}

pub(in crate::keys) async fn live_by_macs(
    connection: &mut AsyncPgConnection,
    macs: &[Mac],
) -> Result<Option<Found>, Fault> {
    type AppRow = Option<(Vec<String>, String, Vec<String>)>;
    let tags: Vec<Vec<u8>> = macs.iter().map(|mac| mac.tag.to_vec()).collect();
    let row: Option<(Row, AppRow, Option<i64>)> = api_keys::table
        .left_join(apps::table.left_join(accounts::table))
        .filter(api_keys::mac.eq_any(tags))
        .select((
            Row::as_select(),
            (apps::environments, apps::tier, apps::allowed_networks).nullable(),
            accounts::monthly_limit.nullable(),
        ))
        .first(connection)
        .await
        .optional()?;
    let Some((row, app, limit)) = row else {
        return Ok(None);
    };
    let key = ApiKey::try_from(row)?;
    let app = app
        .map(|(environments, tier, allowed)| {
            let bad = |column: &str| Fault::inconsistent("apps", column, key.id);
            let environments = environments.iter().map(|name| name.parse());
            Ok::<_, Fault>(FoundApp {
                environments: environments
                    .collect::<Result<_, _>>()
                    .map_err(|_cause| bad("environments"))?,
                tier,
                networks: networks(&allowed).ok_or_else(|| bad("allowed_networks"))?,
                account_monthly_limit: limit
                    .and_then(|limit| u64::try_from(limit).ok())
                    .and_then(NonZeroU64::new),
            })
        })
        .transpose()?;
    Ok(Some(Found { key, app }))
}
