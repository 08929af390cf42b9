use diesel_async::AsyncPgConnection;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::store;
use crate::types::{AccountId, Fault, UserId};

/// A record as it is read back.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its place in the trail; shown as `AU-<number>`.
    pub number: i64,
    pub at: OffsetDateTime,
    pub actor_kind: String,
    pub actor_id: Option<String>,
    pub action: String,
    pub subject_kind: String,
    pub subject_id: Option<String>,
    pub refused: bool,
    pub address: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
    pub details: Map<String, Value>,
}

impl Entry {
    /// Whether it says from where somebody else came: that is not for `reader` to know.
    #[must_use]
    pub fn is_by_another(&self, reader: UserId) -> bool {
        self.actor_kind == "user" && self.actor_id.as_deref() != Some(reader.to_string().as_str())
    }

    #[must_use]
    pub fn reference(&self) -> String {
        format!("AU-{}", self.number)
    }
}

/// Which records.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// What this person is to read: what was done by or to them, and the business of these accounts. What the people do
    /// who use an account's clients is theirs, not the account's.
    pub readers: Option<(UserId, Vec<AccountId>)>,
    pub subject: Option<String>,
    pub actor: Option<String>,
    /// One action (`session.started`), or all of a kind (`session`).
    pub action: Option<String>,
    /// Only those before this number.
    pub before: Option<i64>,
}

/// Some records, newest first.
#[derive(Clone, Debug)]
pub struct Page {
    pub entries: Vec<Entry>,
    /// Where the next page begins, if there is one: [`Filter::before`].
    pub next: Option<i64>,
}

/// Reads the trail, newest first, up to `most` records.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn trail(connection: &mut AsyncPgConnection, filter: &Filter, most: usize) -> Result<Page, Fault> {
    let mut entries = store::select(connection, filter, most.saturating_add(1)).await?;
    let more = entries.len() > most;
    entries.truncate(most);
    let next = entries.last().filter(|_| more).map(|entry| entry.number);
    Ok(Page { entries, next })
}
