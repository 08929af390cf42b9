//! What an app is told of its clients' grants, by webhook. Not from where they are used: that is its people's own affair.

use diesel_async::AsyncPgConnection;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    RevokedReason,
    store::{self, Taken, Which},
};
use crate::{
    oauth::{Authority, clients::Client},
    types::{ClientId, Fault, GrantId, ScopeSet, UserId},
    webhooks::{self, Event, EventType, Telling},
};

fn data(grant: GrantId, client: ClientId, user: UserId, scopes: &ScopeSet) -> Value {
    json!({"grant_id": grant, "client_id": client, "user_id": user, "scope": scopes.to_string()})
}

/// A new grant, for the statement that inserts it.
pub(in crate::oauth) fn tell_created(
    authority: &Authority,
    client: &Client,
    (grant, user): (GrantId, UserId),
    scopes: &ScopeSet,
    at: OffsetDateTime,
) -> Result<Telling, Fault> {
    let event = Event {
        app: client.app_id,
        kind: EventType::GrantCreated,
        at,
        data: data(grant, client.id, user, scopes),
    };
    Telling::of(&authority.clock, &authority.entropy, &event)
}

/// Grants that are taken back, in the transaction that does it.
pub(in crate::oauth) async fn tell_taken_back(
    authority: &Authority,
    connection: &mut AsyncPgConnection,
    taken: &[Taken],
    reason: &str,
    at: OffsetDateTime,
) -> Result<(), Fault> {
    let replayed = (reason == RevokedReason::Replay.name()).then_some(EventType::GrantReplayed);
    let kinds: Vec<_> = replayed.into_iter().chain([EventType::GrantRevoked]).collect();
    let events: Vec<_> = taken
        .iter()
        .flat_map(|taken| kinds.iter().map(move |kind| (taken, *kind)))
        .map(|(taken, kind)| {
            let mut data = data(taken.id, taken.client, taken.user, &taken.scopes);
            if let Value::Object(data) = &mut data {
                data.insert("reason".to_owned(), reason.into());
            }
            Event {
                app: taken.app,
                kind,
                at,
                data,
            }
        })
        .collect();
    webhooks::enqueue_all(connection, &authority.clock, &authority.entropy, &events).await
}

/// Marks those that are not revoked yet as revoked, tells their apps, and says which they were.
pub(in crate::oauth) async fn revoke(
    authority: &Authority,
    connection: &mut AsyncPgConnection,
    which: Which<'_>,
    reason: RevokedReason,
    now: OffsetDateTime,
) -> Result<Vec<GrantId>, Fault> {
    let taken = store::revoke(connection, which, reason, now).await?;
    tell_taken_back(authority, connection, &taken, reason.name(), now).await?;
    Ok(taken.into_iter().map(|taken| taken.id).collect())
}
