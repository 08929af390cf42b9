//! TLS, where it ends here. The certificate is read anew on SIGHUP and when its files have changed: who renews it need
//! not stop the server.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject as _},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, MissedTickBehavior, interval_at},
};

use crate::config::Tls;

/// Why TLS cannot be spoken. Each names what to mend.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("server.tls: cannot read {path}: {cause}")]
    Unreadable { path: PathBuf, cause: pem::Error },
    #[error("server.tls: there is no certificate in {0}")]
    NoCertificate(PathBuf),
    #[error("server.tls: certificate and key make no pair: {0}")]
    Unsound(#[from] rustls::Error),
    #[error("server.tls: SIGHUP cannot be listened for: {0}")]
    Signal(#[from] io::Error),
}

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The certificate that is shown now, and the files that it came from.
#[derive(Debug)]
struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    shown: RwLock<Shown>,
}

#[derive(Debug)]
struct Shown {
    pair: Arc<CertifiedKey>,
    /// When the files were changed last, as they were read; also if nothing good was in them.
    changed: Changed,
}

type Changed = [Option<SystemTime>; 2];

/// TLS that is spoken, and what keeps its certificate up to date.
pub(super) struct Terminated {
    pub(super) config: ServerConfig,
    pub(super) renewal: Renewal,
}

/// Reads the certificate anew, as long as it runs.
pub(super) struct Renewal {
    certificate: Arc<Certificate>,
    hangup: Signal,
}

/// What the configuration says of TLS; none where it ends elsewhere. Within a runtime.
pub(super) fn terminate(settings: &Tls) -> Result<Option<Terminated>, TlsError> {
    let (Some(chain), Some(key)) = (&settings.certificate, &settings.key) else {
        return Ok(None);
    };
    let certificate = Arc::new(Certificate::read(chain, key)?);
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificate.clone());
    // Before the first request, since the signal would end a process that does not listen for it.
    let hangup = signal(SignalKind::hangup())?;
    Ok(Some(Terminated {
        config,
        renewal: Renewal { certificate, hangup },
    }))
}

impl Renewal {
    pub(super) async fn run(mut self) {
        let mut turns = interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                _ = self.hangup.recv() => true,
                _ = turns.tick() => false,
            };
            let certificate = self.certificate.clone();
            // Files may be slow.
            if let Err(error) = tokio::task::spawn_blocking(move || certificate.renew(asked)).await {
                tracing::error!(%error, "the certificate could not be looked at");
            }
        }
    }
}

impl Certificate {
    fn read(chain: &Path, key: &Path) -> Result<Self, TlsError> {
        let changed = changed(chain, key);
        Ok(Self {
            chain: chain.to_owned(),
            key: key.to_owned(),
            shown: RwLock::new(Shown {
                pair: Arc::new(pair(chain, key)?),
                changed,
            }),
        })
    }

    /// Shows what is in the files, if they have changed or somebody asks for it; what is not good there is left alone.
    fn renew(&self, asked: bool) {
        let now = changed(&self.chain, &self.key);
        if !asked && self.shown.read().unwrap_or_else(PoisonError::into_inner).changed == now {
            return;
        }
        let read = pair(&self.chain, &self.key);
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        shown.changed = now;
        match read {
            Ok(pair) => {
                shown.pair = Arc::new(pair);
                tracing::info!(certificate = %self.chain.display(), "the certificate was read anew");
            }
            Err(error) => tracing::error!(%error, "the certificate that was there before is shown on"),
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        Some(shown.pair.clone())
    }
}

fn changed(chain: &Path, key: &Path) -> Changed {
    [chain, key].map(|path| fs::metadata(path).and_then(|found| found.modified()).ok())
}

fn pair(chain: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |cause| TlsError::Unreadable { path, cause }
    };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect)
        .map_err(unreadable(chain))?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate(chain.to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key))?;
    Ok(CertifiedKey::from_der(
        certificates,
        key,
        &aws_lc_rs::default_provider(),
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Path) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        fs::write(folder.join("chain"), made.cert.pem()).expect("written");
        fs::write(folder.join("key"), made.signing_key.serialize_pem()).expect("written");
        made.cert.der().clone()
    }

    #[test]
    fn a_good_pair_takes_over_and_a_bad_one_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let (chain, key) = (folder.path().join("chain"), folder.path().join("key"));
        let first = put(folder.path());
        let certificate = Certificate::read(&chain, &key).expect("a pair");
        let shown = || certificate.shown.read().expect("not poisoned").pair.cert.clone();
        assert_eq!(shown(), [first]);
        let second = put(folder.path());
        certificate.renew(false);
        assert_eq!(shown(), std::slice::from_ref(&second));
        for (path, text) in [(&chain, ""), (&chain, "no certificate"), (&key, "no key")] {
            fs::write(path, text).expect("written");
            certificate.renew(false);
            certificate.renew(true);
            assert_eq!(shown(), std::slice::from_ref(&second));
        }
        // Another's key.
        let third = put(folder.path());
        let others = fs::read(&key).expect("read");
        let fourth = put(folder.path());
        let own = fs::read(&key).expect("read");
        fs::write(&key, others).expect("written");
        certificate.renew(true);
        assert_eq!(shown(), [second]);
        assert_ne!(third, fourth);
        fs::write(&key, own).expect("written");
        certificate.renew(true);
        assert_eq!(shown(), [fourth]);
    }
}
