use std::process::ExitCode;

use clap::Parser as _;
use claviger::{cli::Cli, config::Environment};

fn main() -> ExitCode {
    Cli::parse().run(&Environment::of_process())
}
