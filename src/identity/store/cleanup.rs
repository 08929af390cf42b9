use diesel::sql_types::{BigInt, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;

use crate::types::Fault;

/// What is removed once it is old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Old {
    /// Sessions that ended by themselves.
    Sessions,
    /// Links that nobody used.
    Links,
    /// Changes of address that were not confirmed in time.
    EmailChanges,
    /// Failures that no delay comes from any more.
    Failures,
    /// Mail that could not be sent for too long.
    Notifications,
}

/// Removes up to `most` rows that are older than `before`.
pub(in super::super) async fn delete_old(
    connection: &mut AsyncPgConnection,
    old: Old,
    before: OffsetDateTime,
    most: u32,
) -> Result<u64, Fault> {
    let statement = match old {
        Old::Sessions => {
            "DELETE FROM sessions WHERE id IN
             (SELECT id FROM sessions WHERE expires_at <= $1 LIMIT $2) AND expires_at <= $1"
        }
        Old::Links => {
            "DELETE FROM one_time_links WHERE id IN
             (SELECT id FROM one_time_links WHERE expires_at <= $1 LIMIT $2) AND expires_at <= $1"
        }
        Old::EmailChanges => {
            "DELETE FROM email_changes WHERE user_id IN
             (SELECT user_id FROM email_changes WHERE expires_at <= $1 LIMIT $2) AND expires_at <= $1"
        }
        Old::Failures => {
            "DELETE FROM sign_in_failures WHERE subject IN
             (SELECT subject FROM sign_in_failures WHERE last_at <= $1 LIMIT $2) AND last_at <= $1"
        }
        Old::Notifications => {
            "DELETE FROM notifications WHERE id IN
             (SELECT id FROM notifications WHERE created_at <= $1 LIMIT $2)"
        }
    };
    let deleted = diesel::sql_query(statement)
        .bind::<Timestamptz, _>(before)
        .bind::<BigInt, _>(i64::from(most))
        .execute(connection)
        .await?;
    u64::try_from(deleted).map_err(Fault::internal)
}
