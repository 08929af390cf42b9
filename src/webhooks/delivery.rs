//! One attempt: what was claimed is signed, sent, and written down.

use std::time::Duration;

use time::OffsetDateTime;

use super::{
    Attempt, DisabledReason, EndpointUrl, Outcome, Webhooks,
    carrier::{Answer, Parcel, Undelivered},
    sign::sign,
    store::{self, Claimed, Finish, Then},
    tell::tell_owners,
};
use crate::types::{Entropy, Fault};

/// How long after each failure it is tried again (Standard Webhooks 1.0.0, "Deliverability and reliability"); after the
/// last one it is given up.
const SCHEDULE: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(24),
];
/// The longest that an endpoint may ask to be left alone.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// How long to wait after `failures` failures: as the schedule says, or longer if the endpoint asks for it, and up to a
/// tenth more, so that what failed together does not come back together. None after the last.
fn pause(failures: i32, asked: Option<Duration>, entropy: &Entropy) -> Option<Duration> {
    let planned = usize::try_from(failures).ok()?.checked_sub(1)?;
    let pause = (*SCHEDULE.get(planned)?).max(asked.unwrap_or_default().min(LONGEST_WAIT));
    let [random] = entropy.bytes::<1>();
    Some(pause + pause / 10 * u32::from(random) / 256)
}

impl Webhooks {
    /// Makes the attempt that was claimed.
    ///
    /// # Errors
    ///
    /// If the database is out of reach, or a secret does not open: the claim then runs out, and it is tried again.
    pub(super) async fn deliver(&self, claimed: &Claimed) -> Result<(), Fault> {
        let at = self.clock.now();
        let Some(parcel) = self.pack(claimed, at).await? else {
            // The last secret was ended since: it waits for another.
            return Ok(());
        };
        let url = EndpointUrl::stored(&claimed.url)
            .ok_or_else(|| Fault::inconsistent("webhook_endpoints", "url", claimed.endpoint))?;
        let outcome = match self.carrier.post(url.url(), parcel).await {
            Err(Undelivered::Fault(fault)) => return Err(fault),
            outcome => outcome,
        };
        let now = self.clock.now();
        let then = match &outcome {
            Ok(answer) if (200..300).contains(&answer.status) => Then::Delivered,
            Ok(answer) if answer.status == Attempt::GONE => Then::GivenUp,
            Ok(answer) => self.after_failure(claimed, answer.retry_after, now),
            Err(_) => self.after_failure(claimed, None, now),
        };
        let how = match &outcome {
            Ok(_) if then == Then::Delivered => Outcome::Delivered,
            Ok(answer) if answer.status == Attempt::GONE => Outcome::Gone,
            Ok(_) => Outcome::Refused,
            Err(_) => Outcome::Unanswered,
        };
        self.tally.count(how, then == Then::GivenUp);
        let attempt = attempt(outcome, at, now);
        tracing::debug!(delivery = %claimed.id, status = attempt.status, error = attempt.error, ?then, "webhook sent");
        self.write_down(&Finish {
            claimed,
            attempt: &attempt,
            then,
            now,
        })
        .await
    }

    fn after_failure(&self, claimed: &Claimed, asked: Option<Duration>, now: OffsetDateTime) -> Then {
        let failures = claimed.failures.saturating_add(1);
        pause(failures, asked, &self.entropy).map_or(Then::GivenUp, |pause| Then::Again(now + pause))
    }

    /// Signed with every secret that signs now; none if there is none.
    async fn pack(&self, claimed: &Claimed, at: OffsetDateTime) -> Result<Option<Parcel>, Fault> {
        let sealed = store::live_sealed(&mut *self.db.connection().await?, claimed.endpoint, at).await?;
        let (id, timestamp) = (claimed.message.to_string(), at.unix_timestamp());
        let mut signatures = Vec::with_capacity(sealed.len());
        for (secret_id, sealed) in sealed {
            let secret = self.open(secret_id, &sealed)?;
            let signature = sign(secret.expose(), &id, timestamp, &claimed.payload)
                .ok_or_else(|| Fault::inconsistent("webhook_secrets", "sealed", secret_id))?;
            signatures.push(signature);
        }
        Ok((!signatures.is_empty()).then(|| Parcel {
            headers: [
                ("webhook-id", id),
                ("webhook-timestamp", timestamp.to_string()),
                ("webhook-signature", signatures.join(" ")),
            ],
            body: claimed.payload.clone(),
        }))
    }

    /// Writes down how it went, and switches the endpoint off if that was the last straw.
    async fn write_down(&self, finish: &Finish<'_>) -> Result<(), Fault> {
        let straw = match finish.then {
            Then::GivenUp if finish.attempt.is_gone() => (DisabledReason::Gone, None),
            Then::GivenUp => {
                let limit = self.config.webhooks.switch_off_after.duration();
                (DisabledReason::Failing, Some(finish.now - limit))
            }
            Then::Delivered | Then::Again(_) => {
                return store::finish(&mut *self.db.connection().await?, finish).await;
            }
        };
        let mut transaction = self.db.begin().await?;
        store::finish(&mut transaction, finish).await?;
        let (reason, failing_before) = straw;
        let only = store::Only {
            failing_before,
            url: Some(&finish.claimed.url),
        };
        let switched = self
            .switch_off_by_itself(&mut transaction, finish.claimed.endpoint, reason, only)
            .await?;
        if let Some(switched) = &switched {
            tell_owners(&mut transaction, switched, reason, finish.now).await?;
        }
        transaction.commit().await?;
        if switched.is_some() {
            self.mailer.send_notifications(&self.db);
        }
        Ok(())
    }
}

fn attempt(outcome: Result<Answer, Undelivered>, at: OffsetDateTime, now: OffsetDateTime) -> Attempt {
    let took = (now - at).try_into().unwrap_or_default();
    match outcome {
        Ok(answer) => Attempt {
            at,
            status: Some(answer.status),
            error: None,
            answer: Some(answer.beginning).filter(|text| !text.is_empty()),
            took,
        },
        Err(error) => Attempt {
            at,
            status: None,
            error: Some(error.to_string()),
            answer: None,
            took,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_pause_is_never_shorter_than_planned_and_a_tenth_longer_at_most(
            failures in 1_i32..=9,
            random: u8,
            asked in proptest::option::of(0_u64..10_000_000),
        ) {
            let entropy = Entropy::from_fn(move |bytes| bytes.fill(random));
            let planned = SCHEDULE[usize::try_from(failures).unwrap() - 1];
            let asked = asked.map(Duration::from_secs);
            let least = planned.max(asked.unwrap_or_default().min(LONGEST_WAIT));
            let pause = pause(failures, asked, &entropy).unwrap();
            prop_assert!(least <= pause && pause < least + least / 10);
        }
    }

    #[test]
    fn after_the_last_it_is_given_up() {
        let entropy = Entropy::system();
        assert_eq!(pause(10, None, &entropy), None);
        assert_eq!(pause(10, Some(Duration::from_secs(1)), &entropy), None);
    }
}
