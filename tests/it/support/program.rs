//! The program itself, as somebody at a terminal or a script runs it.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::app::{MASTER_KEY, TestApp};

/// How the program is called: with this environment and no other.
#[derive(Clone, Debug)]
pub struct Program {
    environment: BTreeMap<String, String>,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A program that goes on; it is killed when dropped.
pub struct Going {
    child: Child,
    /// What it said on standard output so far.
    pub said: String,
}

impl Program {
    /// On the embedded database in a folder.
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            environment: BTreeMap::new(),
        }
        .with("PATH", &env::var("PATH").unwrap())
        .with("CLAVIGER_DATA_DIR", folder.to_str().unwrap())
    }

    /// On the database of a running test server, with its master key.
    pub fn beside(app: &TestApp) -> Self {
        let urls = app.urls();
        Self::in_folder(app.data_dir())
            .with("DATABASE_URL", &urls.server)
            .with("CLAVIGER_DATABASE__OWNER_URL", &urls.owner)
            .with("CLAVIGER_MASTER_KEY__SOURCE", "env")
            .with("CLAVIGER_MASTER_KEY__VALUE", MASTER_KEY)
            .with("CLAVIGER_ISSUER", &app.config.issuer())
            .with("CLAVIGER_LISTEN", &app.nodes[0].address.to_string())
    }

    pub fn with(mut self, variable: &str, value: &str) -> Self {
        self.environment.insert(variable.to_owned(), value.to_owned());
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_claviger")));
        command
            .args(arguments)
            .env_clear()
            .envs(&self.environment)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub async fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with("", arguments).await
    }

    /// Runs to the end, with something on standard input.
    pub async fn run_with(&self, input: &str, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        let input = input.to_owned();
        tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            // A program that does not want it may be gone already.
            let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
            let output = child.wait_with_output().unwrap();
            Ran {
                code: output.status.code().unwrap_or(-1),
                out: String::from_utf8(output.stdout).unwrap(),
                err: String::from_utf8(output.stderr).unwrap(),
            }
        })
        .await
        .unwrap()
    }

    /// Starts a server, and waits until it says where to begin.
    pub async fn serve(&self) -> Going {
        let mut command = self.command(&["serve"]);
        tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            let mut log = child.stderr.take().unwrap();
            let complaint = thread::spawn(move || {
                let mut text = String::new();
                let _ = log.read_to_string(&mut text);
                text
            });
            let mut said = String::new();
            let mut lines = BufReader::new(child.stdout.take().unwrap());
            while !said.contains("Ctrl-C") {
                let read = lines.read_line(&mut said).unwrap();
                assert!(
                    read > 0,
                    "the server did not start: {}",
                    complaint.join().unwrap()
                );
            }
            Going { child, said }
        })
        .await
        .unwrap()
    }
}

impl Ran {
    /// The one line of JSON that a command answers with.
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        assert_eq!(self.out.lines().count(), 1, "one line: {}", self.out);
        serde_json::from_str(&self.out).unwrap()
    }

    /// The sentence with which a command refused.
    pub fn refusal(&self) -> &str {
        assert_eq!(self.code, 1, "{}{}", self.out, self.err);
        assert_eq!(self.out, "", "nothing that a script could take for an answer");
        self.err
            .trim()
            .strip_prefix("claviger: ")
            .unwrap_or_else(|| panic!("no sentence: {}", self.err))
    }
}

impl Ran {
    /// The same of a server, which has a log besides.
    pub fn refusal_at_the_end(&self) -> &str {
        assert_eq!(self.code, 1, "{}{}", self.out, self.err);
        self.err.lines().last().unwrap_or_default()
    }
}

impl Going {
    /// Ends it as a power failure would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGHUP.
    pub fn hang_up(&self) {
        self.signal(rustix::process::Signal::HUP);
    }

    /// Sends SIGTERM, and goes on.
    pub fn begin_stop(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Sends SIGTERM, and waits for the end.
    pub async fn stop(mut self) -> ExitStatus {
        self.begin_stop();
        tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                assert!(begun.elapsed() < Duration::from_secs(40), "it does not stop");
                thread::sleep(Duration::from_millis(10));
            }
        })
        .await
        .unwrap()
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
