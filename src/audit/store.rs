use diesel::{
    dsl::sql,
    pg::Pg,
    prelude::*,
    query_builder::{QueryFragment, QueryId},
    sql_types::{self, Bool, Jsonb, Nullable, Text, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use time::OffsetDateTime;

use super::{
    record::{Action, Record},
    trail::{Entry, Filter},
};
use crate::{
    db::{Prepared, schema::audit_records},
    types::{AccountId, Fault},
};

pub(super) async fn insert(connection: &mut AsyncPgConnection, record: &Record) -> Result<(), Fault> {
    Prepared(insertion(record, "TRUE")).execute(connection).await?;
    Ok(())
}

/// Records of one statement: each has 12 parameters, and the protocol takes 65,535.
const MOST_AT_ONCE: usize = 1_000;

pub(super) async fn insert_all(connection: &mut AsyncPgConnection, records: &[Record]) -> Result<(), Fault> {
    for some in records.chunks(MOST_AT_ONCE) {
        let rows: Vec<_> = some
            .iter()
            .map(|record| {
                let context = record.context.as_ref();
                (
                    audit_records::at.eq(record.at),
                    audit_records::actor_kind.eq(record.actor.kind()),
                    audit_records::actor_id.eq(record.actor.id()),
                    audit_records::account_id.eq(record.account.map(AccountId::uuid)),
                    audit_records::action.eq(record.action.name()),
                    audit_records::subject_kind.eq(record.subject.kind()),
                    audit_records::subject_id.eq(record.subject.id()),
                    audit_records::outcome.eq(record.outcome.name()),
                    audit_records::address.eq(context.map(|context| context.address.to_string())),
                    audit_records::user_agent.eq(context.map(|context| context.user_agent.as_str())),
                    audit_records::request_id.eq(context.map(|context| context.request_id.as_str())),
                    audit_records::details.eq(Value::Object(record.details.clone())),
                )
            })
            .collect();
        diesel::insert_into(audit_records::table)
            .values(rows)
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// The statement that adds a record where `condition` holds: [`Together`](crate::db::Together) runs it with its act.
pub(crate) fn insertion(record: &Record, condition: &'static str) -> impl QueryFragment<Pg> + QueryId + Send {
    let context = record.context.as_ref();
    let row = diesel::select((
        record.at.into_sql::<Timestamptz>(),
        record.actor.kind().into_sql::<Text>(),
        record.actor.id().into_sql::<Nullable<Text>>(),
        record
            .account
            .map(AccountId::uuid)
            .into_sql::<Nullable<sql_types::Uuid>>(),
        record.action.name().into_sql::<Text>(),
        record.subject.kind().into_sql::<Text>(),
        record.subject.id().into_sql::<Nullable<Text>>(),
        record.outcome.name().into_sql::<Text>(),
        context
            .map(|context| context.address.to_string())
            .into_sql::<Nullable<Text>>(),
        context
            .map(|context| context.user_agent.as_str())
            .into_sql::<Nullable<Text>>(),
        context
            .map(|context| context.request_id.as_str())
            .into_sql::<Nullable<Text>>(),
        Value::Object(record.details.clone()).into_sql::<Jsonb>(),
    ))
    .filter(sql::<Bool>(condition));
    Prepared(
        diesel::insert_into(audit_records::table)
            .values(row)
            .into_columns((
                audit_records::at,
                audit_records::actor_kind,
                audit_records::actor_id,
                audit_records::account_id,
                audit_records::action,
                audit_records::subject_kind,
                audit_records::subject_id,
                audit_records::outcome,
                audit_records::address,
                audit_records::user_agent,
                audit_records::request_id,
                audit_records::details,
            )),
    )
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_records, check_for_backend(diesel::pg::Pg))]
struct Row {
    id: i64,
    at: OffsetDateTime,
    actor_kind: String,
    actor_id: Option<String>,
    action: String,
    subject_kind: String,
    subject_id: Option<String>,
    outcome: String,
    address: Option<String>,
    user_agent: Option<String>,
    request_id: Option<String>,
    details: Value,
}

impl TryFrom<Row> for Entry {
    type Error = Fault;

    fn try_from(row: Row) -> Result<Self, Fault> {
        let Value::Object(details) = row.details else {
            return Err(Fault::inconsistent("audit_records", "details", row.id));
        };
        Ok(Self {
            number: row.id,
            at: row.at,
            actor_kind: row.actor_kind,
            actor_id: row.actor_id,
            action: row.action,
            subject_kind: row.subject_kind,
            subject_id: row.subject_id,
            refused: row.outcome == "refused",
            address: row.address,
            user_agent: row.user_agent,
            request_id: row.request_id,
            details,
        })
    }
}

pub(super) async fn select(
    connection: &mut AsyncPgConnection,
    filter: &Filter,
    most: usize,
) -> Result<Vec<Entry>, Fault> {
    let mut query = audit_records::table.select(Row::as_select()).into_boxed();
    if let Some((person, accounts)) = &filter.readers {
        let person = person.to_string();
        let accounts: Vec<_> = accounts.iter().map(|account| account.uuid()).collect();
        let business = audit_records::action
            .like("app.%")
            .or(audit_records::action.like("client.%"))
            .or(audit_records::action.like("key.%"))
            .or(audit_records::action.like("webhook.%"))
            .or(audit_records::action.like("member.%"))
            .or(audit_records::action.like("account.%"))
            .or(audit_records::action.eq(Action::SecretLeaked.name()))
            .or(audit_records::action.eq(Action::TokenIssued.name()));
        query = query.filter(
            audit_records::account_id
                .eq_any(accounts)
                .assume_not_null()
                .and(business)
                .or(audit_records::actor_id.eq(person.clone()).assume_not_null())
                .or(audit_records::subject_id.eq(person.clone()).assume_not_null())
                // As the index has it: with the name as a parameter it would not be used.
                .or(sql::<Bool>("details ->> 'user' = ").bind::<Text, _>(person)),
        );
    }
    if let Some(subject) = &filter.subject {
        query = query.filter(audit_records::subject_id.eq(subject));
    }
    if let Some(actor) = &filter.actor {
        query = query.filter(audit_records::actor_id.eq(actor));
    }
    if let Some(action) = &filter.action {
        let of_its_kind = format!("{}.%", action.replace(['%', '_', '\\'], ""));
        query = query.filter(
            audit_records::action
                .eq(action)
                .or(audit_records::action.like(of_its_kind)),
        );
    }
    if let Some(before) = filter.before {
        query = query.filter(audit_records::id.lt(before));
    }
    query
        .order(audit_records::id.desc())
        .limit(i64::try_from(most).unwrap_or(i64::MAX))
        .load::<Row>(connection)
        .await?
        .into_iter()
        .map(Entry::try_from)
        .collect()
}
