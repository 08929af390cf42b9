//! Wires the capabilities together; owns no logic.

use std::{net::TcpListener, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    accounts,
    config::{Config, MasterKeySource},
    crypto::{FileMasterKey, Keyring, MasterKeyError, MasterKeys, PasswordHasher},
    db::{self, Db},
    identity::{Identity, Mailer},
    jobs::{Job, Runner, Running},
    keys::{self, Keys, limits::Limiter, usage::Usage},
    leaks::{self, Leaks},
    oauth::{self, Authority},
    revocation::{self, Revocations},
    server::{BindError, Server, Services},
    types::{Clock, Entropy, Fault},
    webhooks::{self, Carrier, Dispatching, Webhooks},
};

/// Where the database is, for each of the two roles.
#[derive(Clone, Debug)]
pub struct DatabaseUrls {
    /// Serves.
    pub server: String,
    /// Owns the tables, and migrates them.
    pub owner: String,
}

/// Why the parts could not be put together. Each says what to mend.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    #[error("the database lacks {0} migrations of this version; run `claviger migrate`")]
    NotMigrated(usize),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// All capabilities, ready to be served or acted with. Clones share everything.
#[derive(Clone)]
pub struct App {
    pub config: Arc<Config>,
    pub clock: Clock,
    pub entropy: Entropy,
    pub db: Db,
    pub keyring: Keyring,
    pub revocations: Revocations,
    pub mailer: Mailer,
    pub identity: Identity,
    pub authority: Authority,
    pub keys: Keys,
    pub usage: Usage,
    pub leaks: Leaks,
    pub webhooks: Webhooks,
    pub runner: Runner,
}

/// How often keys that another node made are read: well within the lead before they are used.
const READ_KEYS_EVERY: Duration = Duration::from_secs(5);
/// How often memory is freed of access tokens that have expired.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// How often what is held of limits and nobody asks for is given back.
const SWEEP_LIMITS_EVERY: Duration = Duration::from_secs(5);
/// How often it is looked how many webhooks wait.
const LOOK_AT_BACKLOG_EVERY: Duration = Duration::from_secs(15);
/// How often apps are told of keys that have used up a limit.
const TELL_REACHED_EVERY: Duration = Duration::from_secs(5);

impl App {
    /// For a server: migrates if that is configured, and joins the nodes that share the database.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub async fn start(
        config: Arc<Config>,
        clock: Clock,
        entropy: Entropy,
        database: &DatabaseUrls,
    ) -> Result<Self, StartError> {
        Self::assemble(config, clock, entropy, database, true).await
    }

    /// For acts on the command line: no node among nodes, and nothing runs in the background.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub async fn detached(
        config: Arc<Config>,
        clock: Clock,
        entropy: Entropy,
        database: &DatabaseUrls,
    ) -> Result<Self, StartError> {
        Self::assemble(config, clock, entropy, database, false).await
    }

    #[allow(clippy::too_many_lines, reason = "each part is put in its place, once")]
    async fn assemble(
        config: Arc<Config>,
        clock: Clock,
        entropy: Entropy,
        database: &DatabaseUrls,
        serves: bool,
    ) -> Result<Self, StartError> {
        if config.database.migrate_on_start {
            for name in db::migrate(&database.owner).await? {
                tracing::info!(migration = name, "migrated");
            }
        } else {
            let pending = db::pending_migrations(&database.owner).await?;
            if !pending.is_empty() {
                return Err(StartError::NotMigrated(pending.len()));
            }
        }
        let db = Db::new(
            &database.server,
            config.database.connections,
            config.database.statement_timeout.duration(),
        );
        let masters = master_keys(&config, &entropy)?;
        let keyring = Keyring::load(
            &mut *db.connection().await?,
            masters,
            (config.master_key.source == MasterKeySource::File).then(|| master_key_file(&config)),
            clock.clone(),
            entropy.clone(),
        )
        .await?;
        let lease = config.revocation.lease.duration();
        let revocations = if serves {
            let longest = oauth::longest_life(&config);
            Revocations::join(db.clone(), clock.clone(), entropy.clone(), lease, longest).await?
        } else {
            Revocations::detached(db.clone(), clock.clone(), lease)
        };
        let mailer = Mailer::start(&config, clock.clone(), entropy.clone())?;
        let identity = Identity {
            db: db.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            keyring: keyring.clone(),
            hasher: PasswordHasher::new(&config.passwords, entropy.clone())?,
            mailer: mailer.clone(),
            revocations: revocations.clone(),
            config: config.clone(),
        };
        let authority = Authority::new(
            db.clone(),
            clock.clone(),
            entropy.clone(),
            keyring.clone(),
            config.clone(),
            revocations.clone(),
            mailer.clone(),
        )
        .await?;
        let usage = Usage::start(
            db.clone(),
            clock.clone(),
            &entropy,
            keyring.clone(),
            config.clone(),
        );
        let limiter = limiter(&db, &clock, &revocations).await?;
        let keys = Keys::new(
            db.clone(),
            clock.clone(),
            entropy.clone(),
            keyring.clone(),
            config.clone(),
            revocations.clone(),
            mailer.clone(),
            (limiter, usage.clone()),
        );
        if serves {
            keys.configure_default_key().await?;
        }
        let webhooks = webhooks_beside(&identity);
        let leaks = Leaks::new(authority.clone(), keys.clone(), mailer.clone())?;
        let mut jobs = first_jobs(&config, &identity, &authority);
        jobs.extend(keys::jobs(&keys));
        jobs.extend(usage.jobs());
        jobs.extend(leaks::jobs(&leaks));
        jobs.extend(webhooks::jobs(&webhooks));
        let runner = Runner::new(db.clone(), clock.clone(), jobs);
        Ok(Self {
            config,
            clock,
            entropy,
            db,
            keyring,
            revocations,
            mailer,
            identity,
            authority,
            keys,
            usage,
            leaks,
            webhooks,
            runner,
        })
    }

    /// Listens where the configuration says.
    ///
    /// # Errors
    ///
    /// [`BindError`].
    pub fn bind(&self) -> Result<Server, BindError> {
        Server::bind(&self.services())
    }

    /// Answers on a socket that listens already.
    ///
    /// # Errors
    ///
    /// [`BindError`].
    pub fn bind_to(&self, listener: TcpListener) -> Result<Server, BindError> {
        Server::bind_to(&self.services(), listener)
    }

    fn services(&self) -> Services {
        Services {
            config: self.config.clone(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            db: self.db.clone(),
            keyring: self.keyring.clone(),
            revocations: self.revocations.clone(),
            identity: self.identity.clone(),
            authority: self.authority.clone(),
            keys: self.keys.clone(),
            leaks: self.leaks.clone(),
            webhooks: self.webhooks.clone(),
            runner: self.runner.clone(),
        }
    }

    /// Starts the jobs, and what each node does for itself now and then.
    #[must_use]
    pub fn start_background(&self) -> Background {
        let (stop, stopped) = watch::channel(());
        let mut tasks = JoinSet::new();
        for (every, chore) in [
            (READ_KEYS_EVERY, Chore::ReadKeys),
            (SWEEP_EVERY, Chore::Sweep),
            (SWEEP_LIMITS_EVERY, Chore::SweepLimits),
            (TELL_REACHED_EVERY, Chore::TellReached),
            (LOOK_AT_BACKLOG_EVERY, Chore::LookAtBacklog),
        ] {
            let (app, mut stopped) = (self.clone(), stopped.clone());
            tasks.spawn(async move {
                let mut turns = interval(every);
                turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
                turns.tick().await;
                loop {
                    tokio::select! {
                        _ = stopped.changed() => return,
                        _ = turns.tick() => {}
                    }
                    if let Err(fault) = app.run_chore(chore).await {
                        tracing::warn!(%fault, ?chore, "put off to the next turn");
                    }
                }
            });
        }
        Background {
            jobs: self.runner.start(),
            webhooks: self.webhooks.start(),
            grace: self.config.server.shutdown_grace.duration(),
            stop,
            tasks,
        }
    }

    async fn run_chore(&self, chore: Chore) -> Result<(), Fault> {
        match chore {
            Chore::ReadKeys => self.read_keys().await,
            Chore::SweepLimits => self.keys.sweep_limits().await,
            Chore::TellReached => self.keys.tell_reached().await,
            Chore::LookAtBacklog => self.webhooks.look_at_backlog().await,
            Chore::Sweep => {
                let swept = self.authority.sweep_access_tokens();
                tracing::debug!(swept, "expired access tokens forgotten");
                Ok(())
            }
        }
    }

    /// Reads the keys that other nodes and commands have made.
    ///
    /// # Errors
    ///
    /// If the database is out of reach.
    pub async fn read_keys(&self) -> Result<(), Fault> {
        let mut connection = self.db.connection().await?;
        self.keyring.reload(&mut connection).await?;
        self.authority.signing.reload(&mut connection).await
    }

    /// Ends what this process has begun: mail that waits goes out and what was counted is written, for as long as the
    /// configuration allows, and no revoker waits for this node.
    pub async fn stop(self) {
        let grace = self.config.server.shutdown_grace.duration();
        if timeout(grace, self.mailer.drain()).await.is_err() {
            tracing::error!(?grace, "mail that waited is lost: the mail server takes too long");
        }
        match timeout(grace, self.usage.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => tracing::error!(%fault, "the last counts of usage are lost"),
            Err(_late) => tracing::error!(
                ?grace,
                "the last counts of usage are lost: the database takes too long"
            ),
        }
        if let Err(fault) = self.keys.tell_reached().await {
            tracing::warn!(%fault, "apps are not told of the last limits that their keys have used up");
        }
        if timeout(grace, self.keys.leave_limits()).await.is_err() {
            tracing::warn!(
                ?grace,
                "what was held of limits counts as used: the database takes too long"
            );
        }
        self.revocations.leave().await;
    }
}

/// Works with what identity works with.
fn webhooks_beside(identity: &Identity) -> Webhooks {
    Webhooks {
        db: identity.db.clone(),
        clock: identity.clock.clone(),
        entropy: identity.entropy.clone(),
        keyring: identity.keyring.clone(),
        config: identity.config.clone(),
        mailer: identity.mailer.clone(),
        carrier: Carrier::new(&identity.config.webhooks),
        tally: webhooks::Tally::default(),
    }
}

/// The jobs of accounts, people and the authorization server.
fn first_jobs(config: &Config, identity: &Identity, authority: &Authority) -> Vec<Job> {
    let every = config.jobs.cleanup_interval.duration();
    let mut jobs = vec![
        revocation::cleanup(every, config.jobs.batch),
        accounts::cleanup(every, config.jobs.batch),
    ];
    jobs.extend(identity.jobs());
    jobs.extend(oauth::jobs(authority));
    jobs
}

/// What a node does for itself, beside the jobs that one node does for all.
#[derive(Clone, Copy, Debug)]
enum Chore {
    ReadKeys,
    Sweep,
    SweepLimits,
    TellReached,
    LookAtBacklog,
}

/// What runs beside the requests.
#[derive(Debug)]
pub struct Background {
    jobs: Running,
    webhooks: Dispatching,
    grace: Duration,
    stop: watch::Sender<()>,
    tasks: JoinSet<()>,
}

impl Background {
    /// Lets what has begun come to its end, for as long as the configuration allows, and starts nothing more. A job that is
    /// given up is rolled back to its last batch, and goes on from there another time.
    pub async fn stop(mut self) {
        self.stop.send_replace(());
        let all = async {
            tokio::join!(self.jobs.stop(), self.webhooks.stop());
            while self.tasks.join_next().await.is_some() {}
        };
        if timeout(self.grace, all).await.is_err() {
            tracing::warn!(grace = ?self.grace, "a job or a webhook takes too long and is given up");
        }
    }
}

/// The limits of keys, for a node among nodes; None when detached.
async fn limiter(db: &Db, clock: &Clock, revocations: &Revocations) -> Result<Option<Limiter>, Fault> {
    let Some(node) = revocations.node() else {
        return Ok(None);
    };
    let lease = revocations.clone();
    let joined = Limiter::join(db.clone(), clock.clone(), node, move || lease.term()).await?;
    Ok(Some(joined))
}

/// The master keys, from where the configuration says.
///
/// # Errors
///
/// If there are none to be had from there.
pub fn master_keys(config: &Config, entropy: &Entropy) -> Result<MasterKeys, MasterKeyError> {
    match config.master_key.source {
        MasterKeySource::File => master_key_file(config).open_or_create(entropy),
        MasterKeySource::Env => MasterKeys::from_text(
            config
                .master_key
                .value
                .as_ref()
                .map_or("", |value| value.expose()),
        ),
    }
}

/// The file of the master keys, where they are in one.
#[must_use]
pub fn master_key_file(config: &Config) -> FileMasterKey {
    FileMasterKey::at(&master_key_path(config))
}

/// Where that file is.
#[must_use]
pub fn master_key_path(config: &Config) -> PathBuf {
    let default = || config.data_dir.join("master.key");
    config.master_key.file.clone().unwrap_or_else(default)
}
