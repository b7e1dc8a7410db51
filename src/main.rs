//! The program: all of it is in the library, so that its tests reach it.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A request makes some dozens of small allocations, most of them pingora's: this one serves them in less time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    portcullis::cli::run()
}
