use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::model::{Account, App, Membership, Role};
use crate::{
    db::schema::{accounts, apps, members},
    types::{AccountId, AppId, Fault, UserId},
};

pub(super) async fn insert_account(
    connection: &mut AsyncPgConnection,
    account: &Account,
    personal_user: Option<UserId>,
) -> Result<(), Fault> {
    diesel::insert_into(accounts::table)
        .values((
            accounts::id.eq(account.id.uuid()),
            accounts::name.eq(&account.name),
            accounts::personal_user_id.eq(personal_user.map(UserId::uuid)),
            accounts::created_at.eq(account.created_at),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn insert_member(
    connection: &mut AsyncPgConnection,
    account: AccountId,
    user: UserId,
    role: Role,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    diesel::insert_into(members::table)
        .values((
            members::account_id.eq(account.uuid()),
            members::user_id.eq(user.uuid()),
            members::role.eq(role.name()),
            members::created_at.eq(now),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

fn role_named(name: &str, user: UserId) -> Result<Role, Fault> {
    Role::named(name).ok_or_else(|| Fault::inconsistent("members", "role", user))
}

pub(super) async fn role(
    connection: &mut AsyncPgConnection,
    user: UserId,
    account: AccountId,
) -> Result<Option<Role>, Fault> {
    let name: Option<String> = members::table
        .find((account.uuid(), user.uuid()))
        .select(members::role)
        .first(connection)
        .await
        .optional()?;
    name.map(|name| role_named(&name, user)).transpose()
}

pub(super) async fn memberships(
    connection: &mut AsyncPgConnection,
    user: UserId,
) -> Result<Vec<Membership>, Fault> {
    let rows: Vec<(Uuid, String, Option<Uuid>, OffsetDateTime, String)> = members::table
        .inner_join(accounts::table)
        .filter(members::user_id.eq(user.uuid()))
        .order((
            accounts::personal_user_id.is_distinct_from(user.uuid()),
            accounts::id,
        ))
        .select((
            accounts::id,
            accounts::name,
            accounts::personal_user_id,
            accounts::created_at,
            members::role,
        ))
        .load(connection)
        .await?;
    rows.into_iter()
        .map(|(id, name, personal, created_at, role)| {
            Ok(Membership {
                account: Account {
                    id: AccountId::from_uuid(id),
                    name,
                    personal: personal.is_some(),
                    created_at,
                },
                role: role_named(&role, user)?,
            })
        })
        .collect()
}

pub(super) async fn members_with(
    connection: &mut AsyncPgConnection,
    account: AccountId,
    role: Role,
) -> Result<Vec<UserId>, Fault> {
    let ids: Vec<Uuid> = members::table
        .filter(members::account_id.eq(account.uuid()))
        .filter(members::role.eq(role.name()))
        .order(members::user_id)
        .select(members::user_id)
        .load(connection)
        .await?;
    Ok(ids.into_iter().map(UserId::from_uuid).collect())
}

pub(super) async fn personal_account(
    connection: &mut AsyncPgConnection,
    user: UserId,
) -> Result<Option<AccountId>, Fault> {
    let id: Option<Uuid> = accounts::table
        .filter(accounts::personal_user_id.eq(user.uuid()))
        .select(accounts::id)
        .first(connection)
        .await
        .optional()?;
    Ok(id.map(AccountId::from_uuid))
}

/// Lets one transaction at a time look for the account of the house and make it. The lock ends with it.
pub(super) async fn lock_house(connection: &mut AsyncPgConnection) -> Result<(), Fault> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtext('claviger.accounts.house'))")
        .execute(connection)
        .await?;
    Ok(())
}

/// The oldest account of that name that nobody belongs to.
pub(super) async fn account_without_members(
    connection: &mut AsyncPgConnection,
    name: &str,
) -> Result<Option<AccountId>, Fault> {
    let members = members::table.filter(members::account_id.eq(accounts::id));
    let id: Option<Uuid> = accounts::table
        .filter(accounts::name.eq(name))
        .filter(accounts::personal_user_id.is_null())
        .filter(diesel::dsl::not(diesel::dsl::exists(members)))
        .order(accounts::created_at)
        .select(accounts::id)
        .first(connection)
        .await
        .optional()?;
    Ok(id.map(AccountId::from_uuid))
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = apps, check_for_backend(diesel::pg::Pg))]
struct AppRow {
    id: Uuid,
    account_id: Uuid,
    name: String,
    created_at: OffsetDateTime,
}

impl From<AppRow> for App {
    fn from(row: AppRow) -> Self {
        Self {
            id: AppId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            name: row.name,
            created_at: row.created_at,
        }
    }
}

/// Adds an app; false if there is one of that id.
pub(super) async fn insert_app(connection: &mut AsyncPgConnection, app: &App) -> Result<bool, Fault> {
    let inserted = diesel::insert_into(apps::table)
        .values((
            apps::id.eq(app.id.uuid()),
            apps::account_id.eq(app.account_id.uuid()),
            apps::name.eq(&app.name),
            apps::created_at.eq(app.created_at),
        ))
        .on_conflict(apps::id)
        .do_nothing()
        .execute(connection)
        .await?;
    Ok(inserted == 1)
}

/// Holds an account until the transaction ends: what is counted of it stays so.
pub(super) async fn lock_account(connection: &mut AsyncPgConnection, id: AccountId) -> Result<(), Fault> {
    let _: Uuid = accounts::table
        .find(id.uuid())
        .select(accounts::id)
        .for_no_key_update()
        .first(connection)
        .await?;
    Ok(())
}

pub(super) async fn count_apps(connection: &mut AsyncPgConnection, account: AccountId) -> Result<i64, Fault> {
    Ok(apps::table
        .filter(apps::account_id.eq(account.uuid()))
        .count()
        .get_result(connection)
        .await?)
}

pub(super) async fn account_name(
    connection: &mut AsyncPgConnection,
    id: AccountId,
) -> Result<Option<String>, Fault> {
    let name = accounts::table
        .find(id.uuid())
        .select(accounts::name)
        .first(connection)
        .await
        .optional()?;
    Ok(name)
}

pub(super) async fn app(connection: &mut AsyncPgConnection, id: AppId) -> Result<Option<App>, Fault> {
    let row = apps::table
        .find(id.uuid())
        .select(AppRow::as_select())
        .first(connection)
        .await
        .optional()?;
    Ok(row.map(App::from))
}

pub(super) async fn apps(connection: &mut AsyncPgConnection, account: AccountId) -> Result<Vec<App>, Fault> {
    let rows: Vec<AppRow> = apps::table
        .filter(apps::account_id.eq(account.uuid()))
        .order(apps::id)
        .select(AppRow::as_select())
        .load(connection)
        .await?;
    Ok(rows.into_iter().map(App::from).collect())
}

pub(super) async fn rename_app(
    connection: &mut AsyncPgConnection,
    id: AppId,
    name: &str,
) -> Result<(), Fault> {
    diesel::update(apps::table.find(id.uuid()))
        .set(apps::name.eq(name))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn lock_app(connection: &mut AsyncPgConnection, id: AppId) -> Result<bool, Fault> {
    let found: Option<Uuid> = apps::table
        .find(id.uuid())
        .select(apps::id)
        .for_update()
        .first(connection)
        .await
        .optional()?;
    Ok(found.is_some())
}

pub(super) async fn delete_app(connection: &mut AsyncPgConnection, id: AppId) -> Result<(), Fault> {
    diesel::delete(apps::table.find(id.uuid()))
        .execute(connection)
        .await?;
    Ok(())
}
