use std::time::Duration;

use diesel::{
    prelude::*,
    sql_types::{Array, BigInt, Binary, Double, Integer, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;

use crate::{db::schema::sign_in_failures, types::Fault};

/// Clocks of nodes differ by less.
const SKEW: Duration = Duration::from_mins(5);

/// How delays grow.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Delays {
    /// Failures before the first delay.
    pub(in super::super) free: u32,
    /// Seconds.
    pub(in super::super) first: f64,
    /// Seconds.
    pub(in super::super) longest: f64,
    /// Failures before this time are forgotten.
    pub(in super::super) since: OffsetDateTime,
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = Binary)]
    subject: Vec<u8>,
    #[diesel(sql_type = Integer)]
    failures: i32,
}

/// Counts one failure for each subject that is not waiting, and sets how long it must wait before the next;
/// returns those that it counted, with their failures so far. To check and to count are one statement, so
/// that a thousand guesses sent at once are held back as a thousand sent one after the other. Subjects are
/// locked in order, so that two requests with the same ones never wait for each other. Whoever would have to wait for
/// longer than the longest delay was counted by a clock that has stepped back since, and need not wait for it to come
/// round again.
pub(in super::super) async fn count_failures(
    connection: &mut AsyncPgConnection,
    subjects: &[Vec<u8>],
    delays: Delays,
    now: OffsetDateTime,
) -> Result<Vec<(Vec<u8>, i32)>, Fault> {
    let rows: Vec<Counted> = diesel::sql_query(
        "INSERT INTO sign_in_failures AS own (subject, failures, last_at, retry_at)
         SELECT subject, 1, $2, $2 + interval '1 second' * CASE WHEN $3 > 0 THEN 0 ELSE $4 END
         FROM unnest($1) AS subject ORDER BY subject
         ON CONFLICT (subject) DO UPDATE SET
             failures = CASE WHEN own.last_at < $6 THEN 1 ELSE own.failures + 1 END,
             last_at = $2,
             retry_at = $2 + interval '1 second' * CASE
                 WHEN own.last_at < $6 OR own.failures + 1 <= $3 THEN 0
                 ELSE least($5, $4 * power(2.0::float8, least(own.failures - $3, 60)::float8)) END
         WHERE own.retry_at <= $2 OR own.retry_at > $2 + interval '1 second' * ($5 + $7)
         RETURNING subject, failures",
    )
    .bind::<Array<Binary>, _>(subjects)
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(i64::from(delays.free))
    .bind::<Double, _>(delays.first)
    .bind::<Double, _>(delays.longest)
    .bind::<Timestamptz, _>(delays.since)
    .bind::<Double, _>(SKEW.as_secs_f64())
    .load(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.subject, row.failures)).collect())
}

/// When the last of these subjects need wait no longer.
pub(in super::super) async fn retry_at(
    connection: &mut AsyncPgConnection,
    subjects: &[Vec<u8>],
) -> Result<Option<OffsetDateTime>, Fault> {
    Ok(sign_in_failures::table
        .filter(sign_in_failures::subject.eq_any(subjects))
        .select(diesel::dsl::max(sign_in_failures::retry_at))
        .first(connection)
        .await?)
}

/// Takes one counted failure back: it was none.
pub(in super::super) async fn uncount_failure(
    connection: &mut AsyncPgConnection,
    subject: &[u8],
    now: OffsetDateTime,
) -> Result<(), Fault> {
    diesel::update(sign_in_failures::table.find(subject))
        .filter(sign_in_failures::failures.gt(0))
        .set((
            sign_in_failures::failures.eq(sign_in_failures::failures - 1),
            sign_in_failures::retry_at.eq(now),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets a subject's failures.
pub(in super::super) async fn forget_failures(
    connection: &mut AsyncPgConnection,
    subject: &[u8],
) -> Result<(), Fault> {
    diesel::delete(sign_in_failures::table.find(subject))
        .execute(connection)
        .await?;
    Ok(())
}
