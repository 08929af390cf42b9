//! Connected apps: what a person has let in, and taking it back.

use std::{collections::HashMap, sync::Arc};

use time::OffsetDateTime;

use super::{
    Authority,
    clients::Client,
    consent::{self, Consent},
    grants::{self, Grant, RevokedReason, Which},
};
use crate::{
    audit::{Action, Actor, Record, Subject},
    revocation::{self, Reason},
    types::{ClientContext, ClientId, Fault, GrantId, UserId},
};

/// An app that a person has let in.
#[derive(Clone, Debug)]
pub struct ConnectedApp {
    pub client: Arc<Client>,
    pub consent: Consent,
    /// Its live sessions, last used first.
    pub grants: Vec<Grant>,
}

impl ConnectedApp {
    #[must_use]
    pub fn last_used_at(&self) -> OffsetDateTime {
        self.grants
            .iter()
            .map(|grant| grant.rotated_at)
            .fold(self.consent.last_used_at, OffsetDateTime::max)
    }
}

/// All apps that a person has let in, last used first.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn connected_apps(authority: &Authority, user: UserId) -> Result<Vec<ConnectedApp>, Fault> {
    let now = authority.clock.now();
    let mut connection = authority.db.connection().await?;
    let consents = consent::of_user(&mut connection, user).await?;
    let mut of_client: HashMap<ClientId, Vec<Grant>> = HashMap::new();
    for grant in grants::live_of_user(&mut connection, user, now).await? {
        of_client.entry(grant.client_id).or_default().push(grant);
    }
    drop(connection);
    let mut apps = Vec::with_capacity(consents.len());
    for consent in consents {
        if let Some(client) = authority.clients.get(consent.client_id).await? {
            let grants = of_client.remove(&consent.client_id).unwrap_or_default();
            apps.push(ConnectedApp {
                client,
                consent,
                grants,
            });
        }
    }
    apps.sort_by_key(|app| std::cmp::Reverse(app.last_used_at()));
    Ok(apps)
}

/// Disconnects an app: its consent, every session of it, every token. No node accepts any of it when this returns;
/// a code that is still on its way cannot be redeemed. Says whether the app was connected.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn disconnect(
    authority: &Authority,
    user: UserId,
    client: &Client,
    context: &ClientContext,
) -> Result<bool, Fault> {
    let now = authority.clock.now();
    let mut transaction = authority.db.begin().await?;
    // First the consent: a redemption that runs beside this one holds its row, and its grant is seen below.
    if !consent::remove(&mut transaction, user, client.id).await? {
        authority.settle_others(transaction).await?;
        return Ok(false);
    }
    let given = Which::To(user, client.id);
    let revoked = grants::revoke(authority, &mut transaction, given, RevokedReason::Withdrawn, now).await?;
    Record::done(
        now,
        Actor::User(user),
        Action::ConsentRevoked,
        Subject::Client(client.id),
    )
    .account(client.account_id)
    .from(context)
    .detail("app", client.registration.name.as_str())
    .detail("sessions", revoked.len())
    .write(&mut transaction)
    .await?;
    let subjects: Vec<_> = revoked.into_iter().map(revocation::Subject::Grant).collect();
    authority
        .commit(transaction, &subjects, Reason::Withdrawn)
        .await?;
    Ok(true)
}

/// Ends one session of an app. Says whether it was live and the person's.
///
/// # Errors
///
/// If the database is out of reach.
pub async fn end_grant(
    authority: &Authority,
    user: UserId,
    client: &Client,
    grant: GrantId,
    context: &ClientContext,
) -> Result<bool, Fault> {
    let now = authority.clock.now();
    let mut transaction = authority.db.begin().await?;
    let own = grants::lock(&mut transaction, grant)
        .await?
        .is_some_and(|grant| grant.user_id == user && grant.client_id == client.id);
    if !own
        || grants::revoke(
            authority,
            &mut transaction,
            Which::One(grant),
            RevokedReason::Withdrawn,
            now,
        )
        .await?
        .is_empty()
    {
        authority.settle_others(transaction).await?;
        return Ok(false);
    }
    Record::done(
        now,
        Actor::User(user),
        Action::GrantRevoked,
        Subject::Grant(grant),
    )
    .account(client.account_id)
    .from(context)
    .detail("app", client.registration.name.as_str())
    .write(&mut transaction)
    .await?;
    authority
        .commit(
            transaction,
            &[revocation::Subject::Grant(grant)],
            Reason::Withdrawn,
        )
        .await?;
    Ok(true)
}
