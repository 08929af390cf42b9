use std::{fs, io, path::Path, path::PathBuf, time::Duration};

use tokio::sync::{oneshot, watch};
use tokio_postgres::{Client, Config, NoTls, error::SqlState};

use super::{
    DATABASE, EmbeddedError, OWNER, Programs, create,
    leash::Leashed,
    place::{Lock, Place},
    predecessor,
};

/// How soon a starting server is asked again whether it is ready; less often as it takes longer.
const STEP: Duration = Duration::from_millis(4);
const LONGEST_STEP: Duration = Duration::from_millis(40);
/// A server that ran so long without ending is not one that fails at every start.
const STEADY: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// All that is needed to start PostgreSQL, for the first time and again.
#[derive(Debug)]
pub(super) struct Launcher {
    pub(super) place: Place,
    pub(super) programs: Programs,
    pub(super) arguments: Vec<PathBuf>,
}

impl Launcher {
    /// Starts PostgreSQL and waits until it answers, however long a recovery takes.
    pub(super) async fn launch(&self) -> Result<Leashed, EmbeddedError> {
        // After a kill -9, processes of the old run may need a moment to notice; PostgreSQL refuses to start
        // beside them.
        let mut patience = 500_u32;
        loop {
            predecessor::settle(&self.place).await?;
            let mut postmaster =
                Leashed::start(&self.programs.postgres(), &self.arguments, self.place.run_as)?;
            let ended = tokio::select! {
                ready = ready(&self.place.socket) => return ready.map(|()| postmaster),
                ended = postmaster.ended() => ended,
            };
            let complaint = postmaster.complaints().await;
            let left_behind =
                complaint.contains("shared memory block") || complaint.contains("postmaster.pid");
            if left_behind && patience > 0 {
                patience -= 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            return Err(EmbeddedError::NotStarted {
                status: describe(&ended),
                complaint: format!("{complaint}\n{}", last_words(&self.place.log)),
                log: self.place.log.clone(),
            });
        }
    }

    /// Keeps PostgreSQL running until told to stop, by a word or by the other end's being dropped. Holds the
    /// lock as long as it does.
    pub(super) async fn keep(
        self,
        mut postmaster: Leashed,
        mut stop: oneshot::Receiver<()>,
        pid: watch::Sender<Option<u32>>,
        _lock: Lock,
    ) {
        let mut pause = FIRST_PAUSE;
        loop {
            let steady = tokio::time::sleep(STEADY);
            tokio::pin!(steady);
            let ended = loop {
                tokio::select! {
                    _ = &mut stop => return postmaster.stop().await,
                    ended = postmaster.ended() => break ended,
                    () = &mut steady, if pause != FIRST_PAUSE => pause = FIRST_PAUSE,
                }
            };
            pid.send_replace(None);
            tracing::error!(
                status = describe(&ended),
                "PostgreSQL ended by itself; starting it again"
            );
            postmaster = loop {
                let started = async {
                    tokio::time::sleep(pause).await;
                    self.launch().await
                };
                let started = tokio::select! {
                    _ = &mut stop => return,
                    started = started => started,
                };
                pause = (pause * 2).min(LONGEST_PAUSE);
                match started {
                    Ok(postmaster) => break postmaster,
                    Err(error) => tracing::error!(%error, "starting PostgreSQL again failed"),
                }
            };
            tracing::info!(pid = postmaster.pid(), "PostgreSQL runs again");
            pid.send_replace(Some(postmaster.pid()));
        }
    }
}

/// The end of the newest log file.
fn last_words(log: &Path) -> String {
    let newest = fs::read_dir(log)
        .into_iter()
        .flatten()
        .flatten()
        .max_by_key(|entry| entry.metadata().and_then(|found| found.modified()).ok());
    let text = newest
        .and_then(|entry| fs::read(entry.path()).ok())
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines: Vec<&str> = text.lines().rev().take(8).collect();
    lines.reverse();
    lines.join("\n")
}

fn describe(ended: &Result<std::process::ExitStatus, io::Error>) -> String {
    match ended {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

/// Waits until the database accepts connections; makes it where it is not there yet.
async fn ready(socket: &Path) -> Result<(), EmbeddedError> {
    let mut attempts = 0_u32;
    loop {
        match connect(socket, OWNER, DATABASE).await {
            Ok(_) => return Ok(()),
            Err(error) if error.code() == Some(&SqlState::INVALID_CATALOG_NAME) => {
                return create::database(socket).await;
            }
            Err(error) => tracing::trace!(%error, "PostgreSQL is not ready yet"),
        }
        attempts += 1;
        if attempts == 200 {
            tracing::info!("PostgreSQL takes long to start; it may be recovering");
        }
        tokio::time::sleep((STEP * (1 + attempts / 32)).min(LONGEST_STEP)).await;
    }
}

/// A connection through the socket. It ends when the client is dropped.
pub(super) async fn connect(
    socket: &Path,
    role: &str,
    database: &str,
) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = Config::new()
        .host_path(socket)
        .user(role)
        .dbname(database)
        .connect(NoTls)
        .await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the embedded database broke");
        }
    });
    Ok(client)
}
