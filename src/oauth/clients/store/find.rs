//! The clients of everybody, for operators.

use diesel::{dsl::not, prelude::*};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    db::schema::{apps, clients},
    types::{AppId, ClientId, Fault},
};

/// A client as an operator finds it, with the app that it belongs to.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says something of its own")]
pub struct Found {
    pub id: ClientId,
    pub name: String,
    pub app: AppId,
    pub app_name: String,
    pub publisher: Option<String>,
    pub publisher_verified: bool,
    pub first_party: bool,
    pub disabled: bool,
    pub shut_out: bool,
    pub created_at: OffsetDateTime,
}

type Row = (
    Uuid,
    String,
    Uuid,
    String,
    Option<String>,
    bool,
    bool,
    bool,
    bool,
    OffsetDateTime,
);

/// What `LIKE` takes for that text and no other.
fn literally(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// Clients by their `client_id`, or by a part of their name, their publisher or their app's name; all of them for an empty
/// text. Newest first, `most` at most after the first `skipped`.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn find(
    connection: &mut AsyncPgConnection,
    text: &str,
    skipped: u32,
    most: u32,
) -> Result<Vec<Found>, Fault> {
    let columns = (
        clients::id,
        clients::name,
        apps::id,
        apps::name,
        clients::publisher,
        clients::publisher_verified,
        clients::first_party,
        not(clients::disabled_at.is_null()),
        not(clients::shut_out_at.is_null()),
        clients::created_at,
    );
    let mut query = clients::table
        .inner_join(apps::table)
        .select(columns)
        .order((clients::created_at.desc(), clients::id.desc()))
        .offset(skipped.into())
        .limit(most.into())
        .into_boxed();
    if let Ok(id) = text.parse::<ClientId>() {
        query = query.filter(clients::id.eq(id.uuid()));
    } else if !text.is_empty() {
        let pattern = literally(text);
        query = query.filter(
            clients::name
                .ilike(pattern.clone())
                .or(clients::publisher.ilike(pattern.clone()))
                .or(apps::name.ilike(pattern)),
        );
    }
    let rows: Vec<Row> = query.load(connection).await?;
    Ok(rows.into_iter().map(found).collect())
}

fn found(row: Row) -> Found {
    let (id, name, app, app_name, publisher, publisher_verified, first_party, disabled, shut_out, created_at) =
        row;
    Found {
        id: ClientId::from_uuid(id),
        name,
        app: AppId::from_uuid(app),
        app_name,
        publisher,
        publisher_verified,
        first_party,
        disabled,
        shut_out,
        created_at,
    }
}
