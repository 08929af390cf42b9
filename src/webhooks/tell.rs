//! Mail to the owners of an account, when an endpoint of theirs was switched off without them.

use super::{DisabledReason, Webhooks, store::Switched};
use crate::{
    accounts::{self, Role},
    identity::{self, Letter},
    types::{Fault, UserId},
};

impl Webhooks {
    /// That it is off must not hang on the mail, so a failure is logged.
    pub(super) async fn tell_owners(&self, switched: &Switched, reason: DisabledReason) {
        if let Err(error) = self.try_tell_owners(switched, reason).await {
            tracing::error!(%error, "nobody could be told that a webhook endpoint is switched off");
        }
    }

    async fn try_tell_owners(&self, switched: &Switched, reason: DisabledReason) -> Result<(), Fault> {
        let Switched { app_name, url, .. } = switched;
        let because = match reason {
            DisabledReason::Gone => {
                "it answered 410 Gone, by which an endpoint says that it wants nothing more"
            }
            DisabledReason::Failing => "nothing that we sent there has been taken for days",
            DisabledReason::Owner => return Ok(()),
        };
        let mut connection = self.db.connection().await?;
        let owners: Vec<UserId> = accounts::members_of(&mut connection, switched.account())
            .await?
            .into_iter()
            .filter(|member| member.role == Role::Owner)
            .map(|member| member.user_id)
            .collect();
        for owner in identity::users(&mut connection, &owners).await? {
            self.mailer.send(Letter {
                to: owner.email,
                subject: format!("A webhook endpoint of {app_name} is switched off"),
                text: format!(
                    "Hello {name},\n\n\
                     we send nothing more to this webhook endpoint of {app_name}:\n\n{url}\n\n\
                     The reason: {because}.\n\n\
                     When it works again, switch it on under Webhooks on the page of {app_name}. What was given up is \
                     listed there, and can be sent again.\n",
                    name = owner.name,
                ),
            });
        }
        Ok(())
    }
}
