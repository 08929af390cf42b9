use diesel::{dsl::array_remove, prelude::*};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    read::{networks, scopes},
    strings,
};
use crate::{
    db::schema::{api_keys, apps},
    keys::model::AppPolicy,
    types::{AccountId, ApiKeyId, AppId, Environment, Fault, ScopeSet},
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = apps, check_for_backend(diesel::pg::Pg))]
struct Row {
    id: Uuid,
    account_id: Uuid,
    environments: Vec<String>,
    key_scopes: Vec<String>,
    tier: String,
    allowed_networks: Vec<String>,
}

impl TryFrom<Row> for AppPolicy {
    type Error = Fault;

    fn try_from(row: Row) -> Result<Self, Fault> {
        let app_id = AppId::from_uuid(row.id);
        let bad = |column: &str| Fault::inconsistent("apps", column, app_id);
        let environments: Result<Vec<Environment>, _> =
            row.environments.iter().map(|name| name.parse()).collect();
        Ok(Self {
            app_id,
            account_id: AccountId::from_uuid(row.account_id),
            environments: environments.map_err(|_cause| bad("environments"))?,
            scopes: scopes(&row.key_scopes).ok_or_else(|| bad("key_scopes"))?,
            tier: row.tier,
            networks: networks(&row.allowed_networks).ok_or_else(|| bad("allowed_networks"))?,
        })
    }
}

pub(in crate::keys) async fn policy(
    connection: &mut AsyncPgConnection,
    app: AppId,
) -> Result<Option<AppPolicy>, Fault> {
    let row: Option<Row> = apps::table
        .find(app.uuid())
        .select(Row::as_select())
        .first(connection)
        .await
        .optional()?;
    row.map(AppPolicy::try_from).transpose()
}

/// The same, with the app held until the transaction ends: it is neither deleted nor changed meanwhile, and of two who add
/// its last key at once, one does.
pub(in crate::keys) async fn held_policy(
    connection: &mut AsyncPgConnection,
    app: AppId,
) -> Result<Option<AppPolicy>, Fault> {
    let row: Option<Row> = apps::table
        .find(app.uuid())
        .select(Row::as_select())
        .for_no_key_update()
        .first(connection)
        .await
        .optional()?;
    row.map(AppPolicy::try_from).transpose()
}

pub(in crate::keys) async fn change_policy(
    connection: &mut AsyncPgConnection,
    policy: &AppPolicy,
) -> Result<(), Fault> {
    let environments: Vec<&str> = policy.environments.iter().map(|own| own.name()).collect();
    diesel::update(apps::table.find(policy.app_id.uuid()))
        .set((
            apps::environments.eq(environments),
            apps::key_scopes.eq(policy.scopes.to_strings()),
            apps::tier.eq(&policy.tier),
            apps::allowed_networks.eq(strings(&policy.networks)),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes a scope that is gone from all apps and keys, and says which those were.
pub(in crate::keys) async fn drop_scope(
    connection: &mut AsyncPgConnection,
    name: &str,
) -> Result<(Vec<ApiKeyId>, Vec<AppId>), Fault> {
    // Apps first, as whoever makes a key takes them.
    let apps: Vec<Uuid> = diesel::update(apps::table.filter(apps::key_scopes.contains(vec![name])))
        .set(apps::key_scopes.eq(array_remove(apps::key_scopes, name)))
        .returning(apps::id)
        .get_results(connection)
        .await?;
    let keys: Vec<Uuid> = diesel::update(api_keys::table.filter(api_keys::scopes.contains(vec![name])))
        .set(api_keys::scopes.eq(array_remove(api_keys::scopes, name)))
        .returning(api_keys::id)
        .get_results(connection)
        .await?;
    Ok((
        keys.into_iter().map(ApiKeyId::from_uuid).collect(),
        apps.into_iter().map(AppId::from_uuid).collect(),
    ))
}

/// Takes a scope from publishable keys, and says which those were.
pub(in crate::keys) async fn drop_publishable_scope(
    connection: &mut AsyncPgConnection,
    name: &str,
) -> Result<Vec<ApiKeyId>, Fault> {
    let keys: Vec<Uuid> = diesel::update(
        api_keys::table
            .filter(api_keys::scopes.contains(vec![name]))
            .filter(api_keys::kind.eq("pk")),
    )
    .set(api_keys::scopes.eq(array_remove(api_keys::scopes, name)))
    .returning(api_keys::id)
    .get_results(connection)
    .await?;
    Ok(keys.into_iter().map(ApiKeyId::from_uuid).collect())
}

/// Whose these apps are, and their names.
pub(in crate::keys) async fn apps_named(
    connection: &mut AsyncPgConnection,
    ids: &[AppId],
) -> Result<Vec<(AppId, AccountId, String)>, Fault> {
    let rows: Vec<(Uuid, Uuid, String)> = apps::table
        .filter(apps::id.eq_any(ids.iter().map(|id| id.uuid())))
        .order(apps::id)
        .select((apps::id, apps::account_id, apps::name))
        .load(connection)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, account, name)| (AppId::from_uuid(id), AccountId::from_uuid(account), name))
        .collect())
}

pub(in crate::keys) async fn hold_all_apps(connection: &mut AsyncPgConnection) -> Result<(), Fault> {
    diesel::sql_query("LOCK TABLE apps IN EXCLUSIVE MODE")
        .execute(connection)
        .await?;
    Ok(())
}

/// Apps that have any of these scopes, held, with what they have.
pub(in crate::keys) async fn apps_with_any(
    connection: &mut AsyncPgConnection,
    names: &[String],
) -> Result<Vec<(AppId, ScopeSet)>, Fault> {
    let rows: Vec<(Uuid, Vec<String>)> = apps::table
        .filter(apps::key_scopes.overlaps_with(names))
        .order(apps::id)
        .select((apps::id, apps::key_scopes))
        .for_no_key_update()
        .load(connection)
        .await?;
    rows.into_iter()
        .map(|(id, held)| {
            let held = scopes(&held).ok_or_else(|| Fault::inconsistent("apps", "key_scopes", id))?;
            Ok((AppId::from_uuid(id), held))
        })
        .collect()
}

pub(in crate::keys) async fn set_app_scopes(
    connection: &mut AsyncPgConnection,
    app: AppId,
    to: &ScopeSet,
) -> Result<(), Fault> {
    diesel::update(apps::table.find(app.uuid()))
        .set(apps::key_scopes.eq(to.to_strings()))
        .execute(connection)
        .await?;
    Ok(())
}
