//! Requests that wait for a person: kept here, under the digest of the browser's cookie, so that nothing in a URL
//! can be tampered with, and a link into somebody else's request leads nowhere.

use std::{net::IpAddr, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{AuthorizationError, AuthorizationRequest, Incoming, Reply, store};
use crate::{
    oauth::{
        Authority,
        clients::{Client, network},
    },
    types::{AuthorizationRequestId, Fault},
};

/// A request that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub id: AuthorizationRequestId,
    pub incoming: Incoming,
    /// When it came: a sign-in after that was made for it.
    pub arrived_at: OffsetDateTime,
    /// Whether the person has said that they are who they want to be.
    pub account_chosen: bool,
    /// How the client looked when the request came.
    pub(super) appeared: String,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    reply: Reply,
    request: Result<AuthorizationRequest, AuthorizationError>,
    account_chosen: bool,
    #[serde(default)]
    silent: bool,
    #[serde(default)]
    appeared: String,
}

impl Waiting {
    fn stored(&self) -> Result<serde_json::Value, Fault> {
        let stored = Stored {
            reply: self.incoming.reply.clone(),
            request: self.incoming.request.clone(),
            account_chosen: self.account_chosen,
            silent: self.incoming.silent,
            appeared: self.appeared.clone(),
        };
        serde_json::to_value(stored).map_err(Fault::internal)
    }

    /// A digest of all that the consent page shows of the client: a person who allows something allows it to this.
    #[must_use]
    pub fn appearance(&self) -> String {
        self.incoming.appearance()
    }

    pub(super) async fn save(&self, authority: &Authority) -> Result<(), Fault> {
        store::replace(&mut *authority.db.connection().await?, self.id, self.stored()?).await
    }
}

/// Why a request cannot wait.
#[derive(Debug, thiserror::Error)]
pub enum ParkError {
    /// Anybody can leave one here, so one address may not leave too many.
    #[error("too many requests wait")]
    TooMany(Duration),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Lets a request from `address` wait in the browser with that digest.
///
/// # Errors
///
/// See [`ParkError`].
pub async fn park(
    authority: &Authority,
    incoming: &Incoming,
    browser: [u8; 32],
    address: IpAddr,
) -> Result<Waiting, ParkError> {
    let now = authority.clock.now();
    let from = network(address);
    if let Some(wait) = authority.parked.wait(&from, now) {
        return Err(ParkError::TooMany(wait));
    }
    authority.parked.failed(from, now);
    let waiting = Waiting {
        id: AuthorizationRequestId::new(&authority.clock, &authority.entropy),
        incoming: incoming.clone(),
        arrived_at: now,
        account_chosen: false,
        appeared: incoming.appearance(),
    };
    store::insert(
        &mut *authority.db.connection().await?,
        waiting.id,
        browser,
        incoming.client.id,
        waiting.stored()?,
        now,
        now + authority.config.lifetimes.authorization_request.duration(),
    )
    .await?;
    Ok(waiting)
}

/// Binds a request that came from another site, and so without the browser's cookie, to the browser that brings what it
/// was parked under. Once: afterwards that is worth nothing.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn claim(
    authority: &Authority,
    id: AuthorizationRequestId,
    claim: [u8; 32],
    browser: [u8; 32],
) -> Result<(), Fault> {
    store::claim(&mut *authority.db.connection().await?, id, claim, browser).await
}

/// The request of that id, if it still waits in this browser. Its client is read anew: what it may not any more,
/// it may not here either. One that came later than now, by a clock that has stepped back since, counts as coming now:
/// no sign-in could follow it otherwise.
///
/// # Errors
///
/// If the database is out of reach or the row makes no sense.
pub async fn resume(
    authority: &Authority,
    id: AuthorizationRequestId,
    browser: [u8; 32],
) -> Result<Option<Waiting>, Fault> {
    let now = authority.clock.now();
    let found = store::find(&mut *authority.db.connection().await?, id, browser, now).await?;
    let Some((client, request, arrived_at)) = found else {
        return Ok(None);
    };
    let Some(client) = authority.clients.get(client).await? else {
        return Ok(None);
    };
    let arrived_at = if arrived_at > now {
        let until = now + authority.config.lifetimes.authorization_request.duration();
        store::set_arrival(&mut *authority.db.connection().await?, id, now, until).await?;
        now
    } else {
        arrived_at
    };
    let stored: Stored = serde_json::from_value(request)
        .map_err(|_cause| Fault::inconsistent("authorization_requests", "request", id))?;
    if !still_allows(&client, &stored) {
        return Ok(None);
    }
    Ok(Some(Waiting {
        id,
        incoming: Incoming {
            client,
            reply: stored.reply,
            request: stored.request,
            silent: stored.silent,
        },
        arrived_at,
        account_chosen: stored.account_chosen,
        appeared: stored.appeared,
    }))
}

fn still_allows(client: &Arc<Client>, stored: &Stored) -> bool {
    let registered = &client.registration;
    !client.is_disabled()
        && registered
            .redirect_uris
            .iter()
            .any(|uri| uri.allows(&stored.reply.redirect_uri))
        && stored
            .request
            .as_ref()
            .map_or(true, |request| request.scopes.is_subset(&registered.scopes))
}
