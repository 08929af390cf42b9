//! A scope goes from the catalogue, or is for fewer than before.

use diesel_async::AsyncPgConnection;

use super::store;
use crate::{revocation::Subject, scopes::Entry, types::Fault};

/// Takes a scope from the apps and keys that may not have it any more, in the caller's transaction: from all if it is
/// gone (`left` is none), from publishable keys if it is not for them. What it returns is to be appended to the
/// revocation log.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn drop_scope(
    connection: &mut AsyncPgConnection,
    name: &str,
    left: Option<&Entry>,
) -> Result<Vec<Subject>, Fault> {
    let (keys, apps) = match left {
        None => store::drop_scope(connection, name).await?,
        Some(entry) if !entry.publishable => {
            (store::drop_publishable_scope(connection, name).await?, Vec::new())
        }
        Some(_) => return Ok(Vec::new()),
    };
    let keys = keys.into_iter().map(Subject::ApiKey);
    Ok(keys.chain(apps.into_iter().map(Subject::App)).collect())
}
