//! The way out. A name is looked up once, each address that it has is looked at, and the connection is made to one that
//! has passed: what the name says a moment later does not matter, and neither do proxies of the environment, of which
//! nothing here knows. A redirect is an answer like any other.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{ACCEPT, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use url::{Host, Position, Url};

use super::address::is_public;
use crate::{config::Webhooks as Settings, types::Fault};

/// Looks up the addresses of a name.
pub trait Resolve: Send + Sync {
    fn resolve<'r>(&'r self, name: &'r str) -> BoxFuture<'r, io::Result<Vec<IpAddr>>>;
}

/// As the system does.
#[derive(Clone, Copy, Debug)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'r>(&'r self, name: &'r str) -> BoxFuture<'r, io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(lookup_host((name, 0)).await?.map(|found| found.ip()).collect()) })
    }
}

/// Takes messages to endpoints. Clones share everything.
#[derive(Clone)]
pub struct Carrier {
    resolver: Arc<dyn Resolve>,
    /// Whether private addresses will do.
    private: bool,
    patience: Duration,
    /// Whose certificates are believed: read when they are first needed.
    tls: Arc<OnceLock<Arc<ClientConfig>>>,
}

/// What is sent.
pub(super) struct Parcel {
    /// `webhook-id` and the like.
    pub(super) headers: [(&'static str, String); 3],
    pub(super) body: String,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    /// How long the endpoint wants to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// The beginning of its body.
    pub(super) beginning: String,
}

/// Why nothing came back, for the developer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Undelivered {
    /// Whether there is none or only private ones is not for whoever gave the name to know.
    #[error("the name has no address on the internet")]
    NoAddress,
    /// As where private networks were allowed once, and an endpoint of then is still there.
    #[error("nothing is sent by plain http: change the URL to https")]
    PlainHttp,
    #[error("no connection: {0}")]
    NoConnection(io::Error),
    #[error("no secure connection: {0}")]
    NoTls(io::Error),
    #[error("no answer: {0}")]
    NoAnswer(hyper::Error),
    #[error("no answer within {} seconds", .0.as_secs())]
    TimedOut(Duration),
    #[error("the answer was {0}")]
    Answered(StatusCode),
    #[error("the document broke off, or is too large: {0}")]
    Cut(Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// An address that may be connected to: only [`Carrier::admit`] makes one.
#[derive(Clone, Copy)]
struct Admitted(SocketAddr);

/// Addresses of a name that are tried.
const MOST_ADDRESSES: usize = 3;
/// How long one of them may take to answer.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// Bytes that the head of an answer may have.
const LARGEST_HEAD: usize = 16 * 1024;
/// Bytes of an answer that are kept.
const LONGEST_ANSWER: usize = 2_048;
/// How long those may take to come, once it is known how it went.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);

impl Carrier {
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            resolver: Arc::new(SystemResolver),
            private: settings.allow_private_addresses,
            patience: settings.timeout.duration(),
            tls: Arc::default(),
        }
    }

    /// The same with names looked up in another way.
    #[must_use]
    pub fn resolving(self, resolver: impl Resolve + 'static) -> Self {
        Self {
            resolver: Arc::new(resolver),
            ..self
        }
    }

    /// The same, believing these alone.
    ///
    /// # Errors
    ///
    /// If the TLS library has no version of the protocol.
    pub fn trusting(self, roots: RootCertStore) -> Result<Self, Fault> {
        Ok(Self {
            tls: Arc::new(OnceLock::from(tls_config(roots)?)),
            ..self
        })
    }

    /// For addresses that whoever runs the server has chosen: they may be private.
    #[must_use]
    pub fn for_operator(patience: Duration) -> Self {
        Self {
            resolver: Arc::new(SystemResolver),
            private: true,
            patience,
            tls: Arc::default(),
        }
    }

    /// Reads a document of up to `most` bytes; what else than 200 is answered is no document.
    ///
    /// # Errors
    ///
    /// [`Fault::Unavailable`] if there is none to be had now.
    pub async fn get(&self, url: &Url, most: usize) -> Result<Vec<u8>, Fault> {
        let request = Request::get(&url[Position::BeforePath..Position::AfterQuery])
            .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("Claviger/", env!("CARGO_PKG_VERSION")))
            .body(Full::default())
            .map_err(Fault::internal)?;
        let mut driver = JoinSet::new();
        let read = async {
            let response = self.ask(url, request, &mut driver).await?;
            if response.status() != StatusCode::OK {
                return Err(Undelivered::Answered(response.status()));
            }
            let body = Limited::new(response.into_body(), most).collect().await;
            Ok(body.map_err(Undelivered::Cut)?.to_bytes().to_vec())
        };
        timeout(self.patience, read)
            .await
            .unwrap_or(Err(Undelivered::TimedOut(self.patience)))
            .map_err(|cause| match cause {
                Undelivered::Fault(fault) => fault,
                cause => Fault::unavailable(format!("{url}: {cause}")),
            })
    }

    /// Posts a parcel; the whole may take as long as the configuration says.
    pub(super) async fn post(&self, url: &Url, parcel: Parcel) -> Result<Answer, Undelivered> {
        let mut driver = JoinSet::new();
        let request = request(url, parcel)?;
        let response = timeout(self.patience, self.ask(url, request, &mut driver))
            .await
            .or(Err(Undelivered::TimedOut(self.patience)))??;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        Ok(Answer {
            status,
            retry_after,
            beginning: beginning(response.into_body()).await,
        })
    }

    async fn ask(
        &self,
        url: &Url,
        request: Request<Full<Bytes>>,
        driver: &mut JoinSet<Result<(), hyper::Error>>,
    ) -> Result<Response<Incoming>, Undelivered> {
        let stream = connect(&self.admit(url).await?).await?;
        if url.scheme() != "https" {
            return exchange(stream, request, driver).await;
        }
        let stream = TlsConnector::from(self.tls()?)
            .connect(server_name(url)?, stream)
            .await
            .map_err(Undelivered::NoTls)?;
        exchange(stream, request, driver).await
    }

    /// The addresses of the host that may be connected to.
    async fn admit(&self, url: &Url) -> Result<Vec<Admitted>, Undelivered> {
        if url.scheme() != "https" && !self.private {
            return Err(Undelivered::PlainHttp);
        }
        let port = url.port_or_known_default().ok_or(Undelivered::NoAddress)?;
        let found = match url.host() {
            Some(Host::Ipv4(address)) => vec![IpAddr::V4(address)],
            Some(Host::Ipv6(address)) => vec![IpAddr::V6(address)],
            Some(Host::Domain(name)) => self
                .resolver
                .resolve(name)
                .await
                .or(Err(Undelivered::NoAddress))?,
            None => Vec::new(),
        };
        let admitted: Vec<_> = found
            .into_iter()
            .filter(|address| self.private || is_public(*address))
            .take(MOST_ADDRESSES)
            .map(|address| Admitted(SocketAddr::new(address, port)))
            .collect();
        if admitted.is_empty() {
            return Err(Undelivered::NoAddress);
        }
        Ok(admitted)
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, Fault> {
        if let Some(known) = self.tls.get() {
            return Ok(known.clone());
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = tls_config(roots)?;
        Ok(self.tls.get_or_init(|| config).clone())
    }
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carrier")
            .field("private", &self.private)
            .finish_non_exhaustive()
    }
}

fn tls_config(roots: RootCertStore) -> Result<Arc<ClientConfig>, Fault> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Fault::internal)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Whom the certificate must name.
fn server_name(url: &Url) -> Result<ServerName<'static>, Undelivered> {
    match url.host() {
        Some(Host::Ipv4(address)) => Ok(IpAddr::V4(address).into()),
        Some(Host::Ipv6(address)) => Ok(IpAddr::V6(address).into()),
        Some(Host::Domain(name)) => ServerName::try_from(name.trim_end_matches('.').to_owned())
            .map_err(|error| Undelivered::NoTls(io::Error::other(error))),
        None => Err(Undelivered::NoAddress),
    }
}

/// Connects to the first that answers.
async fn connect(addresses: &[Admitted]) -> Result<TcpStream, Undelivered> {
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for Admitted(address) in addresses {
        match timeout(CONNECT_PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_elapsed) => {}
        }
    }
    Err(Undelivered::NoConnection(last))
}

fn request(url: &Url, parcel: Parcel) -> Result<Request<Full<Bytes>>, Fault> {
    let mut request = Request::post(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(CONTENT_TYPE, "application/json")
        .header(
            USER_AGENT,
            concat!("Claviger-Webhooks/", env!("CARGO_PKG_VERSION")),
        );
    for (name, value) in parcel.headers {
        request = request.header(name, value);
    }
    request
        .body(Full::new(Bytes::from(parcel.body)))
        .map_err(Fault::internal)
}

/// Sends a request and waits for the head of the answer. The connection lives as long as `driver`.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
    driver: &mut JoinSet<Result<(), hyper::Error>>,
) -> Result<Response<Incoming>, Undelivered> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(LARGEST_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(Undelivered::NoAnswer)?;
    driver.spawn(connection);
    sender.send_request(request).await.map_err(Undelivered::NoAnswer)
}

/// What comes first of an answer, as text that a page and a database can hold.
async fn beginning(mut body: Incoming) -> String {
    let mut bytes = Vec::new();
    let read = async {
        while bytes.len() < LONGEST_ANSWER
            && let Some(Ok(frame)) = body.frame().await
        {
            if let Some(data) = frame.data_ref() {
                bytes.extend(data.iter().take(LONGEST_ANSWER - bytes.len()));
            }
        }
    };
    // It is known already how it went; what has not come by now is not waited for.
    let _ = timeout(ANSWER_PATIENCE, read).await;
    String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}")
}
