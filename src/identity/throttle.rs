//! Delays that grow with failures, by account and by address. Subjects are keyed digests: the table tells
//! nobody who tried to sign in as whom.

use std::{net::IpAddr, time::Duration};

use diesel_async::AsyncPgConnection;

use super::{
    Identity,
    known_browser::KnownBrowser,
    store::{self, Delays},
};
use crate::{
    crypto::Purpose,
    types::{Fault, UserId},
};

/// What failures are counted of.
#[derive(Clone, Debug)]
pub(super) enum Subject<'a> {
    /// Passwords given for an account, whether or not it exists.
    Account(&'a str),
    /// Passwords given for an account in a browser where its person is signed in.
    SignedIn(UserId),
    /// Passwords given for an account in a browser where its person was signed in before.
    Known(KnownBrowser),
    /// Passwords given from an address.
    Address(IpAddr),
    /// Sign-ups that came to something, from an address.
    SignUp(IpAddr),
    /// Sign-ups and changes of address that met a taken one, from an address.
    Probe(IpAddr),
    /// Mail asked for, to an address.
    MailTo(&'a str),
    /// Mail asked for, from an address.
    MailFrom(IpAddr),
    /// Invitations to accounts, by whoever sends them.
    Inviter(UserId),
}

/// A try that is counted as failed until it says otherwise.
#[derive(Debug)]
pub(super) struct Try {
    subjects: Vec<Vec<u8>>,
    /// How often each has failed, this time included.
    pub(super) failures: Vec<i32>,
}

/// Too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delayed(pub(super) Duration);

/// An IPv6 site has as many addresses as it likes: it is counted by its network.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

impl Subject<'_> {
    fn text(&self) -> String {
        match self {
            Self::Account(email) => format!("sign-in/account/{}", email.trim().to_lowercase()),
            Self::Address(address) => format!("sign-in/address/{}", network(*address)),
            Self::SignedIn(user) => format!("sign-in/session/{user}"),
            Self::Known(browser) => format!("sign-in/browser/{}/{}", browser.user, browser.id),
            Self::SignUp(address) => format!("sign-up/address/{}", network(*address)),
            Self::Probe(address) => format!("probe/address/{}", network(*address)),
            Self::MailTo(email) => format!("mail/to/{}", email.trim().to_lowercase()),
            Self::MailFrom(address) => format!("mail/from/{}", network(*address)),
            Self::Inviter(user) => format!("invitation/by/{user}"),
        }
    }
}

impl Identity {
    /// Failures are forgotten when the longest delay has passed four times over.
    pub(super) fn failures_are_kept_for(&self) -> Duration {
        self.config
            .limits
            .sign_in_longest_delay
            .duration()
            .saturating_mul(4)
            .max(Duration::from_mins(1))
    }

    /// Counts one failure of each subject ahead of the try, unless one of them must wait.
    pub(super) async fn begin_try(&self, subjects: &[Subject<'_>]) -> Result<Result<Try, Delayed>, Fault> {
        self.begin_try_after(self.config.limits.sign_in_free_failures, subjects)
            .await
    }

    /// The same, with another number of tries before delays begin.
    pub(super) async fn begin_try_after(
        &self,
        free: u32,
        subjects: &[Subject<'_>],
    ) -> Result<Result<Try, Delayed>, Fault> {
        let now = self.clock.now();
        let limits = &self.config.limits;
        let delays = Delays {
            free,
            first: limits.sign_in_first_delay.duration().as_secs_f64(),
            longest: limits.sign_in_longest_delay.duration().as_secs_f64(),
            since: now - self.failures_are_kept_for(),
        };
        let subjects = subjects
            .iter()
            .map(|subject| self.digest_of(subject))
            .collect::<Result<Vec<_>, Fault>>()?;
        let mut transaction = self.db.begin().await?;
        let counted = store::count_failures(&mut transaction, &subjects, delays, now).await?;
        let failures: Vec<i32> = subjects
            .iter()
            .filter_map(|subject| counted.iter().find(|(own, _)| own == subject))
            .map(|(_, failures)| *failures)
            .collect();
        if failures.len() == subjects.len() {
            transaction.commit().await?;
            return Ok(Ok(Try { subjects, failures }));
        }
        // One of them waits: the others are not counted either.
        let retry_at = store::retry_at(&mut transaction, &subjects).await?;
        let wait = retry_at.map_or(time::Duration::ZERO, |at| at - now);
        let wait = wait.try_into().unwrap_or(Duration::ZERO);
        let longest = limits.sign_in_longest_delay.duration();
        Ok(Err(Delayed(wait.min(longest).max(Duration::from_secs(1)))))
    }

    /// The try was good. The first subject, the account, starts afresh; for the others (addresses) only
    /// this one try is taken back: whoever has an account could otherwise clear the count of guesses at
    /// other people's.
    pub(super) async fn end_try_well(
        &self,
        connection: &mut AsyncPgConnection,
        tried: &Try,
    ) -> Result<(), Fault> {
        let now = self.clock.now();
        if let Some((account, others)) = tried.subjects.split_first() {
            store::forget_failures(connection, account).await?;
            for subject in others {
                store::uncount_failure(connection, subject, now).await?;
            }
        }
        Ok(())
    }

    /// Whoever has a new password need not wait for what was tried with the old one.
    pub(super) async fn forget_failures_of(
        &self,
        connection: &mut AsyncPgConnection,
        email: &str,
    ) -> Result<(), Fault> {
        store::forget_failures(connection, &self.digest_of(&Subject::Account(email))?).await
    }

    fn digest_of(&self, subject: &Subject<'_>) -> Result<Vec<u8>, Fault> {
        let mac = self
            .keyring
            .mac(Purpose::Fingerprint, subject.text().as_bytes())?;
        Ok(mac.tag.to_vec())
    }

    /// The try was neither good nor a guess: it counts for nothing.
    pub(super) async fn withdraw_try(&self, tried: &Try) -> Result<(), Fault> {
        let mut connection = self.db.connection().await?;
        let now = self.clock.now();
        for subject in &tried.subjects {
            store::uncount_failure(&mut connection, subject, now).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_site_is_one_subject() {
        let text = |address: &str| Subject::Address(address.parse().expect(address)).text();
        assert_eq!(text("2001:db8:1:2::1"), text("2001:db8:1:2:ffff::2"));
        assert_ne!(text("2001:db8:1:2::1"), text("2001:db8:1:3::1"));
        assert_ne!(text("192.0.2.1"), text("192.0.2.2"));
    }
}
