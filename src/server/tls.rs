use std::{path::PathBuf, sync::Arc};

use rustls::{ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject as _},
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
}

/// What the configuration says of TLS; none where it ends elsewhere.
pub(super) fn server_config(settings: &Tls) -> Result<Option<ServerConfig>, TlsError> {
    let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) else {
        return Ok(None);
    };
    let unreadable = |path: &PathBuf| {
        let path = path.clone();
        move |cause| TlsError::Unreadable { path, cause }
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(unreadable(certificate))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(certificate.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key))?;
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map(Some)
        .map_err(TlsError::Unsound)
}
