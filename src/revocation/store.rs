use std::{pin::pin, time::Duration};

use diesel::{
    prelude::*,
    sql_types::{Array, BigInt, Integer, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection as _};
use futures_util::StreamExt as _;
use time::OffsetDateTime;
use uuid::Uuid;

use super::model::{Behind, Entry, Revocation, Subject};
use crate::{
    db::schema::{nodes, revocations},
    types::{Fault, NodeId},
};

/// How long after the end of its lease, by the database's clock, a row still counts as a node. A live node
/// would be missed only if that clock leapt forward by more than this.
const ABANDONED_AFTER: &str = "interval '1 minute'";

#[derive(QueryableByName)]
struct Sequence {
    #[diesel(sql_type = BigInt)]
    sequence: i64,
}

#[derive(QueryableByName)]
struct Appended {
    #[diesel(sql_type = BigInt)]
    sequence: i64,
    #[diesel(sql_type = BigInt)]
    keep_seconds: i64,
}

/// Appends to the log and tells the nodes; returns the sequence of the last entry, and for how many seconds what lasts is
/// kept at the least. The row of the head is locked until the transaction ends, so sequences have no gap and become visible
/// in order.
pub(super) async fn append(
    connection: &mut AsyncPgConnection,
    at: OffsetDateTime,
    entries: &[Revocation],
) -> Result<(i64, i64), Fault> {
    let count = i64::try_from(entries.len()).map_err(Fault::internal)?;
    let kinds: Vec<_> = entries.iter().map(|entry| entry.subject.kind()).collect();
    let subjects: Vec<_> = entries.iter().map(|entry| entry.subject.id()).collect();
    let reasons: Vec<_> = entries.iter().map(|entry| entry.reason.name()).collect();
    let untils: Vec<_> = entries.iter().map(|entry| entry.until).collect();
    let head: Appended = diesel::sql_query(
        "WITH head AS (
             UPDATE revocation_head SET sequence = sequence + $1 RETURNING sequence, keep_seconds
         ), appended AS (
             INSERT INTO revocations (sequence, kind, subject, reason, at, until)
             SELECT head.sequence - $1 + entry.place, entry.kind, entry.subject, entry.reason, $2,
                    CASE WHEN entry.until > $2
                        THEN greatest(entry.until, $2 + head.keep_seconds * interval '1 second')
                        ELSE entry.until END
             FROM head, unnest($3, $4, $5, $6) WITH ORDINALITY AS entry (kind, subject, reason, until, place)
         )
         SELECT sequence, keep_seconds, pg_notify('claviger_revocations', sequence::text)::text AS told FROM head",
    )
    .bind::<BigInt, _>(count)
    .bind::<Timestamptz, _>(at)
    .bind::<Array<Text>, _>(kinds)
    .bind::<Array<Text>, _>(subjects)
    .bind::<Array<Text>, _>(reasons)
    .bind::<Array<Timestamptz>, _>(untils)
    .get_result(connection)
    .await?;
    Ok((head.sequence, head.keep_seconds))
}

/// The sequence of the last entry.
pub(super) async fn head(connection: &mut AsyncPgConnection) -> Result<i64, Fault> {
    let head: Sequence = diesel::sql_query("SELECT sequence FROM revocation_head")
        .get_result(connection)
        .await?;
    Ok(head.sequence)
}

/// Up to `most` entries after the sequence `after`, in order.
pub(super) async fn read(
    connection: &mut AsyncPgConnection,
    after: i64,
    most: i64,
) -> Result<Vec<Entry>, Fault> {
    revocations::table
        .filter(revocations::sequence.gt(after))
        .order(revocations::sequence)
        .limit(most)
        .select((
            revocations::sequence,
            revocations::kind,
            revocations::subject,
            revocations::until,
        ))
        .load::<(i64, String, String, OffsetDateTime)>(connection)
        .await?
        .into_iter()
        .map(|(sequence, kind, subject, until)| {
            let subject = subject_from(&kind, &subject)
                .map_err(|_malformed| Fault::inconsistent("revocations", "subject", sequence))?;
            Ok(Entry {
                sequence,
                subject,
                until,
            })
        })
        .collect()
}

fn subject_from(kind: &str, id: &str) -> Result<Option<Subject>, crate::types::InvalidId> {
    Ok(Some(match kind {
        "token" => Subject::Token(id.parse()?),
        "grant" => Subject::Grant(id.parse()?),
        "session" => Subject::Session(id.parse()?),
        "user" => Subject::User(id.parse()?),
        "client" => Subject::Client(id.parse()?),
        "api_key" => Subject::ApiKey(id.parse()?),
        "app" => Subject::App(id.parse()?),
        _ => return Ok(None),
    }))
}

/// Says that a node may issue what lives for so long. Its row would not do: what it issued outlives its stop, and a
/// change of its configuration.
pub(super) async fn keep_for(connection: &mut AsyncPgConnection, longest: Duration) -> Result<(), Fault> {
    diesel::sql_query("UPDATE revocation_head SET keep_seconds = $1 WHERE keep_seconds < $1")
        .bind::<BigInt, _>(i64::try_from(longest.as_secs()).map_err(Fault::internal)?)
        .execute(connection)
        .await?;
    Ok(())
}

/// Enters a node, or one whose row was removed meanwhile; its lease begins. Returns the head of the log.
pub(super) async fn register(
    connection: &mut AsyncPgConnection,
    node: NodeId,
    applied: i64,
    lease: Duration,
    at: OffsetDateTime,
) -> Result<i64, Fault> {
    let head: Sequence = diesel::sql_query(
        "INSERT INTO nodes (id, applied, lease_ms, lease_until, started_at)
         VALUES ($1, $2, $3, clock_timestamp() + $3 * interval '1 millisecond', $4)
         ON CONFLICT (id) DO UPDATE SET applied = excluded.applied, lease_until = excluded.lease_until
         RETURNING (SELECT sequence FROM revocation_head)",
    )
    .bind::<SqlUuid, _>(node.uuid())
    .bind::<BigInt, _>(applied)
    .bind::<Integer, _>(i32::try_from(lease.as_millis()).map_err(Fault::internal)?)
    .bind::<Timestamptz, _>(at)
    .get_result(connection)
    .await?;
    Ok(head.sequence)
}

/// Renews a lease and reports what the node has applied. Returns the head of the log, or None if the row of
/// the node is gone.
pub(super) async fn renew(
    connection: &mut AsyncPgConnection,
    node: NodeId,
    applied: i64,
) -> Result<Option<i64>, Fault> {
    let head: Option<Sequence> = diesel::sql_query(
        "UPDATE nodes
         SET applied = $2, lease_until = clock_timestamp() + lease_ms * interval '1 millisecond'
         WHERE id = $1
         RETURNING (SELECT sequence FROM revocation_head)",
    )
    .bind::<SqlUuid, _>(node.uuid())
    .bind::<BigInt, _>(applied)
    .get_result(connection)
    .await
    .optional()?;
    Ok(head.map(|head| head.sequence))
}

/// Removes the row of a node that stops.
pub(super) async fn deregister(connection: &mut AsyncPgConnection, node: NodeId) -> Result<(), Fault> {
    diesel::delete(nodes::table.find(node.uuid()))
        .execute(connection)
        .await?;
    Ok(())
}

/// Makes `connection` hear of new entries. Renewals on it do not wait for the disk: a renewal that a crash
/// of the database takes back only makes the node look as it was a moment before.
pub(super) async fn listen(connection: &mut AsyncPgConnection) -> Result<(), Fault> {
    connection
        .batch_execute("SET synchronous_commit = off; LISTEN claviger_revocations")
        .await?;
    Ok(())
}

/// Waits for the next notification and returns its sequence. May be cancelled without losing one.
pub(super) async fn notified(connection: &mut AsyncPgConnection) -> Result<i64, Fault> {
    let notification = pin!(connection.notifications_stream())
        .next()
        .await
        .ok_or_else(|| Fault::unavailable("the connection that listens was closed"))??;
    notification.payload.parse().map_err(Fault::internal)
}

/// The nodes, but for `own`, that may be alive and have not reported `sequence`.
pub(super) async fn behind(
    connection: &mut AsyncPgConnection,
    sequence: i64,
    own: Option<NodeId>,
) -> Result<Vec<Behind>, Fault> {
    nodes::table
        .filter(nodes::applied.lt(sequence))
        .filter(nodes::id.ne(own.map_or(Uuid::nil(), NodeId::uuid)))
        .filter(
            nodes::lease_until
                .gt(diesel::dsl::sql::<Timestamptz>("clock_timestamp() - ").sql(ABANDONED_AFTER)),
        )
        .select((nodes::id, nodes::lease_ms, nodes::lease_until))
        .load::<(Uuid, i32, OffsetDateTime)>(connection)
        .await?
        .into_iter()
        .map(|(id, lease_ms, lease_until)| {
            let lease =
                u64::try_from(lease_ms).map_err(|_negative| Fault::inconsistent("nodes", "lease_ms", id))?;
            Ok(Behind {
                node: NodeId::from_uuid(id),
                lease: Duration::from_millis(lease),
                lease_until,
            })
        })
        .collect()
}

/// Removes the row of a node that has not renewed its lease since the row was read.
pub(super) async fn remove_silent(connection: &mut AsyncPgConnection, node: Behind) -> Result<(), Fault> {
    diesel::delete(nodes::table.find(node.node.uuid()))
        .filter(nodes::lease_until.eq(node.lease_until))
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes the rows of nodes that died, and returns how many.
pub(super) async fn remove_abandoned(connection: &mut AsyncPgConnection) -> Result<u64, Fault> {
    let removed = diesel::delete(nodes::table)
        .filter(
            nodes::lease_until
                .le(diesel::dsl::sql::<Timestamptz>("clock_timestamp() - ").sql(ABANDONED_AFTER)),
        )
        .execute(connection)
        .await?;
    u64::try_from(removed).map_err(Fault::internal)
}

/// Removes up to `most` entries whose time was over before `before`, and returns how many.
pub(super) async fn remove_expired(
    connection: &mut AsyncPgConnection,
    before: OffsetDateTime,
    most: u32,
) -> Result<u64, Fault> {
    let removed = diesel::sql_query(
        "DELETE FROM revocations WHERE sequence IN
             (SELECT sequence FROM revocations WHERE until <= $1 ORDER BY until LIMIT $2)",
    )
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(i64::from(most))
    .execute(connection)
    .await?;
    u64::try_from(removed).map_err(Fault::internal)
}
