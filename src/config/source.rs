//! A file on its way to a tree: its bytes, its text, its TOML; or the one reason why there is none.

use std::{io, path::Path, string::FromUtf8Error};

use toml::de::DeTable;

use super::{
    document::Node,
    report::{Diagnostic, Report},
};

/// What a file is, in words for whoever named one that cannot be read.
pub(super) struct Kind {
    name: &'static str,
    if_absent: &'static str,
}

/// The configuration.
pub(super) const CONFIGURATION: Kind = Kind {
    name: "the configuration",
    if_absent: "name the file with --config, or write one: config/minimal.toml is a start",
};

/// A list of clients.
pub(super) const CLIENTS: Kind = Kind {
    name: "the list of clients",
    if_absent: "name a file that is there, or write one as config/clients.toml is",
};

/// The text of `source`.
pub(super) fn read(source: &Path, kind: &Kind) -> Result<String, Report> {
    let file = source.display().to_string();
    let bytes = std::fs::read(source).map_err(|error| unreadable(&file, kind, &error))?;
    String::from_utf8(bytes).map_err(|error| not_utf8(&file, kind, &error))
}

/// The tree of a text.
pub(super) fn parse(file: &str, text: &str) -> Result<Node, Report> {
    DeTable::parse(text).map(Node::from_toml).map_err(|error| syntax(file, text, &error))
}

fn unreadable(file: &str, kind: &Kind, error: &io::Error) -> Report {
    let help = match error.kind() {
        io::ErrorKind::NotFound => kind.if_absent,
        io::ErrorKind::IsADirectory => "name the file in it",
        _ => "see that the file can be read by the user that runs Portcullis",
    };
    let message = format!("{} cannot be read: {error}", kind.name);
    Report::new(vec![Diagnostic::of_whole(file.to_owned(), String::new(), message, help.to_owned())])
}

fn not_utf8(file: &str, kind: &Kind, error: &FromUtf8Error) -> Report {
    let readable = error.utf8_error().valid_up_to();
    let text = String::from_utf8_lossy(error.as_bytes());
    let message = format!("{} is not UTF-8 text", kind.name);
    let whole = Diagnostic::of_whole(file.to_owned(), String::new(), message, "save the file as UTF-8".to_owned());
    Report::new(vec![whole.at(&text, &(readable..readable + 1))])
}

fn syntax(file: &str, text: &str, error: &toml::de::Error) -> Report {
    let message = format!("not TOML: {}", error.message().replace('\n', ", "));
    let help = "correct the line; the form is that of https://toml.io".to_owned();
    let whole = Diagnostic::of_whole(file.to_owned(), String::new(), message, help);
    Report::new(vec![whole.at(text, &error.span().unwrap_or(0..0))])
}
