//! The first start: a cluster, its second role and its database.

use std::{ffi::OsString, fs, path::Path};

use super::{
    DATABASE, EmbeddedError, OWNER, Programs, SERVER,
    leash::Leashed,
    place::{Place, private_folder},
    postmaster::connect,
};

const UNFINISHED: &str = "cluster.new";

/// Makes the cluster beside its place and moves it there when it is whole and on disk, so that one that was
/// interrupted is never used.
pub(super) async fn cluster(place: &Place, programs: &Programs, durable: bool) -> Result<(), EmbeddedError> {
    remove_unfinished(&place.root)?;
    tracing::info!(
        version = programs.version(),
        "Creating the database cluster in {}",
        place.cluster.display()
    );
    // A name of this process's own: an initdb of a killed run may take a moment to notice.
    let unfinished = place.root.join(format!("{UNFINISHED}.{}", std::process::id()));
    private_folder(&unfinished, place.run_as)?;
    initdb(place, programs, &unfinished, &["--no-sync"]).await?;
    if durable {
        sync(place, programs, &unfinished).await?;
    }
    fs::rename(&unfinished, &place.cluster).map_err(EmbeddedError::folder("moving", &unfinished))?;
    fs::File::open(&place.root)
        .and_then(|root| root.sync_all())
        .map_err(EmbeddedError::folder("writing", &place.root))
}

fn remove_unfinished(root: &Path) -> Result<(), EmbeddedError> {
    let entries = fs::read_dir(root).map_err(EmbeddedError::folder("reading", root))?;
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            tracing::info!("Removing a cluster that an earlier run did not finish");
            fs::remove_dir_all(entry.path()).map_err(EmbeddedError::folder("removing", entry.path()))?;
        }
    }
    Ok(())
}

/// The locale is C, so that indexes do not depend on the version of a library of the system; access is refused
/// to whoever starts this cluster with other settings than ours.
async fn initdb(
    place: &Place,
    programs: &Programs,
    folder: &Path,
    how: &[&str],
) -> Result<(), EmbeddedError> {
    let mut arguments: Vec<OsString> = vec!["-D".into(), folder.into()];
    arguments.extend(
        [
            "--username",
            OWNER,
            "--encoding=UTF8",
            "--locale=C",
            "--data-checksums",
            "--auth=reject",
            "--no-instructions",
        ]
        .map(OsString::from),
    );
    arguments.extend(how.iter().map(OsString::from));
    let program = programs.initdb();
    let mut initdb = Leashed::start(&program, &arguments, place.run_as)?;
    let status = initdb
        .ended()
        .await
        .map_err(|source| EmbeddedError::Run { program, source })?;
    if status.success() {
        return Ok(());
    }
    Err(EmbeddedError::Initdb(format!(
        "{} ({status})",
        initdb.complaints().await
    )))
}

#[cfg(target_os = "linux")]
async fn sync(_place: &Place, _programs: &Programs, folder: &Path) -> Result<(), EmbeddedError> {
    let path = folder.to_owned();
    let synced = tokio::task::spawn_blocking(move || {
        let folder = fs::File::open(path)?;
        rustix::fs::syncfs(folder).map_err(std::io::Error::from)
    })
    .await
    .unwrap_or_else(|error| Err(std::io::Error::other(error)));
    synced.map_err(EmbeddedError::folder("writing", folder))
}

#[cfg(not(target_os = "linux"))]
async fn sync(place: &Place, programs: &Programs, folder: &Path) -> Result<(), EmbeddedError> {
    initdb(place, programs, folder, &["--sync-only"]).await
}

/// Makes the serving role and the database. All but the database goes into `template1` first, so that a
/// database that exists has everything.
///
/// What the owner makes is the serving role's to use; that role owns nothing. Tables that it must not change,
/// such as the audit trail, are taken back by the migration that makes them.
pub(super) async fn database(socket: &Path) -> Result<(), EmbeddedError> {
    let client = connect(socket, OWNER, "template1").await?;
    client
        .batch_execute(&format!(
            "BEGIN;
             DO $$ BEGIN
                 IF to_regrole('{SERVER}') IS NULL THEN CREATE ROLE {SERVER} LOGIN; END IF;
             END $$;
             ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public
                 GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {SERVER};
             ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public
                 GRANT USAGE, SELECT ON SEQUENCES TO {SERVER};
             COMMIT"
        ))
        .await?;
    client
        .batch_execute(&format!("CREATE DATABASE {DATABASE}"))
        .await?;
    Ok(())
}
