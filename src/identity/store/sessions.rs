use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    super::model::{Session, User},
    users::UserRow,
};
use crate::{
    db::schema::{sessions, users},
    types::{Fault, SessionId, UserId},
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions, check_for_backend(diesel::pg::Pg))]
struct SessionRow {
    id: Uuid,
    user_id: Uuid,
    authenticated_at: OffsetDateTime,
    last_seen_at: OffsetDateTime,
    expires_at: OffsetDateTime,
}

impl From<SessionRow> for Session {
    fn from(row: SessionRow) -> Self {
        Self {
            id: SessionId::from_uuid(row.id),
            user_id: UserId::from_uuid(row.user_id),
            authenticated_at: row.authenticated_at,
            last_seen_at: row.last_seen_at,
            expires_at: row.expires_at,
        }
    }
}

/// The live session whose cookie has this digest, with its person; none of those who are blocked.
pub(in super::super) async fn signed_in(
    connection: &mut AsyncPgConnection,
    token_hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<(Session, User)>, Fault> {
    let row: Option<(SessionRow, UserRow)> = sessions::table
        .inner_join(users::table)
        .filter(sessions::token_hash.eq(token_hash.as_slice()))
        .filter(sessions::expires_at.gt(now))
        .filter(users::blocked_at.is_null())
        .select((SessionRow::as_select(), UserRow::as_select()))
        .first(connection)
        .await
        .optional()?;
    row.map(|(session, user)| Ok((session.into(), user.try_into()?)))
        .transpose()
}

/// Writes down that a session is in use, and puts off its end.
pub(in super::super) async fn touch(
    connection: &mut AsyncPgConnection,
    id: SessionId,
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<(), Fault> {
    diesel::update(sessions::table.find(id.uuid()))
        .filter(sessions::last_seen_at.lt(now))
        .set((
            sessions::last_seen_at.eq(now),
            sessions::expires_at.eq(expires_at),
        ))
        .execute(connection)
        .await?;
    Ok(())
}
