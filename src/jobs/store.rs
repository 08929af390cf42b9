use diesel::{
    prelude::*,
    sql_types::{Bool, Integer, Text},
    upsert::excluded,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;

use crate::{db::schema::jobs, types::Fault};

/// Keeps the locks of jobs apart from other advisory locks of two numbers.
const LOCK_CLASS: i32 = 0x00c1_a714;

#[derive(QueryableByName)]
struct Locked {
    #[diesel(sql_type = Bool)]
    locked: bool,
}

/// Takes the lock of the job `name` for this session, unless another holds it.
pub(super) async fn lock(connection: &mut AsyncPgConnection, name: &str) -> Result<bool, Fault> {
    let row: Locked = diesel::sql_query("SELECT pg_try_advisory_lock($1, hashtext($2)) AS locked")
        .bind::<Integer, _>(LOCK_CLASS)
        .bind::<Text, _>(name)
        .get_result(connection)
        .await?;
    Ok(row.locked)
}

/// Gives the lock back. It would go with the session, which ends some time after the connection was dropped.
pub(super) async fn unlock(connection: &mut AsyncPgConnection, name: &str) -> Result<(), Fault> {
    diesel::sql_query("SELECT pg_advisory_unlock($1, hashtext($2))")
        .bind::<Integer, _>(LOCK_CLASS)
        .bind::<Text, _>(name)
        .execute(connection)
        .await?;
    Ok(())
}

/// When the job last began, on whichever node.
pub(super) async fn last_start(
    connection: &mut AsyncPgConnection,
    name: &str,
) -> Result<Option<OffsetDateTime>, Fault> {
    Ok(jobs::table
        .find(name)
        .select(jobs::started_at)
        .first(connection)
        .await
        .optional()?)
}

pub(super) async fn started(
    connection: &mut AsyncPgConnection,
    name: &str,
    at: OffsetDateTime,
) -> Result<(), Fault> {
    diesel::insert_into(jobs::table)
        .values((
            jobs::name.eq(name),
            jobs::started_at.eq(at),
            jobs::finished_at.eq(None::<OffsetDateTime>),
            jobs::rows_done.eq(None::<i64>),
            jobs::error.eq(None::<String>),
        ))
        .on_conflict(jobs::name)
        .do_update()
        .set((
            jobs::started_at.eq(excluded(jobs::started_at)),
            jobs::finished_at.eq(excluded(jobs::finished_at)),
            jobs::rows_done.eq(excluded(jobs::rows_done)),
            jobs::error.eq(excluded(jobs::error)),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn finished(
    connection: &mut AsyncPgConnection,
    name: &str,
    at: OffsetDateTime,
    result: Result<u64, String>,
) -> Result<(), Fault> {
    let (rows, error) = match result {
        Ok(rows) => (Some(i64::try_from(rows).unwrap_or(i64::MAX)), None),
        Err(error) => (None, Some(error)),
    };
    diesel::update(jobs::table.find(name))
        .set((
            jobs::finished_at.eq(at),
            jobs::rows_done.eq(rows),
            jobs::error.eq(error),
        ))
        .execute(connection)
        .await?;
    Ok(())
}
