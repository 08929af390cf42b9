//! Opening one connection, over TLS where the URL asks for it.

use std::time::Duration;

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::{NoTls, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a database that has gone without a word (a failover, a cable) may keep us waiting, unless the URL says
/// otherwise: the system's own patience is a quarter of an hour.
const SILENCE: Duration = Duration::from_secs(10);

/// A connection to `url`, driven by the runtime that calls.
pub(super) async fn connect(url: &str) -> ConnectionResult<AsyncPgConnection> {
    let mut config: tokio_postgres::Config = url.parse().map_err(|error| bad_connection(&error))?;
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENCE);
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(SILENCE);
    }
    if config.get_ssl_mode() == SslMode::Disable || only_sockets(&config) {
        let (client, connection) = config
            .connect(NoTls)
            .await
            .map_err(|error| bad_connection(&error))?;
        return AsyncPgConnection::try_from_client_and_connection(client, connection).await;
    }
    let (client, connection) = config
        .connect(MakeRustlsConnect::new(tls_config()))
        .await
        .map_err(|error| bad_connection(&error))?;
    AsyncPgConnection::try_from_client_and_connection(client, connection).await
}

fn only_sockets(config: &tokio_postgres::Config) -> bool {
    config
        .get_hosts()
        .iter()
        .all(|host| matches!(host, tokio_postgres::config::Host::Unix(_)))
}

fn tls_config() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// The driver's own words say only "db error"; the cause behind them says which.
fn bad_connection(error: &tokio_postgres::Error) -> ConnectionError {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    ConnectionError::BadConnection(
        cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")),
    )
}
