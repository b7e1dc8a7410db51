//! Floor 6, the configuration: TOML and the environment in, [`Settings`] out, or a [`Report`] of every mistake.
//!
//! The way of a file: its text becomes a tree in which everything knows its place (`document`), the overrides of the
//! environment are laid over it, each section is read into the settings of the module it is for (`sections`,
//! `identity`, `upstream`, `rule`), and what went wrong on the way is told all at once (`reader`, `report`). Nothing
//! below this floor knows of TOML.

mod document;
mod environment;
mod headers;
mod identity;
mod reader;
mod report;
mod rule;
mod sections;
mod settings;
mod upstream;
mod values;

#[cfg(test)]
mod tests;

pub use environment::Environment;
pub use report::{Diagnostic, Report, Severity};
pub use settings::{Settings, restart_needed};

use std::path::Path;

use document::Node;
use reader::{Reading, Reported, Table, Value};
use toml::de::DeTable;

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
    let file = source.display().to_string();
    let bytes = std::fs::read(source).map_err(|error| unreadable(&file, &error))?;
    let text = String::from_utf8(bytes).map_err(|error| not_utf8(&file, &error))?;
    interpret(source, &text, environment, purpose)
}

/// Reads the text of `source`.
fn interpret(source: &Path, text: &str, environment: &Environment, purpose: Purpose) -> Result<Loaded, Report> {
    let file = source.display().to_string();
    let tree = DeTable::parse(text).map_err(|error| syntax(&file, text, &error))?;
    let mut tree = Node::from_toml(tree);
    environment.overrides().for_each(|change| tree.lay_over(&change));

    let folder = source.parent().unwrap_or(Path::new(""));
    let reading = Reading::new(environment, folder, purpose);
    let settings = Value::root(&tree, &reading).table().map(settings_of);
    let (errors, warnings) = reading.diagnostics(&file, text);
    match settings {
        Ok(settings) if errors.is_empty() => Ok(Loaded { settings, warnings: Report::new(warnings) }),
        Ok(_) | Err(Reported) => Err(Report::new(errors)),
    }
}

/// Reads the whole document.
fn settings_of(mut root: Table<'_>) -> Settings {
    let (server, public_url) = sections::server(root.section("server"));
    let admin_listen = sections::admin(root.section("admin"), &server.listen);
    let store = sections::store(root.section("store"));
    let tokens = sections::tokens(root.section("tokens"));
    let identity = identity::identity(root.section("identity"));
    root.not_supported(&["limits"]);
    let log = sections::log(root.section("log"));
    let shared =
        upstream::Shared { identity: &identity, methods: &server.methods, expose_management: server.expose_management };
    let live = upstream::upstreams(&root.section("upstreams"), &shared);
    root.finish();
    Settings { server, public_url, admin_listen, store, tokens, log, live }
}

fn unreadable(file: &str, error: &std::io::Error) -> Report {
    let help = match error.kind() {
        std::io::ErrorKind::NotFound => "name the file with --config, or write one: config/minimal.toml is a start",
        std::io::ErrorKind::IsADirectory => "name the file in it",
        _ => "see that the file can be read by the user that runs Portcullis",
    };
    let message = format!("the configuration cannot be read: {error}");
    Report::new(vec![Diagnostic::of_whole(file.to_owned(), String::new(), message, help.to_owned())])
}

fn not_utf8(file: &str, error: &std::string::FromUtf8Error) -> Report {
    let readable = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(error.as_bytes());
    let message = "the configuration is not UTF-8 text".to_owned();
    let whole = Diagnostic::of_whole(file.to_owned(), String::new(), message, "save the file as UTF-8".to_owned());
    Report::new(vec![whole.at(&text, &(readable..readable + 1))])
}

fn syntax(file: &str, text: &str, error: &toml::de::Error) -> Report {
    let message = format!("not TOML: {}", error.message().replace('\n', ", "));
    let help = "correct the line; the form is that of https://toml.io".to_owned();
    let whole = Diagnostic::of_whole(file.to_owned(), String::new(), message, help);
    Report::new(vec![whole.at(text, &error.span().unwrap_or(0..0))])
}
