//! A report: all that was found is taken back in one transaction with its records, or nothing is.
//!
//! In it come, in this order: the digest of the notice; look-ups; the rows that are changed, held from apps down to keys, as
//! whoever deletes an app holds them; the reports, their records, and what owners are told; the revocation log last. So a
//! report that fails leaves nothing, not even that it came, and can come again; one that is committed needs nothing more,
//! also when the reporter goes before the answer.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    Find, Kind, Label, LeakReport, Leaks, Outcome, Reporter, address::presentable, mail::tell_owners,
    read::Reading, store, tally::Fate,
};
use crate::{
    accounts,
    audit::{Action, Record, Subject},
    db::Transaction,
    keys::{ApiKey, KeyKind, Leak, ValueDigests, ValueOf},
    oauth::leaked::{self, Found, Read, What},
    revocation::{self, Reason, Recorded, Revocation},
    types::{AccountId, ApiKeyId, AppId, Fault, LeakReportId, UserId},
    webhooks::{self, LeakedSecret},
};
use time::OffsetDateTime;

/// The source of reports that GitHub has signed.
pub(super) const GITHUB: &str = "github";

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// It was dealt with already.
    #[error("this report came before, and was dealt with")]
    Again,
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What a look-up says of a string.
enum Looked {
    /// It is not ours.
    Foreign,
    /// It is ours by its signature, and nothing is left that it belonged to.
    Orphan,
    Key(ValueOf),
    OfClient(Found),
    WebhookSecret(LeakedSecret),
}

/// Something that was found, and what became of it.
pub(super) struct Known {
    pub(super) kind: Kind,
    subject: Subject,
    /// What may be shown of it.
    pub(super) hint: String,
    /// What its owner calls it, or what it is of.
    pub(super) name: String,
    app: Option<AppId>,
    pub(super) account: Option<AccountId>,
    /// Whose access it gave.
    pub(super) user: Option<UserId>,
    pub(super) outcome: Outcome,
    /// Of whose key its app is told.
    key: Option<ApiKeyId>,
}

/// What was taken back in the transaction.
#[derive(Default)]
struct Taken {
    of_clients: HashSet<What>,
    webhook_secrets: HashSet<crate::types::WebhookSecretId>,
    keys: HashSet<ApiKeyId>,
    entries: Vec<Revocation>,
}

impl Leaks {
    /// Deals with what somebody found, and says of each whether it is ours, in their order. Nothing of it is good on any node
    /// when this returns. `notice` is the digest of a report that may come once.
    ///
    /// # Errors
    ///
    /// See [`ReportError`]; nothing was done then.
    pub async fn report(
        &self,
        finds: Vec<Find>,
        notice: Option<[u8; 32]>,
        reporter: Reporter<'_>,
    ) -> Result<Vec<Label>, ReportError> {
        let labels = self.take(finds.into(), notice, reporter).await;
        let fate = match &labels {
            Ok(_) => Fate::Taken,
            Err(ReportError::Again) => Fate::Again,
            Err(ReportError::Fault(_)) => Fate::Failed,
        };
        self.tally.report(reporter.source, fate);
        labels
    }

    async fn take(
        &self,
        finds: Arc<[Find]>,
        notice: Option<[u8; 32]>,
        reporter: Reporter<'_>,
    ) -> Result<Vec<Label>, ReportError> {
        let revocations = &self.authority.revocations;
        let now = self.authority.clock.now();
        let readings = self.read_all(finds.clone()).await?;
        let mut transaction = self.authority.db.begin().await?;
        if let Some(digest) = notice
            && !store::enter_notice(&mut transaction, &digest, now).await?
        {
            let others = revocations.recorded_so_far(&mut transaction).await?;
            drop(transaction);
            revocations.settle(others).await;
            return Err(ReportError::Again);
        }
        let looked = self.look_up(&mut transaction, &readings, now).await?;
        let (held, taken) = self
            .take_back(&mut transaction, &readings, &looked, now, reporter)
            .await?;
        let known: Vec<Option<Known>> = looked
            .iter()
            .zip(&readings)
            .map(|(looked, reading)| known(looked, reading.as_ref(), &held, &taken))
            .collect();
        let news = self
            .enter(&mut transaction, &finds, &known, &held, now, reporter)
            .await?;
        tell_owners(&mut transaction, &news, now).await?;
        // Whoever took back what is over by now may still be waiting until no node takes it.
        let is_over = |known: &Option<Known>| known.as_ref().is_some_and(|own| own.outcome == Outcome::Over);
        let others = if known.iter().any(is_over) {
            revocations.recorded_so_far(&mut transaction).await?
        } else {
            Recorded::nothing()
        };
        let recorded = revocations.record(&mut transaction, now, &taken.entries).await?;
        transaction.commit().await?;
        // Before it settles, which takes as long as the lease of a node that does not answer.
        self.mailer.send_notifications(&self.authority.db);
        revocations.settle(recorded).await;
        revocations.settle(others).await;
        Ok(self.labels(&looked, &known))
    }

    async fn look_up(
        &self,
        transaction: &mut Transaction,
        readings: &[Option<Reading>],
        now: OffsetDateTime,
    ) -> Result<Vec<Looked>, Fault> {
        let (mut values, mut reads, mut digests) = (Vec::new(), Vec::new(), Vec::new());
        for reading in readings.iter().flatten() {
            match reading {
                Reading::Key(value) => values.push(value),
                Reading::OfClient(read) => reads.push(read),
                Reading::WebhookSecret(digest) => digests.push(*digest),
            }
        }
        let mut values = self.keys.values_of(transaction, &values).await?.into_iter();
        let mut found = leaked::look_up(&self.authority, transaction, &reads, now)
            .await?
            .into_iter();
        let secrets = webhooks::secrets_by_digest(transaction, &digests).await?;
        let looked = |reading: &Option<Reading>| match reading {
            None => Looked::Foreign,
            Some(Reading::Key(_)) => values.next().flatten().map_or(Looked::Foreign, Looked::Key),
            Some(Reading::WebhookSecret(digest)) => secrets
                .get(digest)
                .cloned()
                .map_or(Looked::Foreign, Looked::WebhookSecret),
            Some(Reading::OfClient(read)) => match (found.next().flatten(), read) {
                (Some(found), _) => Looked::OfClient(found),
                (None, Read::Secret(_)) => Looked::Foreign,
                (None, Read::RefreshToken(_) | Read::AccessToken(_)) => Looked::Orphan,
            },
        };
        Ok(readings.iter().map(looked).collect())
    }

    async fn take_back(
        &self,
        transaction: &mut Transaction,
        readings: &[Option<Reading>],
        looked: &[Looked],
        now: OffsetDateTime,
        Reporter { by, .. }: Reporter<'_>,
    ) -> Result<(HashMap<ApiKeyId, ApiKey>, Taken), Fault> {
        let apps: Vec<AppId> = looked.iter().filter_map(Looked::app).collect();
        accounts::hold_apps(transaction, &apps).await?;
        let (mut of_clients, mut secrets, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for looked in looked {
            match looked {
                Looked::OfClient(found) => of_clients.push(found.clone()),
                Looked::WebhookSecret(leaked) => secrets.push(leaked.clone()),
                Looked::Key(value) => keys.push(value.key),
                Looked::Foreign | Looked::Orphan => {}
            }
        }
        // Endpoints before grants and keys, as whoever removes one holds it.
        let mut taken = Taken {
            webhook_secrets: webhooks::end_leaked_secrets(transaction, &secrets, now).await?,
            ..Taken::default()
        };
        if !of_clients.is_empty() {
            let back = leaked::take_back(&self.authority, transaction, &of_clients, now, by).await?;
            taken.of_clients = back.what;
            taken.entries = back.entries;
        }
        let held = self.keys.hold_keys(transaction, &keys).await?;
        let found: HashSet<ApiKeyId> = looked
            .iter()
            .zip(readings)
            .filter_map(|(looked, reading)| match (looked, reading) {
                (Looked::Key(value), Some(Reading::Key(digests))) => {
                    held.get(&value.key).filter(|key| key.has(digests))
                }
                _ => None,
            })
            .filter(|key| self.is_to_be_revoked(key))
            .map(|key| key.id)
            .collect();
        let mut keys: Vec<ApiKey> = found.iter().filter_map(|id| held.get(id)).cloned().collect();
        keys.sort_by_key(|key| key.id);
        for id in self.keys.revoke_found(transaction, &keys, now, by).await? {
            taken.keys.insert(id);
            taken.entries.push(Revocation {
                subject: revocation::Subject::ApiKey(id),
                reason: Reason::Leaked,
                until: now,
            });
        }
        Ok((held, taken))
    }

    /// An expired key too: its owner could move its end, and it would be good again.
    fn is_to_be_revoked(&self, key: &ApiKey) -> bool {
        key.kind != KeyKind::Publishable || self.authority.config.leaks.revoke_publishable
    }

    /// Enters the reports, with their records and what apps are told; returns what of it is new.
    async fn enter<'k>(
        &self,
        transaction: &mut Transaction,
        finds: &[Find],
        known: &'k [Option<Known>],
        held: &HashMap<ApiKeyId, ApiKey>,
        now: OffsetDateTime,
        Reporter { source, by }: Reporter<'_>,
    ) -> Result<Vec<(&'k Known, Option<String>)>, Fault> {
        let (clock, entropy) = (&self.authority.clock, &self.authority.entropy);
        let mut once = HashSet::new();
        let mut reports = Vec::new();
        for (find, known) in finds.iter().zip(known) {
            let Some(known) = known else { continue };
            let found_at = presentable(&find.url, find.token.expose(), &self.keys.formats);
            let same = (
                known.subject.clone(),
                known.hint.as_str(),
                known.outcome,
                found_at.clone(),
            );
            if once.insert((known.kind, same)) {
                let report = known.report(LeakReportId::new(clock, entropy), source, found_at, now);
                reports.push((known, report));
            }
        }
        let rows: Vec<&LeakReport> = reports.iter().map(|(_, report)| report).collect();
        let entered = store::enter_reports(transaction, &rows).await?;
        reports.retain(|(_, report)| entered.contains(&report.id));
        let (mut records, mut events) = (Vec::new(), Vec::new());
        for (known, report) in &reports {
            let action = match known.kind {
                Kind::ApiKey => Action::KeyLeaked,
                Kind::ClientSecret | Kind::RefreshToken | Kind::AccessToken | Kind::WebhookSecret => {
                    Action::SecretLeaked
                }
            };
            let record: Record = by
                .done(now, action, known.subject.clone())
                .account(known.account)
                .detail("what", known.kind.words())
                .detail("name", known.name.as_str())
                .detail("hint", known.hint.as_str())
                .detail("found_at", report.found_at.as_deref())
                .detail("source", source)
                .detail("outcome", known.outcome.name());
            records.push(match known.user {
                Some(user) => record.detail("user", user.to_string()),
                None => record,
            });
            let leak = Leak {
                source,
                url: report.found_at.as_deref(),
                revoked: known.outcome == Outcome::Revoked,
            };
            let key = known.key.and_then(|id| held.get(&id));
            events.extend(key.and_then(|key| key.leaked(&leak, now)));
        }
        Record::write_all(&records, transaction).await?;
        webhooks::enqueue_all(transaction, clock, entropy, &events).await?;
        Ok(reports
            .into_iter()
            .map(|(known, report)| (known, report.found_at))
            .collect())
    }

    /// What the reporter is told, counted.
    fn labels(&self, looked: &[Looked], known: &[Option<Known>]) -> Vec<Label> {
        let label = |(looked, known): (&Looked, &Option<Known>)| {
            let (kind, outcome, label) = match (looked, known) {
                (_, Some(known)) => (known.kind.name(), known.outcome.name(), Label::TruePositive),
                (Looked::Foreign, None) => ("none", "false_positive", Label::FalsePositive),
                (_, None) => ("none", Outcome::Over.name(), Label::TruePositive),
            };
            self.tally.find(kind, outcome);
            label
        };
        looked.iter().zip(known).map(label).collect()
    }
}

impl Looked {
    const fn app(&self) -> Option<AppId> {
        match self {
            Self::Key(value) => value.app,
            Self::OfClient(found) => Some(found.app),
            Self::WebhookSecret(leaked) => Some(leaked.app),
            Self::Foreign | Self::Orphan => None,
        }
    }
}

fn known(
    looked: &Looked,
    reading: Option<&Reading>,
    held: &HashMap<ApiKeyId, ApiKey>,
    taken: &Taken,
) -> Option<Known> {
    let taken_or_over = |taken| if taken { Outcome::Revoked } else { Outcome::Over };
    match (looked, reading) {
        (Looked::Key(value), Some(Reading::Key(digests))) => {
            let key = held.get(&value.key)?;
            Some(of_key(key, digests, taken.keys.contains(&key.id)))
        }
        (Looked::OfClient(found), _) => Some(Known {
            kind: match found.what {
                What::Secret(_) => Kind::ClientSecret,
                What::RefreshToken(..) => Kind::RefreshToken,
                What::AccessToken(..) => Kind::AccessToken,
            },
            subject: found.subject(),
            hint: found.hint.clone().unwrap_or_default(),
            name: found.client_name.clone(),
            app: Some(found.app),
            account: Some(found.account),
            user: found.user(),
            outcome: taken_or_over(taken.of_clients.contains(&found.what)),
            key: None,
        }),
        (Looked::WebhookSecret(leaked), _) => Some(Known {
            kind: Kind::WebhookSecret,
            subject: Subject::WebhookEndpoint(leaked.endpoint),
            hint: leaked.hint.clone(),
            name: leaked.endpoint.to_string(),
            app: Some(leaked.app),
            account: Some(leaked.account),
            user: None,
            outcome: taken_or_over(taken.webhook_secrets.contains(&leaked.secret)),
            key: None,
        }),
        (Looked::Key(_) | Looked::Foreign | Looked::Orphan, _) => None,
    }
}

fn of_key(key: &ApiKey, digests: &ValueDigests, revoked: bool) -> Known {
    Known {
        kind: Kind::ApiKey,
        subject: Subject::ApiKey(key.id),
        hint: key.hint.clone(),
        name: key.settings.name.as_str().to_owned(),
        app: key.app_id,
        account: Some(key.account_id),
        user: None,
        outcome: match key.has(digests) {
            false => Outcome::Former,
            true if revoked => Outcome::Revoked,
            true if key.revoked.is_some() => Outcome::Over,
            true => Outcome::Published,
        },
        key: Some(key.id),
    }
}

impl Known {
    fn report(
        &self,
        id: LeakReportId,
        source: &str,
        found_at: Option<String>,
        at: OffsetDateTime,
    ) -> LeakReport {
        LeakReport {
            id,
            source: source.to_owned(),
            kind: self.kind,
            subject_id: self.subject.id().unwrap_or_default(),
            hint: self.hint.clone(),
            app: self.app,
            account: self.account,
            found_at,
            outcome: self.outcome,
            at,
        }
    }
}
