use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::model::{Credentials, User};
use crate::{
    db::{
        is_unique_violation,
        schema::{accounts, users},
    },
    types::{AccountId, Email, Fault, InvalidEmail, UserId},
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
pub(super) struct UserRow {
    id: Uuid,
    email: String,
    email_verified_at: Option<OffsetDateTime>,
    name: String,
    password_set_at: OffsetDateTime,
    operator: bool,
    blocked_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
}

impl TryFrom<UserRow> for User {
    type Error = Fault;

    fn try_from(row: UserRow) -> Result<Self, Fault> {
        let id = UserId::from_uuid(row.id);
        Ok(Self {
            id,
            email: row
                .email
                .parse()
                .map_err(|InvalidEmail| Fault::inconsistent("users", "email", id))?,
            email_verified: row.email_verified_at.is_some(),
            name: row.name,
            password_set_at: row.password_set_at,
            operator: row.operator,
            blocked: row.blocked_at.is_some(),
            created_at: row.created_at,
        })
    }
}

pub(in super::super) async fn user(
    mut connection: &AsyncPgConnection,
    id: UserId,
) -> Result<Option<User>, Fault> {
    users::table
        .find(id.uuid())
        .select(UserRow::as_select())
        .first(&mut connection)
        .await
        .optional()?
        .map(User::try_from)
        .transpose()
}

pub(in super::super) async fn users(
    connection: &mut AsyncPgConnection,
    ids: &[UserId],
) -> Result<Vec<User>, Fault> {
    let rows = users::table
        .filter(users::id.eq_any(ids.iter().map(|id| id.uuid())))
        .select(UserRow::as_select())
        .load(connection)
        .await?;
    rows.into_iter().map(User::try_from).collect()
}

/// A person as they stay until the transaction ends.
pub(in super::super) async fn hold_person(
    connection: &mut AsyncPgConnection,
    id: UserId,
) -> Result<Option<User>, Fault> {
    users::table
        .find(id.uuid())
        .select(UserRow::as_select())
        .for_no_key_update()
        .first(connection)
        .await
        .optional()?
        .map(User::try_from)
        .transpose()
}

pub(in super::super) async fn user_by_email(
    connection: &mut AsyncPgConnection,
    email: &Email,
) -> Result<Option<User>, Fault> {
    users::table
        .filter(users::email_key.eq(email.key()))
        .select(UserRow::as_select())
        .first(connection)
        .await
        .optional()?
        .map(User::try_from)
        .transpose()
}

pub(in super::super) async fn operators(connection: &mut AsyncPgConnection) -> Result<Vec<User>, Fault> {
    let rows = users::table
        .filter(users::operator)
        .filter(users::blocked_at.is_null())
        .order(users::created_at)
        .select(UserRow::as_select())
        .load(connection)
        .await?;
    rows.into_iter().map(User::try_from).collect()
}

/// Whom to look up.
#[derive(Clone, Copy)]
pub(in super::super) enum Whose<'a> {
    Email(&'a Email),
    Id(UserId),
}

/// A person with what their password is checked against.
pub(in super::super) async fn credentials(
    connection: &mut AsyncPgConnection,
    whose: Whose<'_>,
) -> Result<Option<Credentials>, Fault> {
    let mut query = users::table
        .left_join(accounts::table)
        .select((
            UserRow::as_select(),
            users::password_hash,
            accounts::id.nullable(),
        ))
        .into_boxed();
    query = match whose {
        Whose::Email(email) => query.filter(users::email_key.eq(email.key())),
        Whose::Id(id) => query.filter(users::id.eq(id.uuid())),
    };
    let row: Option<(UserRow, String, Option<Uuid>)> = query.first(connection).await.optional()?;
    row.map(|(user, password_hash, account)| {
        Ok(Credentials {
            user: user.try_into()?,
            password_hash,
            account_id: account.map(AccountId::from_uuid),
        })
    })
    .transpose()
}

/// Adds a person; false if somebody has that address.
pub(in super::super) async fn insert_user(
    connection: &mut AsyncPgConnection,
    user: &User,
    password_hash: &str,
) -> Result<bool, Fault> {
    let inserted = diesel::insert_into(users::table)
        .values((
            users::id.eq(user.id.uuid()),
            users::email.eq(user.email.as_str()),
            users::email_key.eq(user.email.key()),
            users::email_verified_at.eq(user.email_verified.then_some(user.created_at)),
            users::name.eq(&user.name),
            users::password_hash.eq(password_hash),
            users::password_set_at.eq(user.password_set_at),
            users::operator.eq(user.operator),
            users::created_at.eq(user.created_at),
        ))
        .on_conflict(users::email_key)
        .do_nothing()
        .execute(connection)
        .await?;
    Ok(inserted == 1)
}

pub(in super::super) async fn is_email_taken(
    connection: &mut AsyncPgConnection,
    email: &Email,
) -> Result<bool, Fault> {
    Ok(diesel::select(diesel::dsl::exists(
        users::table.filter(users::email_key.eq(email.key())),
    ))
    .get_result(connection)
    .await?)
}

pub(in super::super) async fn has_operator(connection: &mut AsyncPgConnection) -> Result<bool, Fault> {
    Ok(
        diesel::select(diesel::dsl::exists(users::table.filter(users::operator)))
            .get_result(connection)
            .await?,
    )
}

pub(in super::super) async fn set_name(
    connection: &mut AsyncPgConnection,
    id: UserId,
    name: &str,
) -> Result<(), Fault> {
    diesel::update(users::table.find(id.uuid()))
        .set(users::name.eq(name))
        .execute(connection)
        .await?;
    Ok(())
}

/// Sets another password; false if it is no longer the one that `user` had when they were read, because another request
/// changed it meanwhile, or the person is blocked by now.
pub(in super::super) async fn set_password(
    connection: &mut AsyncPgConnection,
    user: &User,
    hash: &str,
    now: OffsetDateTime,
) -> Result<bool, Fault> {
    // Not by its hash: a sign-in may have made another of the same password.
    let updated = diesel::update(users::table.find(user.id.uuid()))
        .filter(users::password_set_at.eq(user.password_set_at))
        .filter(users::blocked_at.is_null())
        .set((users::password_hash.eq(hash), users::password_set_at.eq(now)))
        .execute(connection)
        .await?;
    Ok(updated == 1)
}

/// Replaces the hash of a password by another one of the same, unless that has been done; when the password was set stays.
pub(in super::super) async fn rehash_password(
    connection: &mut AsyncPgConnection,
    id: UserId,
    was: &str,
    hash: &str,
) -> Result<(), Fault> {
    diesel::update(users::table.find(id.uuid()))
        .filter(users::password_hash.eq(was))
        .set(users::password_hash.eq(hash))
        .execute(connection)
        .await?;
    Ok(())
}

/// Holds a person as they are until the transaction ends, if their password is still the one that `user` had when they
/// were read and they are not blocked: whoever sets another one or blocks them meanwhile waits, and ends the session that
/// this transaction begins.
pub(in super::super) async fn hold_password(
    connection: &mut AsyncPgConnection,
    user: &User,
) -> Result<bool, Fault> {
    let found: Option<Uuid> = users::table
        .find(user.id.uuid())
        .filter(users::password_set_at.eq(user.password_set_at))
        .filter(users::blocked_at.is_null())
        .select(users::id)
        .for_no_key_update()
        .first(connection)
        .await
        .optional()?;
    Ok(found.is_some())
}

/// Marks an address as its person's own; false if that person has another address by now, or had this one
/// verified before.
pub(in super::super) async fn verify_email(
    connection: &mut AsyncPgConnection,
    id: UserId,
    email: &Email,
    now: OffsetDateTime,
) -> Result<bool, Fault> {
    let updated = diesel::update(users::table.find(id.uuid()))
        .filter(users::email_key.eq(email.key()))
        .filter(users::email_verified_at.is_null())
        .set(users::email_verified_at.eq(now))
        .execute(connection)
        .await?;
    Ok(updated == 1)
}

/// Gives a person another, verified address; false if somebody else has it, and then the transaction is
/// void.
pub(in super::super) async fn set_email(
    connection: &mut AsyncPgConnection,
    id: UserId,
    email: &Email,
    now: OffsetDateTime,
) -> Result<bool, Fault> {
    let updated = diesel::update(users::table.find(id.uuid()))
        .set((
            users::email.eq(email.as_str()),
            users::email_key.eq(email.key()),
            users::email_verified_at.eq(now),
        ))
        .execute(connection)
        .await;
    match updated {
        Ok(_) => Ok(true),
        Err(error) if is_unique_violation(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Blocks a person, or lets them in again; says whether that was a change. The row is locked against whoever is about
/// to give this person something, until the transaction ends.
pub(in super::super) async fn set_blocked(
    connection: &mut AsyncPgConnection,
    id: UserId,
    at: Option<OffsetDateTime>,
) -> Result<bool, Fault> {
    let was: Option<Option<OffsetDateTime>> = users::table
        .find(id.uuid())
        .select(users::blocked_at)
        .for_update()
        .first(connection)
        .await
        .optional()?;
    if was.is_none_or(|was| was.is_some() == at.is_some()) {
        return Ok(false);
    }
    diesel::update(users::table.find(id.uuid()))
        .set(users::blocked_at.eq(at))
        .execute(connection)
        .await?;
    Ok(true)
}
