//! A code or refresh token that was used is presented again: whoever has the copy must lose all that came of it.

use super::{
    Authority, alerts,
    clients::Client,
    grants::{self, Grant, RevokedReason, Which},
    refusal,
};
use crate::{
    audit::{Action, Record},
    revocation::{self, Reason},
    types::{ClientContext, CodeId, Fault},
};

/// A code that would have been good, were it not used already: its grant is revoked (RFC 6749 §4.1.2). Without a
/// grant there was no first use, and nothing to revoke: the answer says which.
pub(super) async fn of_code(
    authority: &Authority,
    client: &Client,
    code: CodeId,
    context: &ClientContext,
) -> Result<bool, Fault> {
    let grant = grants::by_code(&mut *authority.db.connection().await?, code).await?;
    match grant {
        Some(grant) => revoke(authority, client, &grant, "authorization_code", context)
            .await
            .map(|()| true),
        None => Ok(false),
    }
}

/// Revokes a grant because something of it was presented twice, and tells its owner. Of several replays at
/// once, one does it.
pub(super) async fn revoke(
    authority: &Authority,
    client: &Client,
    grant: &Grant,
    what: &str,
    context: &ClientContext,
) -> Result<(), Fault> {
    let now = authority.clock.now();
    let mut transaction = authority.db.begin().await?;
    let revoked = grants::revoke(
        authority,
        &mut transaction,
        Which::One(grant.id),
        RevokedReason::Replay,
        now,
    )
    .await?;
    if revoked.is_empty() {
        authority.settle_others(transaction).await?;
        return refusal::of_grant(authority, client, grant, "it was revoked before", context).await;
    }
    grants::record(
        Record::refused,
        now,
        client,
        Action::GrantReplayed,
        (grant.id, grant.user_id),
        context,
    )
    .detail("presented", what)
    .write(&mut transaction)
    .await?;
    let name = client.registration.name.as_str();
    alerts::replayed(&mut transaction, grant.user_id, name, context, now).await?;
    authority
        .commit(
            transaction,
            &[revocation::Subject::Grant(grant.id)],
            Reason::Replay,
        )
        .await?;
    tracing::warn!(grant = %grant.id, client = %client.id, user = %grant.user_id, what, "replay: the grant is revoked");
    authority.mailer.send_notifications(&authority.db);
    Ok(())
}
