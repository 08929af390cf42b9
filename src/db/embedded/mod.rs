//! The embedded database: a private PostgreSQL in the data folder.
//!
//! [`Cluster::start`] finds PostgreSQL's programs, creates a cluster on first start, runs it on a Unix socket in a
//! folder that nobody else may enter, as an unprivileged user where Claviger is root, and keeps it running. It
//! ends with this process, however that ends; what a kill -9 left is put right at the next start.
//! [`Cluster::attach_or_start`] is for commands, which work whether a server runs or not.

mod create;
mod error;
mod leash;
mod place;
mod postmaster;
mod predecessor;
mod programs;
mod settings;

use std::{
    ffi::OsString,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

pub use error::EmbeddedError;
use place::{Holder, Lock, Place};
use postmaster::{Launcher, connect};
pub use programs::Programs;

/// The role that owns the tables and migrates them. The cluster's superuser.
pub const OWNER: &str = "claviger_owner";
/// The role that serves: may use the owner's tables, and owns nothing.
pub const SERVER: &str = "claviger";
/// The database.
pub const DATABASE: &str = "claviger";

/// How the embedded database is to be run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Claviger's data folder; the database lies in `postgres` below it.
    pub data_dir: PathBuf,
    /// The only folder to look for PostgreSQL's programs in, where the operator named one.
    pub bin_dir: Option<PathBuf>,
    /// PATH, to look for them otherwise.
    pub path: Option<OsString>,
    /// Where the socket's folder is made if the data folder's path is too long for a socket's address.
    pub runtime_dir: PathBuf,
    /// How many connections PostgreSQL allows, three of which it keeps for the owner.
    pub max_connections: u16,
    /// Whether a commit survives a power failure. Only tests may do without.
    pub durable: bool,
    /// How long to wait for a command that has the database now; a server is waited for at most two seconds.
    pub patience: Duration,
}

impl Options {
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            bin_dir: None,
            path: None,
            runtime_dir: "/tmp".into(),
            max_connections: 100,
            durable: true,
            patience: Duration::from_secs(15),
        }
    }
}

/// A handle to the embedded database. One that started it stops it when it is stopped or dropped.
#[derive(Debug)]
pub struct Cluster {
    socket: PathBuf,
    started: Option<Started>,
}

#[derive(Debug)]
struct Started {
    stop: oneshot::Sender<()>,
    keeper: JoinHandle<()>,
    pid: watch::Receiver<Option<u32>>,
}

const STEP: Duration = Duration::from_millis(20);
const PATIENCE_WITH_SERVER: Duration = Duration::from_secs(2);

impl Cluster {
    /// Starts the database for a server.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from starting, as a sentence for the operator; among them another server that runs on
    /// the same data folder.
    pub async fn start(options: Options) -> Result<Self, EmbeddedError> {
        Self::open(options, true).await
    }

    /// For a command: uses the database of the server that runs, or starts it for the time of the command.
    ///
    /// # Errors
    ///
    /// As [`Cluster::start`], but that a running server is no error.
    pub async fn attach_or_start(options: Options) -> Result<Self, EmbeddedError> {
        Self::open(options, false).await
    }

    async fn open(options: Options, stays: bool) -> Result<Self, EmbeddedError> {
        let outline = Place::outline(&options.data_dir, &options.runtime_dir)?;
        let mut waited = Duration::ZERO;
        let lock = loop {
            let holder = match Lock::take(&outline.root)? {
                Ok(lock) => break lock,
                Err(holder) => holder,
            };
            let is_server = holder.as_ref().is_some_and(|holder| holder.stays);
            if let Some(Holder { socket, .. }) = holder.as_ref().filter(|_| is_server && !stays)
                && connect(socket, OWNER, DATABASE).await.is_ok()
            {
                return Ok(Self {
                    socket: socket.clone(),
                    started: None,
                });
            }
            if waited.is_zero() {
                tracing::info!("Waiting for {}", describe(holder.as_ref()));
            }
            let limit = if is_server && stays {
                PATIENCE_WITH_SERVER.min(options.patience)
            } else {
                options.patience
            };
            if waited >= limit {
                return Err(EmbeddedError::InUse {
                    data_dir: outline.data_dir,
                    holder: describe(holder.as_ref()),
                });
            }
            tokio::time::sleep(STEP).await;
            waited += STEP;
        };
        Self::run(&options, lock, stays).await
    }

    async fn run(options: &Options, mut lock: Lock, stays: bool) -> Result<Self, EmbeddedError> {
        let outline = Place::outline(&options.data_dir, &options.runtime_dir)?;
        let holder = Holder {
            stays,
            process: std::process::id(),
            socket: outline.socket,
        };
        lock.say(&holder, &outline.root)?;
        let place = Place::prepare(&options.data_dir, &options.runtime_dir)?;
        let made_by = place.version()?;
        let programs = Programs::find(
            options.bin_dir.as_deref(),
            options.path.as_deref(),
            made_by.map(|version| (version, place.cluster.as_path())),
        )?;
        if made_by.is_none() {
            create::cluster(&place, &programs, options.durable).await?;
        }
        let arguments = settings::write(&place, options)?;
        let socket = place.socket.clone();
        let launcher = Launcher {
            place,
            programs,
            arguments,
        };
        let postmaster = launcher.launch().await?;
        tracing::info!(
            version = launcher.programs.version(),
            pid = postmaster.pid(),
            "The embedded database runs in {}",
            launcher.place.cluster.display()
        );
        let (pid, pid_seen) = watch::channel(Some(postmaster.pid()));
        let (stop, stopped) = oneshot::channel();
        Ok(Self {
            socket,
            started: Some(Started {
                stop,
                keeper: tokio::spawn(launcher.keep(postmaster, stopped, pid, lock)),
                pid: pid_seen,
            }),
        })
    }

    /// Where the role that owns the tables connects to.
    #[must_use]
    pub fn owner_url(&self) -> String {
        self.url(OWNER, DATABASE)
    }

    /// Where the server connects to.
    #[must_use]
    pub fn server_url(&self) -> String {
        self.url(SERVER, DATABASE)
    }

    /// Where `role` connects to a database of this cluster.
    #[must_use]
    pub fn url(&self, role: &str, database: &str) -> String {
        let socket = percent_encoded(&self.socket);
        format!("postgresql:///{database}?user={role}&host={socket}")
    }

    /// The folder of the socket.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        &self.socket
    }

    /// The process number of PostgreSQL's first process now: none while it is being started again, or where it
    /// belongs to another process than ours.
    #[must_use]
    pub fn postmaster_pid(&self) -> Option<u32> {
        *self.started.as_ref()?.pid.borrow()
    }

    /// Stops the database, if this handle started it, and waits until it has stopped. Open connections are cut.
    pub async fn stop(mut self) {
        if let Some(Started { stop, keeper, .. }) = self.started.take() {
            drop(stop);
            if let Err(error) = keeper.await {
                tracing::warn!(%error, "stopping the embedded database failed");
            }
        }
    }
}

fn describe(holder: Option<&Holder>) -> String {
    match holder {
        Some(Holder {
            stays: true, process, ..
        }) => format!("another `claviger serve` (process {process})"),
        Some(Holder { process, .. }) => format!("a claviger command (process {process})"),
        None => "another claviger process".to_owned(),
    }
}

fn percent_encoded(path: &Path) -> String {
    path.as_os_str()
        .as_bytes()
        .iter()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                char::from(*byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}
