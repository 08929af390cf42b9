use diesel::{
    prelude::*,
    sql_types::{Array, BigInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::Notification;
use crate::{
    db::schema::notifications,
    types::{Fault, UserId},
};

pub(in super::super) async fn insert_notifications(
    connection: &mut AsyncPgConnection,
    all: &[Notification],
    now: OffsetDateTime,
) -> Result<(), Fault> {
    let users: Vec<_> = all.iter().map(|own| own.to.uuid()).collect();
    let subjects: Vec<_> = all.iter().map(|own| own.subject.as_str()).collect();
    let texts: Vec<_> = all.iter().map(|own| own.text.as_str()).collect();
    diesel::sql_query(
        "INSERT INTO notifications (user_id, subject, text, next_at, created_at)
         SELECT *, $4, $4 FROM unnest($1, $2, $3)",
    )
    .bind::<Array<SqlUuid>, _>(users)
    .bind::<Array<Text>, _>(subjects)
    .bind::<Array<Text>, _>(texts)
    .bind::<Timestamptz, _>(now)
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct ClaimedRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Text)]
    subject: String,
    #[diesel(sql_type = Text)]
    text: String,
}

/// Claims the one that has been due longest, by its number: nobody else is at it for ten minutes. Unless it is deleted by
/// then it is due again; the older it is, the longer that takes.
pub(in super::super) async fn claim_notification(
    connection: &mut AsyncPgConnection,
    now: OffsetDateTime,
) -> Result<Option<(i64, Notification)>, Fault> {
    let row: Option<ClaimedRow> = diesel::sql_query(
        "UPDATE notifications SET next_at = $1 + greatest(interval '10 minutes', $1 - created_at)
         WHERE id = (
             SELECT id FROM notifications WHERE next_at <= $1 ORDER BY next_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
         )
         RETURNING id, user_id, subject, text",
    )
    .bind::<Timestamptz, _>(now)
    .get_result(connection)
    .await
    .optional()?;
    Ok(row.map(|row| {
        let notification = Notification {
            to: UserId::from_uuid(row.user_id),
            subject: row.subject,
            text: row.text,
        };
        (row.id, notification)
    }))
}

pub(in super::super) async fn delete_notification(
    connection: &mut AsyncPgConnection,
    id: i64,
) -> Result<(), Fault> {
    diesel::delete(notifications::table.find(id))
        .execute(connection)
        .await?;
    Ok(())
}
