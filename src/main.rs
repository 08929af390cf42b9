use std::process::ExitCode;

use clap::Parser as _;
use claviger::{cli::Cli, config::Environment};

/// Of many small pieces that several threads take and give back at once, as a server does, this one makes less work than
/// the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    Cli::parse().run(&Environment::of_process())
}
