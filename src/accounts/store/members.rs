use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    super::model::{Account, Member, Membership, Role},
    AccountRow,
};
use crate::{
    db::schema::{accounts, members, users},
    types::{AccountId, Fault, UserId},
};

/// Makes somebody a member; false if they are one already.
pub(in super::super) async fn insert_member(
    connection: &mut AsyncPgConnection,
    account: AccountId,
    user: UserId,
    role: Role,
    now: OffsetDateTime,
) -> Result<bool, Fault> {
    let inserted = diesel::insert_into(members::table)
        .values((
            members::account_id.eq(account.uuid()),
            members::user_id.eq(user.uuid()),
            members::role.eq(role.name()),
            members::created_at.eq(now),
        ))
        .on_conflict_do_nothing()
        .execute(connection)
        .await?;
    Ok(inserted == 1)
}

fn role_named(name: &str, user: UserId) -> Result<Role, Fault> {
    Role::named(name).ok_or_else(|| Fault::inconsistent("members", "role", user))
}

pub(in super::super) async fn role(
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

/// The same, held until the transaction ends: whoever takes it away waits, or is seen.
pub(in super::super) async fn held_role(
    connection: &mut AsyncPgConnection,
    user: UserId,
    account: AccountId,
) -> Result<Option<Role>, Fault> {
    let name: Option<String> = members::table
        .find((account.uuid(), user.uuid()))
        .select(members::role)
        .for_share()
        .first(connection)
        .await
        .optional()?;
    name.map(|name| role_named(&name, user)).transpose()
}

pub(in super::super) async fn set_role(
    connection: &mut AsyncPgConnection,
    account: AccountId,
    user: UserId,
    role: Role,
) -> Result<(), Fault> {
    diesel::update(members::table.find((account.uuid(), user.uuid())))
        .set(members::role.eq(role.name()))
        .execute(connection)
        .await?;
    Ok(())
}

pub(in super::super) async fn delete_member(
    connection: &mut AsyncPgConnection,
    account: AccountId,
    user: UserId,
) -> Result<(), Fault> {
    diesel::delete(members::table.find((account.uuid(), user.uuid())))
        .execute(connection)
        .await?;
    Ok(())
}

/// Everybody in an account, in the order in which they came.
pub(in super::super) async fn members(
    connection: &mut AsyncPgConnection,
    account: AccountId,
) -> Result<Vec<Member>, Fault> {
    let rows: Vec<(Uuid, String, OffsetDateTime)> = members::table
        .filter(members::account_id.eq(account.uuid()))
        .order((members::created_at, members::user_id))
        .select((members::user_id, members::role, members::created_at))
        .load(connection)
        .await?;
    rows.into_iter()
        .map(|(user, role, since)| {
            let user_id = UserId::from_uuid(user);
            Ok(Member {
                user_id,
                role: role_named(&role, user_id)?,
                since,
            })
        })
        .collect()
}

/// The owners and admins of some accounts.
pub(in super::super) async fn admins(
    connection: &mut AsyncPgConnection,
    accounts: &[AccountId],
) -> Result<Vec<(AccountId, UserId)>, Fault> {
    let rows: Vec<(Uuid, Uuid)> = members::table
        .filter(members::account_id.eq_any(accounts.iter().map(|id| id.uuid())))
        .filter(members::role.eq_any([Role::Owner.name(), Role::Admin.name()]))
        .order((members::account_id, members::created_at, members::user_id))
        .select((members::account_id, members::user_id))
        .load(connection)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(account, user)| (AccountId::from_uuid(account), UserId::from_uuid(user)))
        .collect())
}

pub(in super::super) async fn count_members(
    connection: &mut AsyncPgConnection,
    account: AccountId,
) -> Result<i64, Fault> {
    Ok(members::table
        .filter(members::account_id.eq(account.uuid()))
        .count()
        .get_result(connection)
        .await?)
}

/// Owners beside a member, who can sign in: one who is blocked can neither close the account nor hand it over.
pub(in super::super) async fn count_other_owners(
    connection: &mut AsyncPgConnection,
    account: AccountId,
    member: UserId,
) -> Result<i64, Fault> {
    Ok(members::table
        .inner_join(users::table)
        .filter(members::account_id.eq(account.uuid()))
        .filter(members::role.eq(Role::Owner.name()))
        .filter(members::user_id.ne(member.uuid()))
        .filter(users::blocked_at.is_null())
        .count()
        .get_result(connection)
        .await?)
}

/// Team accounts that somebody owns.
pub(in super::super) async fn count_teams(
    connection: &mut AsyncPgConnection,
    owner: UserId,
) -> Result<i64, Fault> {
    Ok(members::table
        .inner_join(accounts::table)
        .filter(members::user_id.eq(owner.uuid()))
        .filter(members::role.eq(Role::Owner.name()))
        .filter(accounts::personal_user_id.is_null())
        .count()
        .get_result(connection)
        .await?)
}

pub(in super::super) async fn memberships(
    connection: &mut AsyncPgConnection,
    user: UserId,
) -> Result<Vec<Membership>, Fault> {
    let rows: Vec<(AccountRow, String)> = members::table
        .inner_join(accounts::table)
        .filter(members::user_id.eq(user.uuid()))
        .order((
            accounts::personal_user_id.is_distinct_from(user.uuid()),
            accounts::id,
        ))
        .select((AccountRow::as_select(), members::role))
        .load(connection)
        .await?;
    rows.into_iter()
        .map(|(account, role)| {
            Ok(Membership {
                account: Account::try_from(account)?,
                role: role_named(&role, user)?,
            })
        })
        .collect()
}
