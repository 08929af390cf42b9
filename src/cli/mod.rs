//! The command line: one file for each command. What a command does to the data it does by the same acts as the
//! pages, so it works while servers run and is in force on all of them when it returns.

mod account;
mod api_key;
mod app;
mod client;
mod client_create;
mod configuration;
mod doctor;
mod issuer;
mod keys;
mod migrate;
mod output;
mod owner;
mod reach;
mod scope;
mod serve;
mod user;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    app::StartError,
    config::{self, Config, ConfigError, Environment},
    db::embedded::EmbeddedError,
    server::BindError,
    types::Fault,
};

/// Claviger issues, keeps and takes back credentials: OAuth 2.0 and OpenID Connect in one server.
#[derive(Debug, Parser)]
#[command(name = "claviger", version, propagate_version = true)]
pub struct Cli {
    /// The configuration file (TOML); CLAVIGER_… variables go over it
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server
    Serve,
    /// Bring the database up to this version
    Migrate,
    /// Look at this deployment, and say what to mend
    Doctor,
    /// People
    #[command(subcommand)]
    User(user::Command),
    /// Apps, and what their API keys may do
    #[command(subcommand)]
    App(app::Command),
    /// API keys
    #[command(subcommand)]
    Key(api_key::Command),
    /// Accounts and their members
    #[command(subcommand)]
    Account(account::Command),
    /// OAuth clients
    #[command(subcommand)]
    Client(client::Command),
    /// The catalogue of scopes
    #[command(subcommand)]
    Scope(scope::Command),
    /// The server's own keys
    #[command(subcommand)]
    Keys(keys::Command),
    /// Print or check the configuration
    #[command(subcommand)]
    Config(configuration::Command),
}

/// Why a command did nothing: a sentence for whoever typed it.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{0}")]
    Because(String),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("{0}")]
    Start(StartError),
    #[error("{}", fault_sentence(.0))]
    Fault(Fault),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<StartError> for Refused {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Fault(fault) => Self::Fault(fault),
            other => Self::Start(other),
        }
    }
}

fn fault_sentence(fault: &Fault) -> String {
    match fault {
        Fault::Unavailable(cause) => format!("the database cannot be reached: {cause}"),
        Fault::Internal(cause) => cause.to_string(),
    }
}

impl Cli {
    /// Runs the command: 0, or 1 with a sentence on standard error. (Usage errors are 2, by clap.)
    #[must_use]
    pub fn run(self, environment: &Environment) -> ExitCode {
        let file = self.config.as_deref();
        let done = match self.command {
            Command::Config(command) => command.run(file, environment),
            Command::Serve => config::load(file, environment)
                .map_err(Refused::from)
                .and_then(|config| serve::run(config, environment)),
            Command::Migrate => act(file, environment, |config| migrate::run(config, environment)),
            Command::Doctor => act(file, environment, |config| doctor::run(config, environment)),
            Command::User(command) => act(file, environment, |config| {
                reach::with_app(config, environment, |app| command.run(app))
            }),
            Command::App(command) => act(file, environment, |config| {
                reach::with_app(config, environment, |app| command.run(app))
            }),
            Command::Key(command) => act(file, environment, |config| {
                reach::with_app(config, environment, |app| command.run(app))
            }),
            Command::Account(command) => act(file, environment, |config| {
                reach::with_app(config, environment, |app| command.run(app))
            }),
            Command::Client(command) => act(file, environment, |config| {
                reach::with_app(config, environment, |app| command.run(app))
            }),
            Command::Scope(command) => act(file, environment, |config| {
                reach::with_app(config, environment, |app| command.run(app))
            }),
            Command::Keys(command) => act(file, environment, async |config| {
                match command.without_database(&config) {
                    Some(done) => done,
                    None => Box::pin(reach::with_app(config, environment, |app| command.run(app))).await,
                }
            }),
        };
        match done {
            Ok(code) => code,
            Err(refused) => {
                output::complain(&refused);
                ExitCode::FAILURE
            }
        }
    }
}

/// Runs a command that ends by itself.
fn act<F>(
    file: Option<&std::path::Path>,
    environment: &Environment,
    command: impl FnOnce(Config) -> F,
) -> Result<ExitCode, Refused>
where
    F: Future<Output = Result<(), Refused>>,
{
    let config = config::load(file, environment)?;
    output::log_for_command(&config);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(command(config))?;
    Ok(ExitCode::SUCCESS)
}
