//! What is kept of reports.

use std::collections::HashSet;

use diesel::{
    prelude::*,
    sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Kind, LeakReport, Outcome};
use crate::{
    db::schema::{leak_notices, leak_reports},
    types::{AccountId, AppId, Fault, LeakReportId},
};

/// Enters that a signed report has come; false if it had come before.
pub(super) async fn enter_notice(
    connection: &mut AsyncPgConnection,
    digest: &[u8; 32],
    now: OffsetDateTime,
) -> Result<bool, Fault> {
    let entered = diesel::insert_into(leak_notices::table)
        .values((
            leak_notices::digest.eq(digest.as_slice()),
            leak_notices::created_at.eq(now),
        ))
        .on_conflict_do_nothing()
        .execute(connection)
        .await?;
    Ok(entered == 1)
}

#[derive(QueryableByName)]
struct Entered {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// Enters reports, but for those of what did no harm any more and was reported at that address before; says which were
/// entered.
pub(super) async fn enter_reports(
    connection: &mut AsyncPgConnection,
    reports: &[&LeakReport],
) -> Result<HashSet<LeakReportId>, Fault> {
    let of = |part: fn(&LeakReport) -> &str| reports.iter().map(|own| part(own)).collect::<Vec<_>>();
    let ids: Vec<_> = reports.iter().map(|own| own.id.uuid()).collect();
    let apps: Vec<_> = reports.iter().map(|own| own.app.map(AppId::uuid)).collect();
    let accounts: Vec<_> = reports
        .iter()
        .map(|own| own.account.map(AccountId::uuid))
        .collect();
    let urls: Vec<_> = reports.iter().map(|own| own.found_at.as_deref()).collect();
    let times: Vec<_> = reports.iter().map(|own| own.at).collect();
    let entered: Vec<Entered> = diesel::sql_query(
        "INSERT INTO leak_reports
             (id, source, subject_kind, subject_id, hint, app_id, account_id, found_at_url, outcome, created_at)
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             AS new (id, source, kind, subject_id, hint, app_id, account_id, url, outcome, at)
         WHERE outcome = 'revoked' OR NOT EXISTS (
             SELECT FROM leak_reports AS own
             WHERE own.subject_id = new.subject_id AND own.subject_kind = new.kind AND own.hint = new.hint
                 AND own.found_at_url IS NOT DISTINCT FROM new.url
         )
         RETURNING id",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Array<Text>, _>(of(|own| &own.source))
    .bind::<Array<Text>, _>(of(|own| own.kind.name()))
    .bind::<Array<Text>, _>(of(|own| &own.subject_id))
    .bind::<Array<Text>, _>(of(|own| &own.hint))
    .bind::<Array<Nullable<SqlUuid>>, _>(apps)
    .bind::<Array<Nullable<SqlUuid>>, _>(accounts)
    .bind::<Array<Nullable<Text>>, _>(urls)
    .bind::<Array<Text>, _>(of(|own| own.outcome.name()))
    .bind::<Array<Timestamptz>, _>(times)
    .load(connection)
    .await?;
    Ok(entered
        .into_iter()
        .map(|entered| LeakReportId::from_uuid(entered.id))
        .collect())
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = leak_reports, check_for_backend(diesel::pg::Pg))]
struct Row {
    id: Uuid,
    source: String,
    subject_kind: String,
    subject_id: String,
    hint: String,
    app_id: Option<Uuid>,
    account_id: Option<Uuid>,
    found_at_url: Option<String>,
    outcome: String,
    created_at: OffsetDateTime,
}

impl TryFrom<Row> for LeakReport {
    type Error = Fault;

    fn try_from(row: Row) -> Result<Self, Fault> {
        let id = LeakReportId::from_uuid(row.id);
        let bad = |column: &str| Fault::inconsistent("leak_reports", column, id);
        Ok(Self {
            id,
            source: row.source,
            kind: Kind::named(&row.subject_kind).ok_or_else(|| bad("subject_kind"))?,
            subject_id: row.subject_id,
            hint: row.hint,
            app: row.app_id.map(AppId::from_uuid),
            account: row.account_id.map(AccountId::from_uuid),
            found_at: row.found_at_url,
            outcome: Outcome::named(&row.outcome).ok_or_else(|| bad("outcome"))?,
            at: row.created_at,
        })
    }
}

pub(super) async fn reports_of_app(
    connection: &mut AsyncPgConnection,
    app: AppId,
    most: i64,
) -> Result<Vec<LeakReport>, Fault> {
    let rows: Vec<Row> = leak_reports::table
        .filter(leak_reports::app_id.eq(app.uuid()))
        .order(leak_reports::id.desc())
        .limit(most)
        .select(Row::as_select())
        .load(connection)
        .await?;
    rows.into_iter().map(LeakReport::try_from).collect()
}

/// Removes up to `most` reports from before `before`.
pub(super) async fn delete_reports(
    connection: &mut AsyncPgConnection,
    before: OffsetDateTime,
    most: i64,
) -> Result<usize, Fault> {
    Ok(diesel::sql_query(
        "DELETE FROM leak_reports WHERE id IN (SELECT id FROM leak_reports WHERE created_at <= $1 LIMIT $2)",
    )
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(most)
    .execute(connection)
    .await?)
}

/// The same for notices.
pub(super) async fn delete_notices(
    connection: &mut AsyncPgConnection,
    before: OffsetDateTime,
    most: i64,
) -> Result<usize, Fault> {
    Ok(diesel::sql_query(
        "DELETE FROM leak_notices WHERE digest IN (SELECT digest FROM leak_notices WHERE created_at <= $1 LIMIT $2)",
    )
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(most)
    .execute(connection)
    .await?)
}
