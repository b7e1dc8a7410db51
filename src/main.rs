//! The program: all of it is in the library, so that its tests reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    portcullis::cli::run()
}
