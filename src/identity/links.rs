//! One-time links: 256 random bits in a mail, their SHA-256 at rest, used up by one DELETE.

use std::time::Duration;

use diesel_async::AsyncPgConnection;

use super::{
    Identity,
    model::{Link, LinkPurpose},
    store::{self, NewLink},
};
use crate::{
    crypto::Token,
    types::{Email, Fault, LinkId, UserId},
};

impl Identity {
    /// Makes a link, in the caller's transaction; the URL is the only copy of its token.
    pub(super) async fn make_link(
        &self,
        connection: &mut AsyncPgConnection,
        purpose: LinkPurpose,
        user_id: Option<UserId>,
        email: Option<&Email>,
    ) -> Result<String, Fault> {
        let now = self.clock.now();
        let token = Token::random("", &self.entropy);
        store::insert_link(
            connection,
            &NewLink {
                id: LinkId::new(&self.clock, &self.entropy),
                purpose,
                token_hash: token.digest(),
                user_id,
                email,
                created_at: now,
                expires_at: now + self.link_lifetime(purpose),
            },
        )
        .await?;
        let key = if purpose == LinkPurpose::Invitation {
            "invitation"
        } else {
            "token"
        };
        Ok(format!(
            "{}{}?{key}={}",
            self.config.issuer(),
            purpose.path(),
            token.expose()
        ))
    }

    pub(super) fn link_lifetime(&self, purpose: LinkPurpose) -> Duration {
        let lifetimes = &self.config.lifetimes;
        match purpose {
            LinkPurpose::ResetPassword => lifetimes.reset_link,
            LinkPurpose::FirstOperator => lifetimes.first_operator_link,
            LinkPurpose::VerifyEmail
            | LinkPurpose::ConfirmOldEmail
            | LinkPurpose::ConfirmNewEmail
            | LinkPurpose::Invitation => lifetimes.mail_link,
        }
        .duration()
    }

    /// A link that is good now, without using it up: mail scanners open links, too.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn look_at_link(&self, purpose: LinkPurpose, token: &Token) -> Result<Option<Link>, Fault> {
        let mut connection = self.db.connection().await?;
        store::find_link(&mut connection, purpose, &token.digest(), self.clock.now()).await
    }
}

/// A lifetime in a person's words: "15 minutes", "1 day".
pub(super) fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (count, unit) = [(86_400, "day"), (3_600, "hour"), (60, "minute")]
        .into_iter()
        .find(|(size, _)| seconds >= *size && seconds.is_multiple_of(*size))
        .map_or((seconds, "second"), |(size, unit)| (seconds / size, unit));
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_read_well() {
        for (seconds, words) in [
            (900, "15 minutes"),
            (86_400, "1 day"),
            (90, "90 seconds"),
            (7_200, "2 hours"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }
}
