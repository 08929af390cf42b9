use std::{
    io::Write,
    os::unix::ffi::OsStrExt,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    task::JoinHandle,
};

use super::{EmbeddedError, place::RunAs};

/// A watcher holds the read end of a pipe whose write end is ours, then the shell becomes the program. When the
/// pipe ends without the word `done`, we are gone, however we went, and the watcher interrupts the program: for
/// PostgreSQL that is a fast shutdown. The watcher is nobody's child, since PostgreSQL takes the end of a child
/// that it does not know for a crash.
const LEASH: &str = r#"exec 3<&0
((
    trap '' HUP INT QUIT TERM
    read -r word <&3
    [ "$word" = done ] || kill -INT $$
) >/dev/null 2>&1 &)
exec "$@" 3<&- </dev/null"#;

/// How much of what a program complained about is kept.
const KEPT: usize = 4_096;

/// A program that ends when we do.
#[derive(Debug)]
pub(super) struct Leashed {
    child: Child,
    pid: u32,
    leash: ChildStdin,
    complaints: Arc<Mutex<String>>,
    listener: JoinHandle<()>,
}

impl Leashed {
    /// Starts `program`, as another user where `run_as` says so. It sees nothing of our environment, which may
    /// hold secrets, and is in a process group of its own, so that Ctrl-C reaches us and not it.
    pub(super) fn start(
        program: &Path,
        arguments: &[impl AsRef<std::ffi::OsStr>],
        run_as: RunAs,
    ) -> Result<Self, EmbeddedError> {
        let mut path = program
            .parent()
            .unwrap_or(program)
            .as_os_str()
            .as_bytes()
            .to_owned();
        path.extend_from_slice(b":/usr/bin:/bin");
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", LEASH, "claviger-postgres"])
            .arg(program)
            .args(arguments)
            .env_clear()
            .env("PATH", std::ffi::OsStr::from_bytes(&path))
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if let Some((user, group)) = run_as {
            command.uid(user).gid(group);
        }
        let failed = |source| EmbeddedError::Run {
            program: program.to_owned(),
            source,
        };
        let mut child = command.spawn().map_err(failed)?;
        let (Some(pid), Some(leash), Some(stderr)) = (child.id(), child.stdin.take(), child.stderr.take())
        else {
            return Err(failed(std::io::ErrorKind::BrokenPipe.into()));
        };
        let complaints = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&complaints);
        let listener = tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                tracing::debug!(target: "claviger::postgresql", "{line}");
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() + line.len() < KEPT {
                    kept.push_str(&line);
                    kept.push('\n');
                }
            }
        });
        Ok(Self {
            child,
            pid,
            leash,
            complaints,
            listener,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until the program ends. May be dropped and asked again.
    pub(super) async fn ended(&mut self) -> Result<ExitStatus, std::io::Error> {
        let status = self.child.wait().await?;
        // So that the watcher does not interrupt a process that gets the same number later.
        if self.leash.write_all(b"done\n").await.is_err() {
            tracing::debug!("the watcher of PostgreSQL was gone");
        }
        Ok(status)
    }

    /// What it wrote to standard error, complete once it ended.
    pub(super) async fn complaints(&mut self) -> String {
        if tokio::time::timeout(Duration::from_millis(200), &mut self.listener)
            .await
            .is_err()
        {
            tracing::debug!("a process that PostgreSQL started still holds its standard error");
        }
        let kept = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        kept.trim().to_owned()
    }

    /// Interrupts (PostgreSQL: fast shutdown) and waits; what does not end in 30 seconds is made to quit, which
    /// costs the next start a recovery and nothing else.
    pub(super) async fn stop(&mut self) {
        signal(self.pid, Signal::INT);
        if tokio::time::timeout(Duration::from_secs(30), self.ended())
            .await
            .is_err()
        {
            tracing::warn!(pid = self.pid, "PostgreSQL does not stop; making it quit");
            signal(self.pid, Signal::QUIT);
            if let Err(error) = self.ended().await {
                tracing::warn!(%error, "waiting for PostgreSQL failed");
            }
        }
    }
}

/// Sends `signal` to a process; one that is gone already is no failure.
pub(super) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw)
        && let Err(error) = kill_process(pid, signal)
    {
        tracing::debug!(%error, "the process was gone before the signal");
    }
}

/// Whether there is such a process, dead but not yet collected ones included.
pub(super) fn exists(pid: u32) -> bool {
    i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Writes all of `content` to a file that must not exist yet.
pub(super) fn write_new(path: &Path, content: &[u8]) -> std::io::Result<()> {
    std::fs::File::create_new(path)?.write_all(content)
}
