use diesel::{
    prelude::*,
    sql_types::{Bool, Integer, Timestamptz},
};
use diesel_async::RunQueryDsl;
use time::OffsetDateTime;

use super::connect::{Use, connect};
use crate::types::Fault;

/// What a database says of itself.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub struct Inspection {
    /// PostgreSQL's major version.
    #[diesel(sql_type = Integer)]
    pub version: i32,
    /// Its clock.
    #[diesel(sql_type = Timestamptz)]
    pub now: OffsetDateTime,
    #[diesel(sql_type = Bool)]
    pub fsync: bool,
    #[diesel(sql_type = Bool)]
    pub full_page_writes: bool,
    /// Whether a commit waits until it is on disk.
    #[diesel(sql_type = Bool)]
    pub synchronous_commit: bool,
}

/// Asks the database at `url` what it is and how it is set.
///
/// # Errors
///
/// If it is out of reach.
pub async fn inspect(url: &str) -> Result<Inspection, Fault> {
    let mut connection = connect(url, Use::Listening).await?;
    Ok(diesel::sql_query(
        "SELECT current_setting('server_version_num')::integer / 10000 AS version,
                clock_timestamp() AS now,
                current_setting('fsync')::boolean AS fsync,
                current_setting('full_page_writes')::boolean AS full_page_writes,
                current_setting('synchronous_commit') <> 'off' AS synchronous_commit",
    )
    .get_result(&mut connection)
    .await?)
}
