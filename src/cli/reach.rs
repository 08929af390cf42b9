//! Reaching the database: one's own, or the embedded one, whether a server runs it or not.

use crate::{
    app::{App, DatabaseUrls},
    config::{Config, Environment},
    db::embedded::{Cluster, EmbeddedError, Options},
    types::{Clock, Entropy},
};

use super::Refused;

/// A database within reach, for as long as this is kept.
pub(super) struct Reached {
    pub(super) urls: DatabaseUrls,
    pub(super) cluster: Option<Cluster>,
}

/// Connections of a node beside its pool: the lease, jobs, commands.
const CONNECTIONS_BESIDE_POOL: usize = 30;

/// For a command.
pub(super) async fn database(config: &Config, environment: &Environment) -> Result<Reached, EmbeddedError> {
    match own(config) {
        Some(reached) => Ok(reached),
        None => Cluster::attach_or_start(options(config, environment))
            .await
            .map(embedded),
    }
}

/// For a server, which keeps the embedded database until it stops.
pub(super) async fn database_to_serve(
    config: &Config,
    environment: &Environment,
) -> Result<Reached, EmbeddedError> {
    match own(config) {
        Some(reached) => Ok(reached),
        None => Cluster::start(options(config, environment)).await.map(embedded),
    }
}

fn own(config: &Config) -> Option<Reached> {
    let server = config.database.url.as_ref()?.expose().to_owned();
    let owner = config
        .database
        .owner_url
        .as_ref()
        .map_or_else(|| server.clone(), |url| url.expose().to_owned());
    Some(Reached {
        urls: DatabaseUrls { server, owner },
        cluster: None,
    })
}

fn embedded(cluster: Cluster) -> Reached {
    Reached {
        urls: DatabaseUrls {
            server: cluster.server_url(),
            owner: cluster.owner_url(),
        },
        cluster: Some(cluster),
    }
}

fn options(config: &Config, environment: &Environment) -> Options {
    let mut options = Options::new(&config.data_dir);
    options.bin_dir.clone_from(&config.database.pg_bin);
    options.path = environment.get("PATH").map(Into::into);
    let connections = config
        .database
        .connections
        .saturating_add(CONNECTIONS_BESIDE_POOL);
    options.max_connections = options
        .max_connections
        .max(u16::try_from(connections).unwrap_or(u16::MAX));
    options
}

impl Reached {
    /// Lets the database go, and stops it if it was started for this command.
    pub(super) async fn leave(self) {
        if let Some(cluster) = self.cluster {
            cluster.stop().await;
        }
    }
}

/// Does something with all capabilities at hand, on the database that the configuration names.
pub(super) async fn with_app<T, F>(
    config: Config,
    environment: &Environment,
    act: impl FnOnce(App) -> F,
) -> Result<T, Refused>
where
    F: Future<Output = Result<T, Refused>>,
{
    let reached = database(&config, environment).await?;
    let done = async {
        let app = App::detached(config.into(), Clock::system(), Entropy::system(), &reached.urls).await?;
        let done = act(app.clone()).await;
        app.stop().await;
        done
    }
    .await;
    reached.leave().await;
    done
}
