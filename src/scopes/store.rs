use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use time::OffsetDateTime;

use super::{Catalogue, Entry};
use crate::{
    db::schema::scopes,
    types::{Fault, ScopeSet},
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = scopes, check_for_backend(diesel::pg::Pg))]
struct Row {
    name: String,
    description: String,
    sensitive: bool,
    publishable: bool,
    audience: String,
}

impl TryFrom<Row> for Entry {
    type Error = Fault;

    fn try_from(row: Row) -> Result<Self, Fault> {
        let bad = |column: &str| Fault::inconsistent("scopes", column, &row.name);
        Ok(Self {
            scope: row.name.parse().map_err(|_cause| bad("name"))?,
            audience: row.audience.parse().map_err(|_cause| bad("audience"))?,
            description: row.description.parse().map_err(|_cause| bad("description"))?,
            sensitive: row.sensitive,
            publishable: row.publishable,
        })
    }
}

/// The catalogue as it is now, in the order in which scopes were added.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn catalogue(connection: &mut AsyncPgConnection) -> Result<Catalogue, Fault> {
    let rows = scopes::table
        .order((scopes::created_at, scopes::name))
        .select(Row::as_select())
        .load(connection)
        .await?;
    rows.into_iter()
        .map(Entry::try_from)
        .collect::<Result<_, _>>()
        .map(Catalogue)
}

/// What the catalogue says of these scopes, held until the transaction ends: none of them is removed or kept for others
/// meanwhile. Taken before any client's row, as whoever removes a scope takes it.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn held(connection: &mut AsyncPgConnection, names: &ScopeSet) -> Result<Catalogue, Fault> {
    let rows = scopes::table
        .filter(scopes::name.eq_any(names.to_strings()))
        .order(scopes::name)
        .select(Row::as_select())
        .for_share()
        .load(connection)
        .await?;
    rows.into_iter()
        .map(Entry::try_from)
        .collect::<Result<_, _>>()
        .map(Catalogue)
}

/// Adds a scope, or changes the one of that name.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn upsert(
    connection: &mut AsyncPgConnection,
    entry: &Entry,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    let values = (
        scopes::description.eq(entry.description.as_str()),
        scopes::sensitive.eq(entry.sensitive),
        scopes::publishable.eq(entry.publishable),
        scopes::audience.eq(entry.audience.name()),
    );
    diesel::insert_into(scopes::table)
        .values((
            scopes::name.eq(entry.scope.as_str()),
            values,
            scopes::created_at.eq(now),
        ))
        .on_conflict(scopes::name)
        .do_update()
        .set(values)
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes a scope; says whether it was there.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn delete(connection: &mut AsyncPgConnection, name: &str) -> Result<bool, Fault> {
    Ok(diesel::delete(scopes::table.find(name))
        .execute(connection)
        .await?
        == 1)
}
