use std::{net::IpAddr, sync::Arc};

use time::OffsetDateTime;

use crate::{
    audit::Record,
    config::Config,
    crypto::Keyring,
    db::{Db, Transaction},
    identity::Mailer,
    revocation::{Reason, Revocation, Revocations, Subject},
    types::{ClientId, Clock, Entropy, Fault},
};

use super::{
    access_token,
    clients::{ClientCache, Throttle},
    live_tokens::LiveTokens,
    metadata::LastDocument,
    refusal::Refusals,
    request_log::RequestLog,
    signing_keys::SigningKeys,
};

/// All that the acts of the authorization server work with.
#[derive(Clone)]
pub struct Authority {
    pub db: Db,
    pub clock: Clock,
    pub entropy: Entropy,
    pub keyring: Keyring,
    pub config: Arc<Config>,
    pub revocations: Revocations,
    pub signing: SigningKeys,
    pub clients: ClientCache,
    pub request_log: RequestLog,
    /// The `iss` of everything this server says.
    pub issuer: Arc<str>,
    pub(super) mailer: Mailer,
    /// Failed authentications: of a client from one network, so that no stranger locks it out elsewhere, and of all from one.
    pub(super) client_failures: Throttle<(ClientId, IpAddr)>,
    pub(super) address_failures: Throttle<IpAddr>,
    pub(super) refusals: Refusals,
    /// Requests that were left waiting, by where they came from.
    pub(super) parked: Throttle<IpAddr>,
    pub(super) live: LiveTokens,
    pub(super) last_document: LastDocument,
}

impl Authority {
    /// Puts the parts together, and reads or makes the signing keys.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn new(
        db: Db,
        clock: Clock,
        entropy: Entropy,
        keyring: Keyring,
        config: Arc<Config>,
        revocations: Revocations,
        mailer: Mailer,
    ) -> Result<Self, Fault> {
        let signing = SigningKeys::load(
            db.clone(),
            clock.clone(),
            entropy.clone(),
            keyring.clone(),
            &config,
        )
        .await?;
        Ok(Self {
            signing,
            clients: ClientCache::new(db.clone(), revocations.clone()),
            request_log: RequestLog::start(db.clone(), config.oauth.request_log),
            issuer: config.issuer().into(),
            mailer,
            client_failures: Throttle::new(config.limits.client_failures_per_minute),
            address_failures: Throttle::new(config.limits.address_failures_per_minute),
            parked: Throttle::new(config.limits.waiting_requests_per_minute),
            refusals: Throttle::new(1),
            live: LiveTokens::new(),
            last_document: LastDocument::default(),
            db,
            clock,
            entropy,
            keyring,
            config,
            revocations,
        })
    }

    /// Access tokens of this node that are in memory now.
    #[must_use]
    pub fn live_access_tokens(&self) -> usize {
        self.live.len()
    }

    /// Forgets expired access tokens.
    #[must_use]
    pub fn sweep_access_tokens(&self) -> usize {
        self.live.sweep(self.clock.unix())
    }

    /// Ends an act that takes something back: the entries go to the log with the act, and are in force on
    /// every node when this returns.
    pub(super) async fn commit(
        &self,
        mut transaction: Transaction,
        subjects: &[Subject],
        reason: Reason,
    ) -> Result<(), Fault> {
        let now = self.clock.now();
        let entries = self.entries(subjects, reason, now);
        let recorded = self.revocations.record(&mut transaction, now, &entries).await?;
        transaction.commit().await?;
        self.revocations.settle(recorded).await;
        Ok(())
    }

    /// What goes to the log for `subjects` that are taken back now.
    pub(super) fn entries(
        &self,
        subjects: &[Subject],
        reason: Reason,
        now: OffsetDateTime,
    ) -> Vec<Revocation> {
        subjects
            .iter()
            .map(|subject| Revocation {
                subject: *subject,
                reason,
                until: self.until(*subject, now),
            })
            .collect()
    }

    /// Ends an act that found taken back already what it was to take back: whoever did it may still be waiting until
    /// no node accepts it, and nobody is told sooner that it is done.
    pub(super) async fn settle_others(&self, mut transaction: Transaction) -> Result<(), Fault> {
        let recorded = self.revocations.recorded_so_far(&mut transaction).await?;
        drop(transaction);
        self.revocations.settle(recorded).await;
        Ok(())
    }

    /// Ends an act that changed a client, with its record.
    pub(super) async fn commit_client_change(
        &self,
        mut transaction: Transaction,
        client: ClientId,
        record: Record,
    ) -> Result<(), Fault> {
        record.write(&mut transaction).await?;
        self.commit(transaction, &[Subject::Client(client)], Reason::Changed)
            .await
    }

    /// A client goes on after it was changed, and a person can be let in again, so neither stays revoked: what they
    /// hold is taken back by name, and the entry only makes nodes drop their copies.
    fn until(&self, subject: Subject, now: OffsetDateTime) -> OffsetDateTime {
        match subject {
            Subject::Client(_) | Subject::User(_) | Subject::ApiKey(_) | Subject::App(_) => now,
            Subject::Token(_) | Subject::Grant(_) | Subject::Session(_) => {
                access_token::forgotten_after(self, now)
            }
        }
    }
}
