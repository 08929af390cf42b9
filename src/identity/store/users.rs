use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::model::User;
use crate::{
    db::schema::users,
    types::{Fault, InvalidEmail, UserId},
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
pub(super) struct UserRow {
    id: Uuid,
    email: String,
    email_verified_at: Option<OffsetDateTime>,
    name: String,
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
            operator: row.operator,
            blocked: row.blocked_at.is_some(),
            created_at: row.created_at,
        })
    }
}

pub(in super::super) async fn user(
    connection: &mut AsyncPgConnection,
    id: UserId,
) -> Result<Option<User>, Fault> {
    users::table
        .find(id.uuid())
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
