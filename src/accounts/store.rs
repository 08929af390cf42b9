use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

mod invitations;
mod members;

pub(super) use invitations::*;
pub(super) use members::*;

use super::model::{Account, App};
use crate::{
    db::schema::{accounts, apps, members as memberships_table},
    types::{AccountId, AppId, Fault, UserId},
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = accounts, check_for_backend(diesel::pg::Pg))]
struct AccountRow {
    id: Uuid,
    name: String,
    personal_user_id: Option<Uuid>,
    created_at: OffsetDateTime,
    monthly_limit: Option<i64>,
}

impl TryFrom<AccountRow> for Account {
    type Error = Fault;

    fn try_from(row: AccountRow) -> Result<Self, Fault> {
        let id = AccountId::from_uuid(row.id);
        Ok(Self {
            id,
            name: row.name,
            personal: row.personal_user_id.is_some(),
            monthly_limit: row
                .monthly_limit
                .map(u64::try_from)
                .transpose()
                .map_err(|_error| Fault::inconsistent("accounts", "monthly_limit", id))?,
            created_at: row.created_at,
        })
    }
}

/// Adds an account; false if there is one of that id.
pub(super) async fn insert_account(
    connection: &mut AsyncPgConnection,
    account: &Account,
    personal_user: Option<UserId>,
) -> Result<bool, Fault> {
    let inserted = diesel::insert_into(accounts::table)
        .values((
            accounts::id.eq(account.id.uuid()),
            accounts::name.eq(&account.name),
            accounts::personal_user_id.eq(personal_user.map(UserId::uuid)),
            accounts::created_at.eq(account.created_at),
        ))
        .on_conflict(accounts::id)
        .do_nothing()
        .execute(connection)
        .await?;
    Ok(inserted == 1)
}

pub(super) async fn account(
    connection: &mut AsyncPgConnection,
    id: AccountId,
) -> Result<Option<Account>, Fault> {
    accounts::table
        .find(id.uuid())
        .select(AccountRow::as_select())
        .first(connection)
        .await
        .optional()?
        .map(Account::try_from)
        .transpose()
}

/// Every account, oldest first.
pub(super) async fn accounts(connection: &mut AsyncPgConnection) -> Result<Vec<Account>, Fault> {
    let rows = accounts::table
        .order(accounts::id)
        .select(AccountRow::as_select())
        .load(connection)
        .await?;
    rows.into_iter().map(Account::try_from).collect()
}

/// Holds an account until the transaction ends: what is counted of it, and who belongs to it, stays so.
pub(super) async fn hold_account(
    connection: &mut AsyncPgConnection,
    id: AccountId,
) -> Result<Option<Account>, Fault> {
    accounts::table
        .find(id.uuid())
        .select(AccountRow::as_select())
        .for_no_key_update()
        .first(connection)
        .await
        .optional()?
        .map(Account::try_from)
        .transpose()
}

pub(super) async fn rename_account(
    connection: &mut AsyncPgConnection,
    id: AccountId,
    name: &str,
) -> Result<(), Fault> {
    diesel::update(accounts::table.find(id.uuid()))
        .set(accounts::name.eq(name))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn set_monthly_limit(
    connection: &mut AsyncPgConnection,
    id: AccountId,
    limit: Option<i64>,
) -> Result<(), Fault> {
    diesel::update(accounts::table.find(id.uuid()))
        .set(accounts::monthly_limit.eq(limit))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn delete_account(connection: &mut AsyncPgConnection, id: AccountId) -> Result<(), Fault> {
    diesel::delete(accounts::table.find(id.uuid()))
        .execute(connection)
        .await?;
    Ok(())
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
    let members = memberships_table::table.filter(memberships_table::account_id.eq(accounts::id));
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

pub(super) async fn hold_apps(connection: &mut AsyncPgConnection, ids: &[AppId]) -> Result<(), Fault> {
    let _held: Vec<Uuid> = apps::table
        .filter(apps::id.eq_any(ids.iter().map(|id| id.uuid())))
        .order(apps::id)
        .select(apps::id)
        .for_no_key_update()
        .load(connection)
        .await?;
    Ok(())
}

pub(super) async fn delete_app(connection: &mut AsyncPgConnection, id: AppId) -> Result<(), Fault> {
    diesel::delete(apps::table.find(id.uuid()))
        .execute(connection)
        .await?;
    Ok(())
}
