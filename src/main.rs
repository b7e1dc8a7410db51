//! Parses the command line and maps the result to an exit code.

use std::process::ExitCode;

use clap::Parser;
use portcullis::cli::{self, Cli};

fn main() -> ExitCode {
    cli::run(Cli::parse())
}
