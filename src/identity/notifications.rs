//! Mail that must come. It is written in the transaction of the act that it tells of, and stays until the mail server has
//! it: a server that is killed, a queue that is full and a mail server that is away only put it off.

use std::time::Duration;

use diesel_async::AsyncPgConnection;
use time::OffsetDateTime;

use super::{Identity, store};
use crate::{
    jobs::Job,
    types::{Fault, UserId},
};

/// How late one may be that was put off.
const SEND_EVERY: Duration = Duration::from_mins(1);
/// How long it is tried.
pub(super) const TRIED_FOR: Duration = Duration::from_hours(24 * 3);

/// A mail to somebody who is known. It greets them when it is sent.
#[derive(Clone, Debug)]
pub struct Notification {
    pub to: UserId,
    pub subject: String,
    /// What follows the greeting.
    pub text: String,
}

/// Writes notifications, in the transaction of the act. [`send_notifications`](super::Mailer::send_notifications) sends them
/// when it is committed, and if nobody does, a job.
///
/// # Errors
///
/// If they could not be written; the act must then not happen either.
pub async fn notify(
    connection: &mut AsyncPgConnection,
    notifications: &[Notification],
    now: OffsetDateTime,
) -> Result<(), Fault> {
    if notifications.is_empty() {
        return Ok(());
    }
    store::insert_notifications(connection, notifications, now).await
}

impl Identity {
    /// The job that sends what was put off.
    pub(super) fn sending(&self) -> Job {
        let mailer = self.mailer.clone();
        Job::new("identity.notifications", SEND_EVERY, move |db, _| {
            let mailer = mailer.clone();
            async move { mailer.all_notifications(db).await }
        })
    }
}
