//! What a request costs: the built portcullis beside a bare pingora that only passes requests on, in one run; and all
//! else that the gateway is held to: issuing, memory, the start, and what others notice of a sweep or of guesses.
//!
//! All proxies stand before the same small upstream and answer the same authenticated GET over a few connections that
//! stay open. Each proxies on one thread; portcullis has its metrics on. The CPU time of a proxy's process is what
//! counts: the generator here and the upstream share the machine with it, so the rate says less. They are driven in
//! turn, in an order that rotates, and a ratio is the median over the rounds.
//!
//! `benches/load/run` builds and runs it; `benches/load/run --short` measures ratios alone, and fails if one is a quarter
//! above its bar. Both fail if an answer is not as it should be. portcullis is built as it is released, optimised by a
//! profile (`benches/load/pgo`); the bare proxy by the bench profile: thin LTO, one codegen unit, the system's allocator.

#![expect(clippy::print_stdout, reason = "the figures are what this is for")]

mod beside;
mod chart;
mod command;
mod connection;
mod field;
mod figures;
mod forms;
mod gateway;
mod generator;
mod head;
mod machine;
mod nginx;
mod pass_through;
mod process;
mod race;
mod requests;
mod rules;
mod startup;
mod store;
mod table;
mod upstream;

use std::{env, error::Error, path::Path};

use tokio::runtime::Builder;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The built portcullis, if this is the path of one.
fn program(path: &str) -> Outcome<&Path> {
    let program = Path::new(path);
    let hint = "build it by cargo build --release, or run all of this by benches/load/run";
    if program.is_file() { Ok(program) } else { Err(format!("{path} is no program: {hint}").into()) }
}

/// Cargo gives `--bench`, after the path of portcullis and perhaps that of another build; the other words are those with
/// which this program starts itself again.
fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    match *words.as_slice() {
        ["upstream", address] => upstream::run(address.parse()?),
        ["pass-through", behind, address] => pass_through::run(address.parse()?, behind.parse()?),
        [path, "--bench"] => runtime.block_on(forms::full(program(path)?, None)),
        [path, "--short", "--bench"] => runtime.block_on(forms::short(program(path)?)),
        [path, plain, "--bench"] => runtime.block_on(forms::full(program(path)?, Some(program(plain)?))),
        _ => Err("which portcullis? Run this by benches/load/run, which builds it and says where it is".into()),
    }
}
