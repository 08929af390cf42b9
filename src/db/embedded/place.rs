use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown},
    },
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::EmbeddedError;

/// What a Unix socket's address holds on every system that we know (macOS: 104 with the closing zero).
const LONGEST_SOCKET: usize = 103;
pub(super) const SOCKET_NAME: &str = ".s.PGSQL.5432";

/// Whom PostgreSQL runs as. None where that is who runs Claviger.
pub(super) type RunAs = Option<(u32, u32)>;

/// Where everything of the embedded database lies, below `<data_dir>/postgres`:
///
/// - `lock`: held by whoever runs the database now, and says who that is;
/// - `settings.conf`, `access.conf`: written anew at every start; PostgreSQL's user may only read them;
/// - `cluster`, `log`, `socket`: PostgreSQL's own, open to nobody else.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) data_dir: PathBuf,
    pub(super) root: PathBuf,
    pub(super) cluster: PathBuf,
    pub(super) log: PathBuf,
    pub(super) socket: PathBuf,
    pub(super) run_as: RunAs,
}

impl Place {
    /// Makes the folders that PostgreSQL does not make itself. `runtime_dir` takes the socket's folder where
    /// the data folder's path is too long for a socket's address.
    pub(super) fn prepare(data_dir: &Path, runtime_dir: &Path) -> Result<Self, EmbeddedError> {
        let mut place = Self::outline(data_dir, runtime_dir)?;
        let root = place.root.clone();
        place.run_as = run_as(&place.cluster)?;
        if let Some((user, group)) = place.run_as {
            for folder in [&place.data_dir, &root] {
                let_pass(folder, group)?;
            }
            reachable(&root, user, group)?;
        }
        for folder in [&place.log, &place.socket] {
            private_folder(folder, place.run_as)?;
        }
        Ok(place)
    }

    /// The place as it is, before anything below its root is touched.
    pub(super) fn outline(data_dir: &Path, runtime_dir: &Path) -> Result<Self, EmbeddedError> {
        let root = data_dir.join("postgres");
        if let Some(parent) = data_dir.parent() {
            fs::create_dir_all(parent).map_err(EmbeddedError::folder("creating", parent))?;
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&root)
            .map_err(EmbeddedError::folder("creating", &root))?;
        let data_dir = fs::canonicalize(data_dir).map_err(EmbeddedError::folder("looking at", data_dir))?;
        let root = data_dir.join("postgres");
        let mut socket = root.join("socket");
        if socket.join(SOCKET_NAME).as_os_str().len() > LONGEST_SOCKET {
            let digest = Sha256::digest(root.as_os_str().as_bytes());
            socket = runtime_dir.join(format!("claviger-{}", URL_SAFE_NO_PAD.encode(digest)));
        }
        Ok(Self {
            cluster: root.join("cluster"),
            log: root.join("log"),
            socket,
            run_as: None,
            data_dir,
            root,
        })
    }

    /// The major version that made the cluster, where there is one.
    pub(super) fn version(&self) -> Result<Option<u32>, EmbeddedError> {
        let file = self.cluster.join("PG_VERSION");
        match fs::read_to_string(&file) {
            Ok(version) => Ok(version.trim().parse().ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(EmbeddedError::folder("reading", file)(source)),
        }
    }

    /// A file of ours that PostgreSQL's user may read and not write.
    pub(super) fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf, EmbeddedError> {
        let path = self.root.join(name);
        let write = || {
            fs::write(&path, content)?;
            if let Some((_, group)) = self.run_as {
                chown(&path, Some(0), Some(group))?;
            }
            fs::set_permissions(&path, Permissions::from_mode(0o640))
        };
        write().map_err(EmbeddedError::folder("writing", &path))?;
        Ok(path)
    }
}

/// Makes `path` a folder that only PostgreSQL's user may enter (and root, whom nothing stops).
pub(super) fn private_folder(path: &Path, run_as: RunAs) -> Result<(), EmbeddedError> {
    let (user, group) = run_as.unwrap_or_else(ourselves);
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => chown(path, Some(user), Some(group)).map_err(EmbeddedError::folder("handing over", path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let found = fs::symlink_metadata(path).map_err(EmbeddedError::folder("looking at", path))?;
            if !found.is_dir() {
                return Err(EmbeddedError::folder("using", path)(
                    io::ErrorKind::NotADirectory.into(),
                ));
            }
            // A run that was killed between creating and handing over.
            if run_as.is_some() && found.uid() == 0 {
                chown(path, Some(user), Some(group)).map_err(EmbeddedError::folder("handing over", path))?;
            } else if found.uid() != user {
                return Err(EmbeddedError::Foreign {
                    folder: path.to_owned(),
                    owner: found.uid(),
                });
            }
            fs::set_permissions(path, Permissions::from_mode(0o700))
                .map_err(EmbeddedError::folder("closing", path))
        }
        Err(source) => Err(EmbeddedError::folder("creating", path)(source)),
    }
}

fn ourselves() -> (u32, u32) {
    (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    )
}

/// PostgreSQL refuses root. Whoever owns the cluster already goes on; a new one gets `postgres` or `nobody`.
fn run_as(cluster: &Path) -> Result<RunAs, EmbeddedError> {
    let (user, _) = ourselves();
    let owner = fs::metadata(cluster).ok().map(|found| (found.uid(), found.gid()));
    match owner {
        Some((owner, group)) if user == 0 && owner != 0 => Ok(Some((owner, group))),
        Some((owner, _)) if owner != user => Err(EmbeddedError::Foreign {
            folder: cluster.to_owned(),
            owner,
        }),
        _ if user == 0 => {
            let users =
                fs::read_to_string("/etc/passwd").map_err(EmbeddedError::folder("reading", "/etc/passwd"))?;
            ["postgres", "nobody"]
                .iter()
                .find_map(|name| look_up(&users, name))
                .map(Some)
                .ok_or(EmbeddedError::NoUser)
        }
        _ => Ok(None),
    }
}

/// The user and group numbers of an unprivileged `name` in what `/etc/passwd` holds.
fn look_up(users: &str, name: &str) -> Option<(u32, u32)> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        let user = fields.nth(1)?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        (user != 0).then_some((user, group))
    })
}

/// Lets PostgreSQL's group pass through a folder of ours, and no more than that.
fn let_pass(folder: &Path, group: u32) -> Result<(), EmbeddedError> {
    let found = fs::metadata(folder).map_err(EmbeddedError::folder("looking at", folder))?;
    let open = found.mode() & 0o001 != 0 || (found.gid() == group && found.mode() & 0o010 != 0);
    if open || found.uid() != 0 {
        return Ok(());
    }
    chown(folder, None, Some(group))
        .and_then(|()| fs::set_permissions(folder, Permissions::from_mode(found.mode() & 0o700 | 0o010)))
        .map_err(EmbeddedError::folder("opening", folder))
}

fn reachable(folder: &Path, user: u32, group: u32) -> Result<(), EmbeddedError> {
    let closed = folder.ancestors().find(|ancestor| {
        fs::metadata(ancestor).is_ok_and(|found| {
            let bit = match (found.uid() == user, found.gid() == group) {
                (true, _) => 0o100,
                (false, true) => 0o010,
                (false, false) => 0o001,
            };
            found.mode() & bit == 0
        })
    });
    match closed {
        Some(closed) => Err(EmbeddedError::Unreachable {
            folder: closed.to_owned(),
            user,
        }),
        None => Ok(()),
    }
}

/// Who holds the lock, and where their database is to be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    /// A server stays; a command goes when it is done.
    pub(super) stays: bool,
    pub(super) process: u32,
    pub(super) socket: PathBuf,
}

/// The exclusive right to run the database in a folder; ends with the process, however that ends.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// The lock, or whoever holds it (none, if they have not said yet).
    pub(super) fn take(root: &Path) -> Result<Result<Self, Option<Holder>>, EmbeddedError> {
        let path = root.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(EmbeddedError::folder("opening", &path))?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0).map_err(EmbeddedError::folder("writing", &path))?;
                Ok(Ok(Self { file }))
            }
            Err(TryLockError::WouldBlock) => {
                let mut said = String::new();
                file.read_to_string(&mut said)
                    .map_err(EmbeddedError::folder("reading", &path))?;
                Ok(Err(Holder::parse(&said)))
            }
            Err(TryLockError::Error(source)) => Err(EmbeddedError::folder("locking", path)(source)),
        }
    }

    pub(super) fn say(&mut self, holder: &Holder, root: &Path) -> Result<(), EmbeddedError> {
        self.file
            .rewind()
            .and_then(|()| self.file.set_len(0))
            .and_then(|()| self.file.write_all(holder.to_string().as_bytes()))
            .map_err(EmbeddedError::folder("writing", root.join("lock")))
    }
}

impl Holder {
    fn parse(said: &str) -> Option<Self> {
        let mut lines = said.strip_suffix('\n')?.splitn(3, '\n');
        Some(Self {
            stays: lines.next()? == "server",
            process: lines.next()?.parse().ok()?,
            socket: lines.next()?.into(),
        })
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let role = if self.stays { "server" } else { "command" };
        writeln!(f, "{role}\n{}\n{}", self.process, self.socket.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name_and_never_root() {
        let users =
            "root:x:0:0::/root:/bin/sh\nxpostgres:x:5:5::/:\npostgres:x:101:104:,,,:/var/lib:/bin/bash\n";
        assert_eq!(look_up(users, "postgres"), Some((101, 104)));
        assert_eq!(look_up(users, "nobody"), None);
        assert_eq!(look_up(users, "root"), None);
    }

    #[test]
    fn a_holder_reads_back_as_it_was_said() {
        let holder = Holder {
            stays: true,
            process: 42,
            socket: "/a b/c".into(),
        };
        assert_eq!(Holder::parse(&holder.to_string()), Some(holder));
        assert_eq!(Holder::parse("server\n42"), None);
    }
}
