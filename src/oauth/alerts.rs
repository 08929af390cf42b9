//! Mail about what a person and the operators must know.

use crate::{
    db::Db,
    identity::{self, Letter, Mailer},
    types::{ClientContext, Fault, UserId},
};

#[derive(Clone, Debug)]
pub(super) struct Alerts {
    pub(super) db: Db,
    pub(super) mailer: Mailer,
}

impl Alerts {
    /// A replay has ended an app's access. That it did must not hang on the mail, so a failure is logged.
    pub(super) async fn replayed(&self, user: UserId, app: &str, context: &ClientContext) {
        if let Err(error) = self.try_replayed(user, app, context).await {
            tracing::error!(%error, "nobody could be told of a replay");
        }
    }

    async fn try_replayed(&self, user: UserId, app: &str, context: &ClientContext) -> Result<(), Fault> {
        let mut connection = self.db.connection().await?;
        let owner = identity::user(&connection, user).await?;
        let operators = identity::operators(&mut connection).await?;
        drop(connection);
        if let Some(owner) = owner {
            self.mailer.send(Letter {
                to: owner.email,
                subject: format!("{app} was disconnected from your account"),
                text: format!(
                    "Somebody used a copy of a key that {app} holds for your account, from the address {}.\n\n\
                     We ended that session of {app} at once, so neither the copy nor the original works any \
                     more. If you still use {app}, sign in there again.\n\n\
                     You can see what is connected to your account under Connected apps.\n",
                    context.address
                ),
            });
        }
        for operator in operators {
            self.mailer.send(Letter {
                to: operator.email,
                subject: format!("Replay at {app}: a grant was revoked"),
                text: format!(
                    "A code or refresh token of {app} for {user} was presented again, from the address {}.\n\
                     The grant was revoked. Request: {}\n",
                    context.address, context.request_id
                ),
            });
        }
        Ok(())
    }
}
