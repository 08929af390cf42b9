//! `claviger serve`.

use std::{panic, path::PathBuf, process::ExitCode};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Refused, output, reach};
use crate::{
    app::App,
    config::{Config, Environment, MasterKeySource},
    server::Server,
    types::{Clock, Entropy},
};

/// Threads for what is beside the requests, which have threads of their own: the revocation log, jobs, and the
/// watch over the embedded database. Two, so that a lease is renewed while a job is busy.
const THREADS_BESIDE: usize = 2;

pub(super) fn run(config: Config, environment: &Environment) -> Result<ExitCode, Refused> {
    if config.is_plain_http_abroad() && !config.server.allow_plain_http {
        return Err(Refused::Because(format!(
            "issuer: passwords and tokens would cross the network in clear under {}; set an https URL, or \
             server.allow_plain_http = true if you want that",
            config.issuer()
        )));
    }
    output::log(&config)?;
    panic::set_hook(Box::new(
        |panic| tracing::error!(%panic, "a bug: a thread panicked"),
    ));
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS_BESIDE)
        .enable_all()
        .build()?
        .block_on(serve(config, environment))
}

async fn serve(config: Config, environment: &Environment) -> Result<ExitCode, Refused> {
    // Before anything is started that would have to be stopped again.
    let mut asked_to_stop = StopSignals::new()?;
    let reached = tokio::select! {
        reached = reach::database_to_serve(&config, environment) => reached?,
        () = asked_to_stop.next() => return Ok(ExitCode::SUCCESS),
    };
    let served = run_on(config, &reached, &mut asked_to_stop).await;
    reached.leave().await;
    served
}

async fn run_on(
    config: Config,
    reached: &reach::Reached,
    asked_to_stop: &mut StopSignals,
) -> Result<ExitCode, Refused> {
    let app = tokio::select! {
        app = App::start(config.into(), Clock::system(), Entropy::system(), &reached.urls) => app?,
        () = asked_to_stop.next() => return Ok(ExitCode::SUCCESS),
    };
    let server = match app.bind() {
        Ok(server) => server,
        Err(error) => {
            app.stop().await;
            return Err(error.into());
        }
    };
    let background = app.start_background();
    let handle = server.handle();
    let welcome = welcome(&app, &server, reached.cluster.is_some()).await;
    let mut running = tokio::spawn(server.run());
    match welcome {
        Ok(welcome) => output::say(&welcome),
        Err(refused) => tracing::warn!(%refused, "no word of welcome"),
    }
    let ended_by_itself = tokio::select! {
        ended = &mut running => Some(ended),
        () = asked_to_stop.next() => None,
    };
    let stop = async {
        let ended = if let Some(ended) = ended_by_itself {
            ended
        } else {
            tracing::info!(
                "stopping: requests that have begun are answered first; a second signal stops at once"
            );
            handle.stop(true).await;
            (&mut running).await
        };
        background.stop().await;
        app.stop().await;
        ended
    };
    tokio::select! {
        ended = stop => {
            tracing::info!("stopped");
            match ended {
                Ok(result) => result.map_err(Refused::from).map(|()| ExitCode::SUCCESS),
                Err(error) => Err(Refused::Because(format!("the server failed: {error}"))),
            }
        }
        () = asked_to_stop.next() => {
            // A server that stops gracefully reads no further command; one that is dropped ends its workers.
            running.abort();
            let _ = running.await;
            tracing::warn!("stopped at once: requests, jobs or mail may not have come to their end");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// SIGTERM, as service managers send it, and SIGINT, as Ctrl-C does.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Where to begin, in a few lines.
async fn welcome(app: &App, server: &Server, embedded: bool) -> Result<String, Refused> {
    let config = &app.config;
    let issuer = config.issuer();
    let mut lines = vec![
        String::new(),
        format!("  Claviger {} is ready:  {issuer}/", env!("CARGO_PKG_VERSION")),
    ];
    match app.identity.first_operator_link().await? {
        Some(link) => lines.push(format!("  Become its operator:     {link}")),
        None => lines.push(format!("  Sign in:                 {issuer}/sign-in")),
    }
    let data: PathBuf = tokio::fs::canonicalize(&config.data_dir)
        .await
        .unwrap_or_else(|_| config.data_dir.clone());
    let mut kept: Vec<&str> = Vec::new();
    if embedded {
        kept.push("database");
    }
    if config.master_key.source == MasterKeySource::File {
        kept.push("master key");
    }
    if config.mail.smtp_url.is_none() {
        kept.push("mail");
    }
    if !kept.is_empty() {
        lines.push(format!(
            "  Data:                    {} ({})",
            data.display(),
            kept.join(", ")
        ));
    }
    if let Some(address) = server.metrics_address() {
        lines.push(format!("  Metrics:                 http://{address}/metrics"));
    }
    lines.push("  Stop:                    Ctrl-C".to_owned());
    lines.push(String::new());
    Ok(lines.join("\n"))
}
