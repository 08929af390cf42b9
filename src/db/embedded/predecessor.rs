//! What a killed run may have left behind: a PostgreSQL that is still stopping, one that nobody stops, or a file
//! `postmaster.pid` that speaks of a process which is gone.

use std::{fs, io, os::unix::ffi::OsStrExt, os::unix::fs::MetadataExt, path::Path, time::Duration};

use rustix::process::Signal;

use super::{
    EmbeddedError,
    leash::{exists, signal, write_new},
    place::{Place, SOCKET_NAME},
};

const STEP: Duration = Duration::from_millis(20);

/// Waits for an older postmaster of this cluster to end, and ends it if nobody else does. We hold the lock, so
/// it serves nobody, and a socket that is left over is nobody's.
pub(super) async fn settle(place: &Place) -> Result<(), EmbeddedError> {
    settle_process(place).await?;
    for left_over in [SOCKET_NAME.to_owned(), format!("{SOCKET_NAME}.lock")] {
        let file = place.socket.join(left_over);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(EmbeddedError::folder("removing", file)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

async fn settle_process(place: &Place) -> Result<(), EmbeddedError> {
    let file = place.cluster.join("postmaster.pid");
    for step in 0_u32.. {
        let content = match fs::read_to_string(&file) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(EmbeddedError::folder("reading", file)(source)),
        };
        let (first, rest) = content.split_once('\n').unwrap_or((&content, ""));
        let Ok(pid) = first.trim().parse() else {
            // Cut short by a power failure; PostgreSQL would refuse it.
            return fs::remove_file(&file).map_err(EmbeddedError::folder("removing", file));
        };
        if !exists(pid) {
            return Ok(());
        }
        if !is_postmaster_of(pid, &place.cluster) {
            return disown(place, &file, rest);
        }
        match step {
            0 => tracing::info!(pid, "Waiting for the database of an earlier run to stop"),
            50 => signal(pid, Signal::INT),
            1_500 => signal(pid, Signal::QUIT),
            2_000 => return Err(EmbeddedError::LeftBehind(pid)),
            _ => {}
        }
        tokio::time::sleep(STEP).await;
    }
    Ok(())
}

fn is_postmaster_of(pid: u32, cluster: &Path) -> bool {
    let owner = |path: &Path| fs::metadata(path).ok().map(|found| found.uid());
    let command = if Path::new("/proc/self/cmdline").exists() {
        let process = format!("/proc/{pid}");
        if owner(Path::new(&process)) != owner(cluster) {
            return false;
        }
        fs::read(format!("{process}/cmdline")).unwrap_or_default()
    } else {
        std::process::Command::new("/bin/ps")
            .args(["-o", "command=", "-p", &pid.to_string()])
            .output()
            .map(|output| output.stdout)
            .unwrap_or_default()
    };
    let cluster = cluster.as_os_str().as_bytes();
    command.windows(cluster.len()).any(|part| part == cluster)
}

/// The number in the file belongs to another process now, before which PostgreSQL would shrink back. It is
/// replaced by one that no process has; the rest stays, since PostgreSQL finds by it whether any process of the
/// old run still uses the cluster's shared memory.
fn disown(place: &Place, file: &Path, rest: &str) -> Result<(), EmbeddedError> {
    tracing::info!(
        "The lock file of an earlier run names a process that is not PostgreSQL; putting it right"
    );
    let new = place.cluster.join("postmaster.pid.claviger");
    let replace = || {
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        write_new(&new, format!("99999999\n{rest}").as_bytes())?;
        if let Some((user, group)) = place.run_as {
            std::os::unix::fs::lchown(&new, Some(user), Some(group))?;
        }
        fs::rename(&new, file)
    };
    replace().map_err(EmbeddedError::folder("replacing", file))
}
