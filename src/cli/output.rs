//! What a command says: answers on standard output, complaints and the log on standard error.

use std::io::Write as _;

use serde_json::Value;
use tracing_subscriber::{EnvFilter, fmt};

use super::Refused;
use crate::config::{Config, LogFormat};

/// One line, or several, on standard output. That nobody reads is no reason to fail.
pub(super) fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// One line of JSON for scripts, or the same for people.
pub(super) fn answer(json: bool, value: &Value, text: impl FnOnce() -> String) {
    if json {
        say(&value.to_string());
    } else {
        say(&text());
    }
}

/// Rows under a heading, each column as wide as its widest cell.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(heading.map(str::to_owned)).chain(rows).collect();
    let widths: Vec<usize> = (0..N)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let line = |row: &[String; N]| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

pub(super) fn complain(refused: &Refused) {
    let _ = writeln!(std::io::stderr().lock(), "claviger: {refused}");
}

/// What libraries say of themselves at every start tells nobody anything.
const QUIET: &str = "actix_server=warn";

/// The log of a server.
pub(super) fn log(config: &Config) -> Result<(), Refused> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", config.log.filter))
        .map_err(|error| Refused::Because(format!("log.filter: {error}")))?;
    start_log(config, filter);
    Ok(())
}

/// A command speaks for itself: only warnings are logged, unless the configuration asks for something of its own.
pub(super) fn log_for_command(config: &Config) {
    let default = Config::default().log.filter;
    let filter = if config.log.filter == default {
        "warn"
    } else {
        &config.log.filter
    };
    if let Ok(filter) = EnvFilter::try_new(filter) {
        start_log(config, filter);
    }
}

fn start_log(config: &Config, filter: EnvFilter) {
    let log = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Another subscriber is there only in tests, which want their own.
    let _ = match config.log.format {
        LogFormat::Text => log
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}
