//! Codes and refresh tokens of ours that are refused leave a record, so that whoever looks through the trail sees that
//! somebody had them who should not. What is not of ours leaves none: anybody can make it up. Of one code or grant, one
//! record a minute is enough, so that whoever holds a copy cannot fill the trail with it.

use super::{
    Authority,
    clients::{Client, Throttle},
    code::Code,
    grants::Grant,
};
use crate::{
    audit::{Action, Actor, Record, Subject},
    types::{ClientContext, ClientId, CodeId, Fault, GrantId, UserId},
};

/// What was refused of late.
pub(super) type Refusals = Throttle<Refused>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Refused {
    Code(CodeId),
    Grant(GrantId),
}

/// Whose it is.
struct Owner {
    client: ClientId,
    user: UserId,
}

/// A code was refused for another reason than its age: one that has expired is nothing to anybody.
pub(super) async fn of_code(
    authority: &Authority,
    presenter: &Client,
    code: &Code,
    because: &str,
    context: &ClientContext,
) -> Result<(), Fault> {
    if code.is_expired(authority.clock.now()) {
        return Ok(());
    }
    let owner = Owner {
        client: code.client_id,
        user: code.user_id,
    };
    record(
        authority,
        presenter,
        Refused::Code(code.id),
        owner,
        because,
        context,
    )
    .await
}

/// A token of a grant was refused: the grant is dead, or it is another client's.
pub(super) async fn of_grant(
    authority: &Authority,
    presenter: &Client,
    grant: &Grant,
    because: &str,
    context: &ClientContext,
) -> Result<(), Fault> {
    let owner = Owner {
        client: grant.client_id,
        user: grant.user_id,
    };
    record(
        authority,
        presenter,
        Refused::Grant(grant.id),
        owner,
        because,
        context,
    )
    .await
}

/// The record is the owner's to read, whoever presented it.
async fn record(
    authority: &Authority,
    presenter: &Client,
    refused: Refused,
    owner: Owner,
    because: &str,
    context: &ClientContext,
) -> Result<(), Fault> {
    let now = authority.clock.now();
    if authority.refusals.failed(refused, now) > 1 {
        return Ok(());
    }
    let subject = match refused {
        Refused::Code(_) => Subject::Client(owner.client),
        Refused::Grant(id) => Subject::Grant(id),
    };
    let client = authority.clients.get(owner.client).await?;
    let account = client.as_ref().map(|client| client.account_id);
    let app = client.map(|client| client.registration.name.clone());
    Record::refused(now, Actor::Client(presenter.id), Action::GrantRefused, subject)
        .account(account)
        .from(context)
        .detail("user", owner.user.to_string())
        .detail("client", owner.client.to_string())
        .detail("app", app)
        .detail("because", because)
        .write(&mut *authority.db.connection().await?)
        .await
}
