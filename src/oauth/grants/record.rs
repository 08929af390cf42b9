use time::OffsetDateTime;

use crate::{
    audit::{Action, Actor, Record, Subject},
    oauth::clients::Client,
    types::{ClientContext, GrantId, UserId},
};

/// What the trail says of an act of `client` on a grant of `user`; `outcome` is [`Record::done`] or [`Record::refused`].
pub(in crate::oauth) fn record(
    outcome: fn(OffsetDateTime, Actor, Action, Subject) -> Record,
    now: OffsetDateTime,
    client: &Client,
    action: Action,
    (grant, user): (GrantId, UserId),
    context: &ClientContext,
) -> Record {
    outcome(now, Actor::Client(client.id), action, Subject::Grant(grant))
        .account(client.account_id)
        .from(context)
        .detail("user", user.to_string())
        .detail("client", client.id.to_string())
        .detail("app", client.registration.name.as_str())
}
