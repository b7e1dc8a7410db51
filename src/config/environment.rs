//! The process' environment as a value, so that a test sets it without touching the real one.
//!
//! It serves two ends: `PORTCULLIS_SERVER__LISTEN` and the like override keys of the file, and `{ env = "NAME" }`
//! in the file takes a secret from it.

use std::{collections::BTreeMap, fmt};

/// What every variable of ours begins with.
const PREFIX: &str = "PORTCULLIS_";

/// What stands between two levels of a key; a variable without it is none of the configuration's business.
const LEVEL: &str = "__";

/// Environment variables. Its `Debug` shows the names alone: values may be secrets.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

/// A variable that overrides a key of the file.
pub(super) struct Override<'a> {
    /// The variable's name.
    pub(super) name: &'a str,
    /// The key's levels, in lower case.
    pub(super) path: Vec<String>,
    /// The variable's value.
    pub(super) value: &'a str,
}

impl Environment {
    /// The environment of this process. What is not UTF-8 gets replacement characters, which no setting accepts.
    #[must_use]
    pub fn of_process() -> Self {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
    }

    /// The value of a variable.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The variables that override keys, sorted by name.
    pub(super) fn overrides(&self) -> impl Iterator<Item = Override<'_>> {
        self.0.iter().filter(|(name, _)| name.contains(LEVEL)).filter_map(|(name, value)| {
            let path = name.strip_prefix(PREFIX)?.to_ascii_lowercase().split(LEVEL).map(str::to_owned).collect();
            Some(Override { name, path, value })
        })
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_levels_override() {
        let environment: Environment = [
            ("PORTCULLIS_SERVER__MAX_BODY", "1MiB"),
            ("PORTCULLIS_CONFIG", "x.toml"),
            ("PORTCULLIS_PORT_8080_TCP", "x"),
            ("OTHER__KEY", "x"),
        ]
        .into_iter()
        .collect();
        let found: Vec<_> = environment.overrides().map(|o| (o.name, o.path.join("."), o.value)).collect();
        assert_eq!(found, [("PORTCULLIS_SERVER__MAX_BODY", "server.max_body".to_owned(), "1MiB")]);
    }

    #[test]
    fn debug_shows_no_value() {
        let environment: Environment = [("PASSWORD", "hunter2")].into_iter().collect();
        assert_eq!(format!("{environment:?}"), "{\"PASSWORD\"}");
    }
}
