use std::{
    cmp::Reverse,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::EmbeddedError;

const OLDEST: u32 = 15;

/// PostgreSQL's server programs: `initdb` and `postgres` of one version, in one folder.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
    version: u32,
}

impl Programs {
    /// Looks in `explicit` and nowhere else, or where it is none: in `path` (as PATH is written), where
    /// `pg_config` says, and in the usual folders, newest first. A cluster that exists wants the major version
    /// that made it: `made_by`, with its folder.
    ///
    /// # Errors
    ///
    /// Nothing found, or nothing that fits.
    pub fn find(
        explicit: Option<&Path>,
        path: Option<&OsStr>,
        made_by: Option<(u32, &Path)>,
    ) -> Result<Self, EmbeddedError> {
        let candidates = match explicit {
            Some(folder) => vec![folder.to_owned()],
            None => candidates(path),
        };
        let mut misfit = None;
        for folder in candidates {
            let Some(found) = Self::inspect(&folder) else {
                continue;
            };
            let version = found.version;
            match made_by {
                _ if version < OLDEST => {
                    misfit.get_or_insert(EmbeddedError::TooOld {
                        folder: found.folder,
                        found: version,
                        install: install_command(),
                    });
                }
                Some((made_by, cluster)) if version != made_by => {
                    misfit.get_or_insert(EmbeddedError::OtherVersion {
                        cluster: cluster.to_owned(),
                        made_by,
                        found: version,
                    });
                }
                _ => return Ok(found),
            }
        }
        Err(misfit.unwrap_or_else(|| match explicit {
            Some(folder) => EmbeddedError::NotInBinDir(folder.to_owned()),
            None => EmbeddedError::NoPrograms {
                install: install_command(),
            },
        }))
    }

    /// The major version.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    /// Links are followed, since `initdb` looks for `postgres` beside itself and both for their shared files.
    fn inspect(folder: &Path) -> Option<Self> {
        let postgres = fs::canonicalize(folder.join("postgres")).ok()?;
        let initdb = fs::canonicalize(folder.join("initdb")).ok()?;
        let folder = postgres.parent()?.to_owned();
        if initdb.parent()? != folder {
            return None;
        }
        let version = major(&answer(Command::new(postgres).arg("--version"))?)?;
        Some(Self { folder, version })
    }
}

fn candidates(path: Option<&OsStr>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let in_path: Vec<PathBuf> = path
        .map(OsStr::to_owned)
        .map(|path: OsString| split(&path))
        .unwrap_or_default();
    found.extend(in_path.iter().cloned());
    found.extend(
        in_path
            .iter()
            .map(|folder| folder.join("pg_config"))
            .find(|program| program.is_file())
            .and_then(|program| answer(Command::new(program).arg("--bindir")))
            .map(|folder| PathBuf::from(folder.trim())),
    );
    found.extend(versions("/usr/lib/postgresql", "", "bin"));
    found.extend(versions("/usr", "pgsql-", "bin"));
    found.push("/usr/local/pgsql/bin".into());
    found.push("/usr/libexec/postgresql".into());
    for homebrew in [
        "/opt/homebrew/opt",
        "/usr/local/opt",
        "/home/linuxbrew/.linuxbrew/opt",
    ] {
        found.extend(versions(homebrew, "postgresql@", "bin"));
    }
    found
}

fn split(path: &OsStr) -> Vec<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    path.as_bytes()
        .split(|byte| *byte == b':')
        .filter(|folder| !folder.is_empty())
        .map(|folder| PathBuf::from(OsStr::from_bytes(folder)))
        .collect()
}

/// `<root>/<prefix><number>/<rest>`, the highest number first.
fn versions(root: &str, prefix: &str, rest: &str) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path().join(rest)))
        })
        .collect();
    found.sort_by_key(|(version, _)| Reverse(*version));
    found.into_iter().map(|(_, folder)| folder).collect()
}

fn answer(command: &mut Command) -> Option<String> {
    let output = command
        .env_clear()
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then_some(())?;
    String::from_utf8(output.stdout).ok()
}

/// The major version in `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, `… 18beta1` and the like.
fn major(answer: &str) -> Option<u32> {
    let (_, version) = answer.split_once("(PostgreSQL) ")?;
    let digits = version
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(version.len());
    version.get(..digits)?.parse().ok()
}

fn install_command() -> &'static str {
    let has = |program: &str| Path::new(program).exists();
    if has("/usr/bin/apt-get") {
        "apt-get install postgresql"
    } else if has("/usr/bin/dnf") {
        "dnf install postgresql-server"
    } else if has("/sbin/apk") {
        "apk add postgresql"
    } else if has("/usr/bin/pacman") {
        "pacman -S postgresql"
    } else if has("/opt/homebrew/bin/brew") || has("/usr/local/bin/brew") {
        "brew install postgresql@17"
    } else {
        "see https://www.postgresql.org/download/"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_distributions_print() {
        assert_eq!(
            major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(major("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major("postgres (PostgreSQL) 9.6.24"), Some(9));
        assert_eq!(major("something else"), None);
    }

    #[test]
    fn a_folder_that_was_named_is_the_only_one_looked_in() {
        let error = Programs::find(
            Some(Path::new("/nonexistent")),
            Some(OsStr::new("/usr/bin")),
            None,
        )
        .unwrap_err();
        assert!(matches!(error, EmbeddedError::NotInBinDir(_)), "{error}");
    }
}
