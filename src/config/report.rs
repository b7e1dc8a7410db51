//! What is wrong with a configuration: every mistake with its place, its reason and the way out, as text for people
//! (with the line it stands on) and as JSON for programs.

use std::{fmt, ops::Range};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use crate::model::mask_secrets;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration is taken, but may not do what was meant.
    Warning,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is. Not part of the JSON, whose form is fixed.
    #[serde(skip)]
    pub severity: Severity,
    /// The file, as it was named; for a mistake in an override, the environment variable.
    pub file: String,
    /// The line, from 1; none if it is about the whole file or a variable.
    pub line: Option<usize>,
    /// The column in characters, from 1; there is one when there is a line.
    pub column: Option<usize>,
    /// The key with all its levels, such as `upstreams.orders.rules[1].path`; empty if there is none.
    pub key: String,
    /// The reason.
    pub message: String,
    /// What to do.
    pub help: String,
    #[serde(skip)]
    excerpt: Option<Excerpt>,
}

/// The line of a mistake, and the bytes of it that are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Excerpt {
    line: String,
    span: Range<usize>,
}

impl Diagnostic {
    /// A mistake that has no place within a file.
    pub(super) fn of_whole(file: String, key: String, message: String, help: String) -> Self {
        Self { severity: Severity::Error, file, line: None, column: None, key, message, help, excerpt: None }
    }

    /// The same, as bad as `severity` says.
    pub(super) fn with_severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// Adds where in `source` it is. A span over several lines counts as its first.
    pub(super) fn at(mut self, source: &str, span: &Range<usize>) -> Self {
        let start = source.floor_char_boundary(span.start);
        let (before, after) = source.split_at(start);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line_length = after.find('\n').unwrap_or(after.len());
        let line = source.get(line_start..start + line_length).unwrap_or_default();
        let end = source.ceil_char_boundary(span.end).clamp(start, start + line_length);
        self.line = Some(before.matches('\n').count() + 1);
        self.column = Some(before.get(line_start..).unwrap_or_default().chars().count() + 1);
        self.excerpt =
            Some(Excerpt { line: line.trim_end_matches('\r').to_owned(), span: start - line_start..end - line_start });
        self
    }

    /// The first line: `FILE:LINE:COLUMN: KEY: REASON`.
    fn headline(&self) -> String {
        let place = match (self.line, self.column) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", self.file),
            _ => self.file.clone(),
        };
        let parts = [&place, &self.key, &self.message];
        parts.into_iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(": ")
    }

    fn render(&self, renderer: &Renderer) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let Some(excerpt) = &self.excerpt else {
            return renderer.render(&[Group::with_title(level.primary_title(self.to_string()))]);
        };
        let length = excerpt.line.len();
        let span = excerpt.span.start.min(length)..excerpt.span.end.min(length);
        let snippet = Snippet::source(&excerpt.line)
            .line_start(self.line.unwrap_or(1))
            .annotation(AnnotationKind::Primary.span(span));
        let title = level.primary_title(self.headline());
        renderer.render(&[title.element(snippet).element(Level::HELP.message(&self.help))])
    }
}

impl fmt::Display for Diagnostic {
    /// All on one line, for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{} ({})", self.headline(), self.help);
        f.write_str(&annotate_snippets::normalize_untrusted_str(&mask_secrets(&text)))
    }
}

/// Every mistake of one configuration, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    pub(super) fn new(diagnostics: Vec<Diagnostic>) -> Self {
        Self { diagnostics }
    }

    /// The mistakes.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Text for people: a line `FILE:LINE:COLUMN: KEY: REASON` for each, then the line it stands on and what to do.
    /// What has no place in the file is one line.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let parts: Vec<String> = self.diagnostics.iter().map(|diagnostic| diagnostic.render(&renderer)).collect();
        mask_secrets(&parts.join("\n\n")).into_owned()
    }

    /// `[{file, line, column, key, message, help}]`; line and column are null where there is none.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        self.diagnostics.iter().map(|diagnostic| serde_json::json!(diagnostic)).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn diagnostic(source: &str, span: Range<usize>) -> Diagnostic {
        Diagnostic::of_whole("a.toml".into(), "server.x".into(), "wrong".into(), "remove it".into()).at(source, &span)
    }

    #[test]
    fn lines_and_columns_are_counted_from_one_in_characters() {
        let found = diagnostic("# ä\r\nä = ß\n", 11..13);
        assert_eq!((found.line, found.column), (Some(2), Some(5)));
    }

    #[test]
    fn the_text_shows_place_key_reason_line_and_help() {
        let text = Report::new(vec![diagnostic("[server]\nx = 'ä'\n", 13..17)]).render(false);
        let expected = "error: a.toml:2:5: server.x: wrong\n  |\n2 | x = 'ä'\n  |     ^^^\n  |\n  = help: remove it";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_mistake_of_the_whole_file_has_no_place() {
        let whole = Diagnostic::of_whole("a.toml".into(), String::new(), "no such file".into(), "make it".into());
        assert_eq!(whole.to_string(), "a.toml: no such file (make it)");
        let report = Report::new(vec![whole]);
        assert_eq!(report.to_string(), "error: a.toml: no such file (make it)");
        assert_eq!(report.to_json()[0]["line"], serde_json::Value::Null);
    }

    #[test]
    fn the_json_has_the_six_fields() {
        let json = Report::new(vec![diagnostic("x", 0..1)]).to_json();
        let expected = serde_json::json!([{"file": "a.toml", "line": 1, "column": 1, "key": "server.x",
            "message": "wrong", "help": "remove it"}]);
        assert_eq!(json, expected);
    }

    #[test]
    fn our_own_secrets_are_masked() {
        let report = Report::new(vec![diagnostic("x = 'prt_cs_abc'", 0..1)]);
        assert!(!report.render(false).contains("prt_cs_abc"));
    }

    proptest! {
        #[test]
        fn any_source_and_span_can_be_shown(source in "(\\PC|[\r\n\t\0]){0,40}", start in 0..60_usize, length in 0..60_usize) {
            let report = Report::new(vec![diagnostic(&source, start..start + length)]);
            prop_assert!(report.render(true).contains("wrong"));
        }
    }
}
