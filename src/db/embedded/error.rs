use std::{io, path::PathBuf};

/// Why there is no database. Each is a sentence for the person who started the program.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error(
        "PostgreSQL's server programs were not found. Install PostgreSQL 15 or newer ({install}), set \
         CLAVIGER_PG_BIN to the folder that holds `initdb` and `postgres`, or set DATABASE_URL to use a database \
         of your own"
    )]
    NoPrograms { install: &'static str },

    #[error("there is no working `initdb` and `postgres` in {}, which CLAVIGER_PG_BIN names", .0.display())]
    NotInBinDir(PathBuf),

    #[error(
        "PostgreSQL {found} in {} is too old: Claviger needs 15 or newer ({install})",
        .folder.display()
    )]
    TooOld {
        folder: PathBuf,
        found: u32,
        install: &'static str,
    },

    #[error(
        "the database in {} was made by PostgreSQL {made_by}, and only version {found} was found. Install \
         PostgreSQL {made_by} beside it, or move the data with pg_upgrade",
        .cluster.display()
    )]
    OtherVersion {
        cluster: PathBuf,
        made_by: u32,
        found: u32,
    },

    #[error(
        "PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as. Create one \
         (useradd --system postgres), or start Claviger as an ordinary user"
    )]
    NoUser,

    #[error(
        "PostgreSQL runs here as user {user}, who may not pass through to {}. Choose a data folder that every \
         user may pass through to, for example CLAVIGER_DATA_DIR=/var/lib/claviger",
        .folder.display()
    )]
    Unreachable { folder: PathBuf, user: u32 },

    #[error(
        "the database folder {} belongs to user {owner}. Start Claviger as that user or as root, or choose \
         another CLAVIGER_DATA_DIR",
        .folder.display()
    )]
    Foreign { folder: PathBuf, owner: u32 },

    #[error("{} is in use by {holder}. Stop it first, or choose another CLAVIGER_DATA_DIR", .data_dir.display())]
    InUse { data_dir: PathBuf, holder: String },

    #[error("the database folder: {action} {} failed: {source}", .path.display())]
    Folder {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },

    #[error("{} could not be run: {source}", .program.display())]
    Run { program: PathBuf, source: io::Error },

    #[error("initdb could not create the database: {0}")]
    Initdb(String),

    #[error("PostgreSQL did not start ({status}): {complaint}. More may be in {}", .log.display())]
    NotStarted {
        status: String,
        complaint: String,
        log: PathBuf,
    },

    #[error(
        "a PostgreSQL that an earlier run left behind (process {0}) does not end; end it by hand and start again"
    )]
    LeftBehind(u32),

    #[error("the new database could not be set up: {0}")]
    SetUp(#[from] tokio_postgres::Error),
}

impl EmbeddedError {
    pub(super) fn folder(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> EmbeddedError {
        let path = path.into();
        move |source| Self::Folder { action, path, source }
    }
}
