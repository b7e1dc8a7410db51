//! Floor 6, the command line: what a person types, and what each verb prints.
//!
//! Data goes to standard output, words for people to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage or
//! configuration. A secret is never an argument: arguments are seen by every user of the machine.

mod apply;
mod check;
mod client;
mod context;
mod demo;
mod health;
mod http_client;
mod org;
mod output;
mod report;
mod sample;
mod serve;
mod story;
mod token;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use context::Context;

/// An OAuth 2.0 server for machine clients and the proxy that checks its tokens, in one binary.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    /// The configuration [default: ./portcullis.toml, then /etc/portcullis/portcullis.toml]
    #[arg(short, long, global = true, env = "PORTCULLIS_CONFIG", value_name = "FILE", value_parser = clap::value_parser!(OsString))]
    config: Option<OsString>,
    /// The form of what is printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(subcommand)]
    verb: Verb,
}

/// The form of what a verb prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Words for people
    Text,
    /// One JSON document a line, with the field names of the API
    Json,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show everything at once: a sample API, the gateway before it, a client, and curl lines to try
    Demo(demo::Demo),
    /// Run the gateway
    Serve,
    /// Show every mistake in the configuration
    Check,
    /// Organisations: the owners of clients
    #[command(subcommand)]
    Org(org::Org),
    /// Clients: the programs that ask for tokens
    #[command(subcommand)]
    Client(client::ClientVerb),
    /// Tokens: issue, look at, revoke
    #[command(subcommand)]
    Token(token::TokenVerb),
    /// Show what upstreams with `mode = "observe"` would have refused, and what would let it through
    Report(report::Report),
    /// Ask a running gateway whether it is ready
    Health(health::Health),
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Does what the command line of this process says.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error),
    };
    // Set but empty is not set.
    let config = cli.config.filter(|config| !config.is_empty()).map(PathBuf::from);
    let context = Context::new(config, cli.format);
    let done = match cli.verb {
        Verb::Demo(demo) => demo::run(&demo),
        Verb::Serve => serve::run(&context),
        Verb::Check => check::run(&context),
        Verb::Org(org) => org::run(org, &context),
        Verb::Client(client) => client::run(client, &context),
        Verb::Token(token) => token::run(token, &context),
        Verb::Report(report) => report::run(&report, &context),
        Verb::Health(health) => health::run(&health, &context),
        Verb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "portcullis", &mut script);
            output::print(String::from_utf8_lossy(&script).trim_end())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
