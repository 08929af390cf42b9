use diesel_async::AsyncPgConnection;
use time::OffsetDateTime;

use super::store;
use crate::{
    oauth::clients::Client,
    types::{Fault, ScopeSet, UserId},
};

/// Adds what was allowed just now to what stands, and notes what was left out. The consent's row is held meanwhile: of
/// two tabs at once, neither loses what the other has allowed. What was allowed to another face of the client was not
/// shown again, and does not stand under this one. Returns when the consent was first given.
pub(in crate::oauth) async fn remember(
    connection: &mut AsyncPgConnection,
    user: UserId,
    client: &Client,
    allowed: &ScopeSet,
    left_out: &ScopeSet,
    now: OffsetDateTime,
) -> Result<OffsetDateTime, Fault> {
    let presentation = client.presentation();
    let before = store::hold(connection, user, client.id, &presentation, now).await?;
    let (standing, declined) = if client.is_presented_as(&before.presentation) {
        (before.scopes, before.declined)
    } else {
        Default::default()
    };
    let scopes = standing.without(left_out).union(allowed);
    let declined = declined.union(left_out).without(&scopes);
    store::replace(connection, user, client.id, &scopes, &declined, &presentation).await?;
    Ok(before.granted_at)
}
