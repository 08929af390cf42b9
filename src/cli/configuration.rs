//! `claviger config`: what is in force, whether it is sound, and what there is to set.

use std::{path::Path, process::ExitCode};

use clap::Subcommand;

use super::{Refused, output::say};
use crate::config::{self, Environment};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print the configuration in force as a TOML file, each key with its meaning; secrets are hidden
    Print,
    /// Check the configuration, and name the line or variable at fault
    Check,
    /// Print all keys as a Markdown table
    Reference,
}

impl Command {
    pub(super) fn run(&self, file: Option<&Path>, environment: &Environment) -> Result<ExitCode, Refused> {
        match self {
            Self::Print => {
                let config = config::load(file, environment)?;
                say(config::print(&config).trim());
            }
            Self::Check => {
                config::load(file, environment)?;
                say("The configuration is sound.");
            }
            Self::Reference => say(config::reference().trim_end()),
        }
        Ok(ExitCode::SUCCESS)
    }
}
