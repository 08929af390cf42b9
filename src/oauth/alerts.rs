//! What a person and the operators must know, written in the transaction of what it tells of.

use diesel_async::AsyncPgConnection;
use time::OffsetDateTime;

use crate::{
    identity::{self, Notification},
    types::{ClientContext, Fault, UserId},
};

/// A replay has ended an app's access.
pub(super) async fn replayed(
    connection: &mut AsyncPgConnection,
    user: UserId,
    app: &str,
    context: &ClientContext,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    let owner = Notification {
        to: user,
        subject: format!("{app} was disconnected from your account"),
        text: format!(
            "Somebody used a copy of a key that {app} holds for your account, from the address {}.\n\n\
             We ended that session of {app} at once, so neither the copy nor the original works any \
             more. If you still use {app}, sign in there again.\n\n\
             You can see what is connected to your account under Connected apps.\n",
            context.address
        ),
    };
    let operators = identity::operators(connection).await?;
    let operators = operators.into_iter().map(|operator| Notification {
        to: operator.id,
        subject: format!("Replay at {app}: a grant was revoked"),
        text: format!(
            "A code or refresh token of {app} for {user} was presented again, from the address {}.\n\
             The grant was revoked. Request: {}\n",
            context.address, context.request_id
        ),
    });
    let all: Vec<_> = [owner].into_iter().chain(operators).collect();
    identity::notify(connection, &all, now).await
}
