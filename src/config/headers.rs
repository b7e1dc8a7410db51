//! Headers of an upstream: their names, which names are not the configuration's to give, and their values, which may
//! be secrets taken from the environment or a file.

use std::io;

use http::{HeaderName, HeaderValue};

use super::{
    Purpose, files,
    reader::{Reported, Table, Value},
};
use crate::edge::ReservedNames;

/// Headers that belong to a connection or frame a message (RFC 9110 sections 7.2, 7.6.1 and 8.6, RFC 9112 section
/// 6.1): to set or remove them would break the request.
const FRAMING: [&str; 8] =
    ["Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Content-Length", "Host", "Upgrade"];

/// Headers that mean something else to Portcullis itself, so that no identity may be told by them.
const TAKEN: [&str; 6] =
    ["Authorization", "X-Request-Id", "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"];

/// A name for a header that an identity is told by.
pub(super) fn identity_name(value: &Value<'_>) -> Result<HeaderName, Reported> {
    let text = value.text()?;
    let name = header_name(text).map_err(|(reason, help)| value.refuse(reason, help))?;
    if names(&TAKEN).covers(text) {
        return Err(value.refuse(format!("`{text}` has another meaning already"), "choose a name of its own"));
    }
    Ok(name)
}

/// A header name that is not [`FRAMING`], else the reason and what to do.
fn header_name(text: &str) -> Result<HeaderName, (String, &'static str)> {
    let mut framing = names(&FRAMING);
    framing.add_family("Proxy-");
    if framing.covers(text) {
        let help = "remove it; the upstream's `Host` is chosen by `host_header`";
        return Err((format!("`{text}` belongs to the connection, not to the configuration"), help));
    }
    let known_by = text.bytes().any(|byte| byte.is_ascii_alphanumeric());
    HeaderName::from_bytes(text.as_bytes()).ok().filter(|_| known_by).ok_or_else(|| {
        (format!("{text:?} is not a header name"), "write letters, digits and `-`, such as \"X-Customer\"")
    })
}

fn names(names: &[&str]) -> ReservedNames {
    let mut all = ReservedNames::default();
    for name in names {
        all.add_name(name);
    }
    all
}

/// What an upstream's requests get and lose.
pub(super) struct HeaderChanges {
    pub(super) set: Vec<(HeaderName, HeaderValue)>,
    pub(super) remove: Vec<HeaderName>,
}

/// `set_headers` and `remove_headers` of an upstream that is told the identity by the names of `identity`.
pub(super) fn header_changes(upstream: &mut Table<'_>, identity: &ReservedNames) -> HeaderChanges {
    let mut seen = ReservedNames::default();
    let mut check = |text: &str| {
        let name = header_name(text)?;
        if identity.covers(text) {
            let help = "remove it: this header tells the caller's identity, and nothing else may";
            return Err((format!("`{text}` is one of the identity's names"), help));
        }
        if seen.covers(text) {
            return Err((format!("`{text}` is named twice"), "keep one of them; case and dashes do not count"));
        }
        seen.add_name(text);
        Ok(name)
    };
    let set = upstream.or("set_headers", Vec::new(), |value| {
        let table = value.table()?;
        let mut set = Vec::new();
        for (text, value) in table.entries() {
            let name = check(text).map_err(|(reason, help)| table.refuse_name(text, reason, help));
            if let (Ok(name), Ok(Some(value))) = (name, header_value(&value)) {
                set.push((name, value));
            }
        }
        Ok(set)
    });
    let remove = upstream.or("remove_headers", Vec::new(), |value| {
        value.each(|item| check(item.text()?).map_err(|(reason, help)| item.refuse(reason, help)))
    });
    HeaderChanges { set, remove }
}

/// A literal text, or a secret by reference; none for a secret that only a check finds missing. No message and no
/// quoted line shows the value.
fn header_value(value: &Value<'_>) -> Result<Option<HeaderValue>, Reported> {
    let (text, sensitive) = if value.is_table() {
        match secret(value)? {
            Some(text) => (text, true),
            None => return Ok(None),
        }
    } else {
        value.keep_secret();
        (value.text()?.to_owned(), value.is_from_variable())
    };
    let plain = text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    let mut header = HeaderValue::from_str(&text).ok().filter(|_| plain).ok_or_else(|| {
        value.refuse("the value cannot stand in a header", "it may hold blanks and visible ASCII characters only")
    })?;
    header.set_sensitive(sensitive);
    Ok(Some(header))
}

const REFERENCE: &str = "write a text, { env = \"NAME\" } or { file = \"path\" }";

/// The text that `{ env = "NAME" }` or `{ file = "path" }` refers to.
fn secret(value: &Value<'_>) -> Result<Option<String>, Reported> {
    let mut table = value.table()?;
    let (variable, file) = (table.get("env"), table.get("file"));
    table.finish();
    match (variable, file) {
        (Some(name), None) => from_environment(&name),
        (None, Some(path)) => from_file(&path).map(Some),
        _ => Err(value.refuse("a secret comes from exactly one of `env` and `file`", REFERENCE)),
    }
}

fn from_environment(name: &Value<'_>) -> Result<Option<String>, Reported> {
    let reading = name.reading();
    let text = name.text()?;
    if let Some(secret) = reading.environment.get(text).filter(|secret| !secret.is_empty()) {
        return Ok(Some(secret.to_owned()));
    }
    let reason = format!("the environment variable `{text}` is not set, or empty");
    match reading.purpose {
        Purpose::Serve => Err(name.refuse(reason, "set it before the start")),
        Purpose::Check => {
            name.warn(reason, "set it before the gateway starts: it will not start without");
            Ok(None)
        }
    }
}

fn from_file(path: &Value<'_>) -> Result<String, Reported> {
    let file = path.reading().folder.join(path.text()?);
    let refuse = |reason: String| path.refuse(reason, "write the path of a file with the secret in it");
    let text = files::read(&file)
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| io::Error::other("it is no UTF-8 text")))
        .map_err(|error| refuse(format!("the file {} cannot be read: {error}", file.display())))?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() { Err(refuse(format!("the file {} is empty", file.display()))) } else { Ok(text.to_owned()) }
}
