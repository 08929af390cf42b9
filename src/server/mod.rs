//! Assembles the HTTP side: the route table, what happens around each request, health, metrics, TLS, and the
//! graceful stop.

mod assets;
mod fallback;
mod health;
mod measure;
mod metrics;
mod routes;
mod tls;

use std::{io, net::SocketAddr, net::TcpListener, sync::Arc, time::Duration};

use actix_web::{
    App, HttpServer,
    dev::{Server as ActixServer, ServerHandle},
    middleware::from_fn,
    web::Data,
};

use tokio::{net::TcpSocket, time::sleep};

use crate::{
    config::Config,
    crypto::Keyring,
    db::Db,
    identity::Identity,
    jobs::Runner,
    keys::Keys,
    leaks::Leaks,
    oauth::Authority,
    revocation::Revocations,
    types::{Clock, Entropy},
    web::around,
    webhooks::Webhooks,
};
use measure::{HttpMetrics, WorkerMetrics, measure};
use metrics::Metrics;
use tls::Renewal;
pub use tls::TlsError;

/// All that is served.
#[derive(Clone)]
pub struct Services {
    pub config: Arc<Config>,
    pub clock: Clock,
    pub entropy: Entropy,
    pub db: Db,
    pub keyring: Keyring,
    pub revocations: Revocations,
    pub identity: Identity,
    pub authority: Authority,
    pub keys: Keys,
    pub leaks: Leaks,
    pub webhooks: Webhooks,
    pub runner: Runner,
}

/// Why the server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("cannot listen on {address} ({variable}): {cause}")]
    Address {
        address: SocketAddr,
        variable: &'static str,
        cause: io::Error,
    },
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A server that listens; [`Server::run`] answers.
pub struct Server {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    main: ActixServer,
    metrics: Option<ActixServer>,
    renewal: Option<Renewal>,
}

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;
/// How long a connection is kept open for the next request: longer than load balancers keep theirs (60 s), so
/// that none sends a request into a connection that is being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a worker may take, told to stop, to look at the connections that were handed to it before.
const HANDING_OVER: Duration = Duration::from_millis(200);
/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

impl Server {
    /// Listens where the configuration says; port 0 is any that is free. Within a runtime.
    ///
    /// # Errors
    ///
    /// [`BindError`].
    pub fn bind(services: &Services) -> Result<Self, BindError> {
        Self::bind_to(services, listen(services.config.listen, "CLAVIGER_LISTEN")?)
    }

    /// Answers on a socket that listens already.
    ///
    /// # Errors
    ///
    /// [`BindError`].
    pub fn bind_to(services: &Services, listener: TcpListener) -> Result<Self, BindError> {
        let config = &services.config;
        let (tls, renewal) = match tls::terminate(&config.server.tls)? {
            Some(terminated) => (Some(terminated.config), Some(terminated.renewal)),
            None => (None, None),
        };
        let http_metrics = HttpMetrics::default();
        let metrics_listener = config
            .server
            .metrics_listen
            .map(|address| listen(address, "CLAVIGER_SERVER__METRICS_LISTEN"))
            .transpose()?;
        let metrics_address = metrics_listener.as_ref().and_then(|own| own.local_addr().ok());
        let at_fault = |cause| BindError::Address {
            address: config.listen,
            variable: "CLAVIGER_LISTEN",
            cause,
        };
        let address = listener.local_addr().map_err(at_fault)?;
        let metrics = metrics_listener
            .map(|listener| private_server(services, &http_metrics, listener))
            .transpose()
            .map_err(at_fault)?;

        let services = services.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(Data::new(WorkerMetrics::new(http_metrics.clone())))
                .configure(|routes| routes::configure(&services, routes))
                .default_service(fallback::service())
                .wrap(from_fn(measure))
                .wrap(from_fn(around))
        })
        .workers(workers(config.server.workers))
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .shutdown_timeout(config.server.shutdown_grace.duration().as_secs())
        .disable_signals();
        let server = match tls {
            Some(tls) => server.listen_rustls_0_23(listener, tls),
            None => server.listen(listener),
        };
        Ok(Self {
            address,
            metrics_address,
            main: server.map_err(at_fault)?.run(),
            metrics,
            renewal,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it serves metrics, if it does.
    #[must_use]
    pub const fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Stops the server from elsewhere.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle {
            main: self.main.handle(),
            metrics: self.metrics.as_ref().map(ActixServer::handle),
        }
    }

    /// Answers until it is [told to stop](Handle::stop).
    ///
    /// # Errors
    ///
    /// If the listener fails.
    pub async fn run(self) -> io::Result<()> {
        let metrics = async {
            match self.metrics {
                Some(metrics) => metrics.await,
                None => Ok(()),
            }
        };
        let renewal = self.renewal.map(|renewal| tokio::spawn(renewal.run()));
        let (main, metrics) = futures_util::future::join(self.main, metrics).await;
        if let Some(renewal) = renewal {
            renewal.abort();
        }
        main.and(metrics)
    }
}

/// Stops a running server.
#[derive(Clone)]
pub struct Handle {
    main: ServerHandle,
    metrics: Option<ServerHandle>,
}

impl Handle {
    /// Takes no more connections; gracefully, requests that have begun are answered first, for as long as the
    /// configuration allows.
    pub async fn stop(&self, graceful: bool) {
        if graceful {
            // A worker that is told to stop closes what was handed to it and it has not looked at yet, though a request
            // may be in it already: so first it gets no more, and a moment to look.
            self.main.pause().await;
            sleep(HANDING_OVER).await;
        }
        let main = self.main.stop(graceful);
        let metrics = self.metrics.as_ref().map(|metrics| metrics.stop(graceful));
        main.await;
        if let Some(metrics) = metrics {
            metrics.await;
        }
    }
}

fn listen(address: SocketAddr, variable: &'static str) -> Result<TcpListener, BindError> {
    let listen = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // A server that was just stopped must not keep the next one from its address.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)?.into_std()
    };
    listen().map_err(|cause| BindError::Address {
        address,
        variable,
        cause,
    })
}

fn workers(configured: usize) -> usize {
    match configured {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        some => some,
    }
}

/// Health and metrics for those who run the server, on an address that nobody else reaches.
fn private_server(
    services: &Services,
    http_metrics: &HttpMetrics,
    listener: TcpListener,
) -> io::Result<ActixServer> {
    let metrics = Data::new(Metrics::new(services.clone(), http_metrics));
    let health = Data::new(health::Health::of(services));
    Ok(HttpServer::new(move || {
        App::new()
            .app_data(metrics.clone())
            .app_data(health.clone())
            .configure(health::routes)
            .configure(metrics::routes)
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(1)
    .listen(listener)?
    .run())
}
