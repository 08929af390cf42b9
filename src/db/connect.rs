//! Opening one connection, over TLS where the URL asks for it.

use std::time::Duration;

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{AsyncConnection as _, AsyncPgConnection};
use tokio_postgres::{Client, Connection, NoTls, Socket, config::SslMode, tls::TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{url::Target, watch::Watch};

/// How long a database that has gone without a word (a failover, a cable) may keep us waiting, unless the URL says
/// otherwise: the system's own patience is a quarter of an hour.
const SILENCE: Duration = Duration::from_secs(10);

/// How a connection is used.
#[derive(Clone, Copy, Debug)]
pub(super) enum Use<'w> {
    /// By who has a patience of their own: it hears notifications, and statements take as long as they take.
    Listening,
    /// For statements that are given up after that while, in the database and here.
    Within(Duration, &'w Watch),
}

/// A connection to `url`, driven by the runtime that calls.
pub(super) async fn connect(url: &str, purpose: Use<'_>) -> ConnectionResult<AsyncPgConnection> {
    let Target { mut config, trust } = url
        .parse()
        .map_err(|error: super::url::BadUrl| ConnectionError::BadConnection(error.to_string()))?;
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENCE);
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(SILENCE);
    }
    if config.get_ssl_mode() == SslMode::Disable {
        let opened = config.connect(NoTls).await;
        return establish(opened.map_err(|error| bad_connection(&error))?, purpose).await;
    }
    let tls = trust.config().map_err(ConnectionError::BadConnection)?;
    let opened = config.connect(MakeRustlsConnect::new(tls)).await;
    establish(opened.map_err(|error| bad_connection(&error))?, purpose).await
}

async fn establish<S>(
    (client, connection): (Client, Connection<Socket, S>),
    purpose: Use<'_>,
) -> ConnectionResult<AsyncPgConnection>
where
    S: TlsStream + Unpin + Send + 'static,
{
    let (patience, watch) = match purpose {
        Use::Listening => return AsyncPgConnection::try_from_client_and_connection(client, connection).await,
        Use::Within(patience, watch) => (patience, watch),
    };
    tokio::spawn(watch.clone().drive(connection, patience));
    client
        .batch_execute(&format!("SET statement_timeout = {}", patience.as_millis()))
        .await
        .map_err(|error| bad_connection(&error))?;
    let mut connection = AsyncPgConnection::try_from(client).await?;
    connection.set_instrumentation(watch.clone());
    Ok(connection)
}

/// The driver's own words say only "db error"; the cause behind them says which.
fn bad_connection(error: &tokio_postgres::Error) -> ConnectionError {
    let cause = std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"));
    let hint = if cause.contains("invalid peer certificate") {
        " (in the database's URL, sslrootcert=FILE says whom to trust, sslmode=verify-ca does not ask for the host's \
         name, and sslmode=require asks for nothing)"
    } else {
        ""
    };
    ConnectionError::BadConnection(format!("{error}{cause}{hint}"))
}
