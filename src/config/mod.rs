//! Floor 6, the configuration: TOML and the environment in, [`Settings`] out, or a [`Report`] of every mistake.
//!
//! The way of a file: its text becomes a tree in which everything knows its place (`document`), the overrides of the
//! environment are laid over it, each section is read into the settings of the module it is for (`sections`,
//! `tls`, `identity`, `upstream`, `servers`, `rule`; their files by `files` and `pem`), and what went wrong on the way is
//! told all at once (`reader`, `report`).
//! Nothing below this floor knows of TOML. A list of clients (`clients`) goes the same way, without the environment.

mod clients;
mod document;
mod environment;
mod files;
mod headers;
mod identity;
mod limits;
mod pem;
mod reader;
mod report;
mod rule;
mod sections;
mod servers;
mod settings;
mod source;
mod tls;
mod upstream;
mod values;

#[cfg(test)]
mod tests;

pub use clients::{DeclaredClient, load_clients};
pub use environment::Environment;
pub use files::WatchedFile;
pub use report::{Diagnostic, Report, Severity};
pub use settings::{Settings, restart_needed};

use std::path::Path;

use crate::edge::LiveSettings;
use reader::{Reading, Reported, Table, Value};

/// What a configuration is loaded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To serve requests: every secret must be there.
    Serve,
    /// To look at it, or to open the store it names: a secret that is not in the environment is a warning, and its
    /// header is left out.
    Check,
}

/// A configuration without errors.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it says.
    pub settings: Settings,
    /// What may not be meant as it stands, or will be missed when it serves.
    pub warnings: Report,
}

/// Loads the configuration of `source`, with the overrides of `environment` over it. Writes nothing and opens nothing
/// but the file and the secrets it refers to.
///
/// # Errors
/// A [`Report`] of every mistake in it (and of no warning), or of the one reason why it cannot be read.
pub fn load(source: &Path, environment: &Environment, purpose: Purpose) -> Result<Loaded, Report> {
    let text = source::read(source, &source::CONFIGURATION)?;
    interpret(source, &text, environment, purpose)
}

/// Reads the text of `source`.
fn interpret(source: &Path, text: &str, environment: &Environment, purpose: Purpose) -> Result<Loaded, Report> {
    let file = source.display().to_string();
    let mut tree = source::parse(&file, text)?;
    environment.overrides().for_each(|change| tree.lay_over(&change));

    let folder = source.parent().unwrap_or(Path::new(""));
    let reading = Reading::new(environment, folder, purpose);
    let settings = Value::root(&tree, &reading).table().map(settings_of);
    let settings = settings.map(|settings| Settings { files: reading.watched(), ..settings });
    let (errors, warnings) = reading.diagnostics(&file, text);
    match settings {
        Ok(settings) if errors.is_empty() => Ok(Loaded { settings, warnings: Report::new(warnings) }),
        Ok(_) | Err(Reported) => Err(Report::new(errors)),
    }
}

/// Reads the whole document.
fn settings_of(mut root: Table<'_>) -> Settings {
    let (server, public_url, tls) = sections::server(root.section("server"));
    let admin_listen = sections::admin(root.section("admin"), &server.listen);
    let store = sections::store(root.section("store"));
    let tokens = sections::tokens(root.section("tokens"));
    let identity = identity::identity(root.section("identity"));
    let (limit, token_requests) = limits::limits(root.section("limits"));
    let log = sections::log(root.section("log"));
    let shared =
        upstream::Shared { identity: &identity, methods: &server.methods, expose_management: server.expose_management };
    let live = LiveSettings { tls, limit, ..upstream::upstreams(&root.section("upstreams"), &shared) };
    root.finish();
    Settings { server, public_url, admin_listen, store, tokens, token_requests, log, live, files: Vec::new() }
}
