//! Taking back all that apps hold of a person, because somebody has proved that the person's address is theirs: who gave
//! it before may have been a stranger. `identity` calls this by its hook when an unverified address resets its password.

use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;

use super::{
    Authority, clients, consent,
    grants::{self, RevokedReason, Which},
};
use crate::{
    audit::{Action, Actor, Record, Subject},
    identity::HeldByApps,
    revocation::{self, Reason, Revocation},
    types::{ClientContext, Fault, UserId},
};

/// What apps hold of people.
pub struct ConsentsAndGrants(pub Authority);

impl HeldByApps for ConsentsAndGrants {
    fn take_back<'a>(
        &'a self,
        connection: &'a mut AsyncPgConnection,
        user: UserId,
        context: &'a ClientContext,
    ) -> BoxFuture<'a, Result<Vec<Revocation>, Fault>> {
        Box::pin(take_back(&self.0, connection, user, context))
    }
}

async fn take_back(
    authority: &Authority,
    connection: &mut AsyncPgConnection,
    user: UserId,
    context: &ClientContext,
) -> Result<Vec<Revocation>, Fault> {
    let now = authority.clock.now();
    // First the consents: a redemption that runs beside this one holds the row, and its grant is seen below.
    let disconnected = consent::remove_all(connection, user).await?;
    let revoked = grants::revoke(
        authority,
        connection,
        Which::Of(user),
        RevokedReason::Disowned,
        now,
    )
    .await?;
    for id in disconnected {
        let client = clients::client(connection, id).await?;
        Record::done(
            now,
            Actor::User(user),
            Action::ConsentRevoked,
            Subject::Client(id),
        )
        .account(client.as_ref().map(|client| client.account_id))
        .from(context)
        .detail("app", client.map(|client| client.registration.name))
        .detail("reason", RevokedReason::Disowned.name())
        .write(connection)
        .await?;
    }
    let subjects: Vec<_> = revoked.into_iter().map(revocation::Subject::Grant).collect();
    Ok(authority.entries(&subjects, Reason::Disowned, now))
}
