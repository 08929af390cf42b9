//! Mail to the owners of an account, when an endpoint of theirs was switched off without them.

use diesel_async::AsyncPgConnection;
use time::OffsetDateTime;

use super::{DisabledReason, store::Switched};
use crate::{
    accounts::{self, Role},
    identity::{self, Notification},
    types::Fault,
};

/// Tells them, in the transaction that switches it off.
pub(super) async fn tell_owners(
    connection: &mut AsyncPgConnection,
    switched: &Switched,
    reason: DisabledReason,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    let Switched { app_name, url, .. } = switched;
    let because = match reason {
        DisabledReason::Gone => "it answered 410 Gone, by which an endpoint says that it wants nothing more",
        DisabledReason::Failing => "nothing that we sent there has been taken for days",
        DisabledReason::Owner => return Ok(()),
    };
    let notifications: Vec<_> = accounts::members_of(connection, switched.account())
        .await?
        .into_iter()
        .filter(|member| member.role == Role::Owner)
        .map(|owner| Notification {
            to: owner.user_id,
            subject: format!("A webhook endpoint of {app_name} is switched off"),
            text: format!(
                "we send nothing more to this webhook endpoint of {app_name}:\n\n{url}\n\n\
                 The reason: {because}.\n\n\
                 When it works again, switch it on under Webhooks on the page of {app_name}. What was given up is listed \
                 there, and can be sent again.\n",
            ),
        })
        .collect();
    identity::notify(connection, &notifications, now).await
}
