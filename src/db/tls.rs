//! TLS to the database, as libpq understands `sslmode` and `sslrootcert`: whoever moves here with a URL that works
//! elsewhere gets what it says.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, aws_lc_rs},
    server::ParsedCertificate,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _};

/// What must be so of the certificate that the database shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Nothing: the way is encrypted, but anybody could be at its end.
    Anything,
    /// Somebody who is trusted has signed it.
    Signed(Roots),
    /// That, and it is for the host of the URL.
    SignedForHost(Roots),
}

/// Who is trusted to sign it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Roots {
    /// Whomever the system trusts.
    System,
    /// Who is in a file.
    File(PathBuf),
}

impl Trust {
    /// # Errors
    ///
    /// A sentence, if there is nobody to trust.
    pub(super) fn config(&self) -> Result<ClientConfig, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Arc::new(match self {
            Self::Anything => Verifier {
                provider: provider.clone(),
                chain: None,
                checks_name: false,
            },
            Self::Signed(roots) => roots.verifier(provider.clone(), false)?,
            Self::SignedForHost(roots) => roots.verifier(provider.clone(), true)?,
        });
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(config)
    }
}

impl Roots {
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let path = match self {
            Self::System => return Ok(rustls_native_certs::load_native_certs().certs),
            Self::File(path) => path,
        };
        let unreadable = |cause| format!("sslrootcert: cannot read {}: {cause}", path.display());
        let certificates = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
        let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        if certificates.is_empty() {
            return Err(format!(
                "sslrootcert: there is no certificate in {}",
                path.display()
            ));
        }
        Ok(certificates)
    }

    fn verifier(&self, provider: Arc<CryptoProvider>, checks_name: bool) -> Result<Verifier, String> {
        let certificates = self.certificates()?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates.iter().cloned());
        let signed = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .map_err(|error| format!("sslrootcert: nobody to trust: {error}"))?;
        // A certificate of the system's list is nobody's database.
        let own = match self {
            Self::System => Vec::new(),
            Self::File(_) => certificates,
        };
        Ok(Verifier {
            provider,
            chain: Some(Chain { signed, own }),
            checks_name,
        })
    }
}

#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    /// Who must have signed; none: anybody.
    chain: Option<Chain>,
    checks_name: bool,
}

#[derive(Debug)]
struct Chain {
    signed: Arc<WebPkiServerVerifier>,
    /// Trusted as they are: a certificate that signed itself has nobody above it.
    own: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        if !chain.own.iter().any(|own| own == end_entity) {
            match chain
                .signed
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            {
                // The name is looked at last, so all else was found good.
                Ok(_)
                | Err(Error::InvalidCertificate(
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
                )) => {}
                Err(error) => return Err(error),
            }
        }
        if self.checks_name {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
