use std::{
    fmt,
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::types::Entropy;

/// The root of all keys. The one operation asked of it is HMAC-SHA256, so that a module that never lets the
/// key out can stand in its place.
pub trait MasterKey: Send + Sync {
    /// Names this key among others without telling anything of it.
    fn id(&self) -> &str;

    /// HMAC-SHA256 (RFC 2104) of `message` under the master key.
    ///
    /// # Errors
    ///
    /// If the module that holds the key does not answer.
    fn hmac_sha256(&self, message: &[u8]) -> Result<Zeroizing<[u8; 32]>, MasterKeyError>;
}

/// Why there is no master key to work with.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    #[error("master key file {path}: {cause}")]
    File { path: PathBuf, cause: std::io::Error },
    #[error("master key file {path} can be read by others: run `chmod 600 {path}`")]
    Exposed { path: PathBuf },
    #[error(
        "a master key is 32 random bytes in base64 (`openssl rand -base64 32` makes one); got something else"
    )]
    Malformed,
    #[error("no master key is given")]
    Missing,
}

/// A master key that is in this process's memory.
pub struct OpenedMasterKey {
    id: String,
    key: hmac::Key,
}

impl OpenedMasterKey {
    const LENGTH: usize = 32;

    fn new(key: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let tag = hmac::sign(&key, b"claviger/v1/master-key-id");
        let id = tag
            .as_ref()
            .iter()
            .take(8)
            .fold(String::new(), |id, byte| format!("{id}{byte:02x}"));
        Self { id, key }
    }

    /// Reads 32 bytes in base64.
    ///
    /// # Errors
    ///
    /// [`MasterKeyError::Malformed`] for anything else.
    pub fn from_base64(text: &str) -> Result<Self, MasterKeyError> {
        let bytes = Zeroizing::new(
            STANDARD
                .decode(text.trim())
                .map_err(|_cause| MasterKeyError::Malformed)?,
        );
        if bytes.len() == Self::LENGTH {
            Ok(Self::new(&bytes))
        } else {
            Err(MasterKeyError::Malformed)
        }
    }
}

impl MasterKey for OpenedMasterKey {
    fn id(&self) -> &str {
        &self.id
    }

    fn hmac_sha256(&self, message: &[u8]) -> Result<Zeroizing<[u8; 32]>, MasterKeyError> {
        let mut out = Zeroizing::new([0; 32]);
        for (to, from) in out.iter_mut().zip(hmac::sign(&self.key, message).as_ref()) {
            *to = *from;
        }
        Ok(out)
    }
}

/// All master keys that are in use: the newest seals, the older ones still open what they sealed.
#[derive(Clone)]
pub struct MasterKeys(Arc<[Arc<dyn MasterKey>]>);

impl MasterKeys {
    /// Takes keys, newest first.
    ///
    /// # Errors
    ///
    /// [`MasterKeyError::Missing`] if there is none.
    pub fn new(keys: Vec<Arc<dyn MasterKey>>) -> Result<Self, MasterKeyError> {
        if keys.is_empty() {
            Err(MasterKeyError::Missing)
        } else {
            Ok(Self(keys.into()))
        }
    }

    /// Reads keys in base64 with commas between them, newest first.
    ///
    /// # Errors
    ///
    /// If one of them is malformed, or there is none.
    pub fn from_text(text: &str) -> Result<Self, MasterKeyError> {
        let parts = text
            .split([',', '\n'])
            .map(str::trim)
            .filter(|part| !part.is_empty() && !part.starts_with('#'));
        Self::new(
            parts
                .map(|part| {
                    OpenedMasterKey::from_base64(part).map(|key| -> Arc<dyn MasterKey> { Arc::new(key) })
                })
                .collect::<Result<_, _>>()?,
        )
    }

    /// The ids, newest first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.id())
    }

    /// Those of `newer`, and of these whichever is not among them.
    pub(super) fn and(&self, newer: &Self) -> Self {
        let older = self.0.iter().filter(|key| newer.find(key.id()).is_none());
        Self(newer.0.iter().chain(older).cloned().collect())
    }

    pub(super) fn find(&self, id: &str) -> Option<&dyn MasterKey> {
        self.0.iter().find(|key| key.id() == id).map(AsRef::as_ref)
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

/// The file that holds master keys: one in base64 a line, newest first, readable by its owner alone.
#[derive(Clone, Debug)]
pub struct FileMasterKey(PathBuf);

impl FileMasterKey {
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Reads the keys, and makes the first one where there is no file yet.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or made, can be read by others, or holds something else.
    pub fn open_or_create(&self, entropy: &Entropy) -> Result<MasterKeys, MasterKeyError> {
        if !self.0.try_exists().map_err(|cause| self.at_fault(cause))? {
            match self.write(&[Self::fresh(entropy)]) {
                Err(MasterKeyError::File { cause, .. })
                    if cause.kind() == std::io::ErrorKind::AlreadyExists => {}
                written => written?,
            }
        }
        self.read_keys()
    }

    /// Reads the keys that are there.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, can be read by others, or holds something else.
    pub fn read_keys(&self) -> Result<MasterKeys, MasterKeyError> {
        MasterKeys::from_text(&self.read()?)
    }

    /// Puts a new key before the others. Every server must have it before keys are derived from it.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written.
    pub fn rotate(&self, entropy: &Entropy) -> Result<MasterKeys, MasterKeyError> {
        let old = self.read()?;
        let lines = [Self::fresh(entropy)]
            .into_iter()
            .chain(old.lines().map(|line| Zeroizing::new(line.to_owned())));
        let next = Self(self.0.with_extension("next"));
        let _ = fs::remove_file(&next.0);
        next.write(&lines.collect::<Vec<_>>())?;
        fs::rename(&next.0, &self.0).map_err(|cause| self.at_fault(cause))?;
        self.sync_folder()?;
        self.read_keys()
    }

    fn fresh(entropy: &Entropy) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(Zeroizing::new(entropy.bytes::<{ OpenedMasterKey::LENGTH }>())))
    }

    fn read(&self) -> Result<Zeroizing<String>, MasterKeyError> {
        let mode = fs::metadata(&self.0)
            .map_err(|cause| self.at_fault(cause))?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            return Err(MasterKeyError::Exposed { path: self.0.clone() });
        }
        fs::read_to_string(&self.0)
            .map(Zeroizing::new)
            .map_err(|cause| self.at_fault(cause))
    }

    /// A key that a crash could lose would take all that it sealed with it: hence the syncs.
    fn write(&self, lines: &[Zeroizing<String>]) -> Result<(), MasterKeyError> {
        let write = || {
            if let Some(folder) = self.0.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&self.0)?;
            for line in lines {
                writeln!(file, "{}", line.as_str())?;
            }
            file.sync_all()
        };
        write().map_err(|cause| self.at_fault(cause))?;
        self.sync_folder()
    }

    fn sync_folder(&self) -> Result<(), MasterKeyError> {
        let folder = self
            .0
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|cause| self.at_fault(cause))
    }

    fn at_fault(&self, cause: std::io::Error) -> MasterKeyError {
        MasterKeyError::File {
            path: self.0.clone(),
            cause,
        }
    }
}
