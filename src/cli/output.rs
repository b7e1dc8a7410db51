//! What verbs print, and how they fail.

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

use serde::Serialize;

use super::Format;
use crate::model::mask_secrets;

/// Why a verb did not do its work.
#[derive(Debug)]
pub(super) enum Failure {
    /// Wrong usage, or a configuration that is absent or bad: exit 2.
    Usage(String),
    /// Anything else: exit 1.
    Failed(String),
    /// The same, already said where the user looks.
    Said(u8),
}

impl Failure {
    pub(super) fn failed(reason: impl Display) -> Self {
        Self::Failed(reason.to_string())
    }

    pub(super) fn report(self) -> ExitCode {
        match self {
            Self::Usage(reason) => {
                say(format_args!("error: {}", mask_secrets(&reason)));
                ExitCode::from(2)
            }
            Self::Failed(reason) => {
                say(format_args!("error: {}", mask_secrets(&reason)));
                ExitCode::from(1)
            }
            Self::Said(code) => ExitCode::from(code),
        }
    }
}

/// What clap has to say: help and version on standard output, a mistake on standard error, where no secret that was
/// given as an argument is repeated.
pub(super) fn usage(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    let said = if error.use_stderr() {
        write!(io::stderr(), "{}", mask_secrets(&text))
    } else {
        write!(io::stdout(), "{text}")
    };
    // Nobody may be there to read it.
    let _ = said;
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// A line for people, on standard error.
pub(super) fn say(words: impl Display) {
    // Nobody may be there to read it.
    let _ = writeln!(io::stderr(), "{words}");
}

/// Lines of data, on standard output.
pub(super) fn print(text: impl Display) -> Result<(), Failure> {
    writeln!(io::stdout(), "{text}").map_err(|error| unwritable(&error))
}

/// A part of a line of data, on standard output, at once.
pub(super) fn print_part(text: impl Display) -> Result<(), Failure> {
    let mut output = io::stdout();
    let printed = write!(output, "{text}").and_then(|()| output.flush());
    printed.map_err(|error| unwritable(&error))
}

fn unwritable(error: &io::Error) -> Failure {
    Failure::failed(format!("cannot write the output: {error}"))
}

/// A value: as one line of JSON, or as the words that `text` makes of it.
pub(super) fn show<T: Serialize>(format: Format, value: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
    match format {
        Format::Json => print(serde_json::to_string(value).map_err(Failure::failed)?),
        Format::Text => match text(value) {
            words if words.is_empty() => Ok(()),
            words => print(words.trim_end()),
        },
    }
}

/// Names and values below each other, the values in one column; absent values are left out.
pub(super) fn fields(rows: &[(&str, Option<String>)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let shown = rows.iter().filter_map(|(name, value)| value.as_ref().map(|value| format!("{name:width$}  {value}")));
    shown.collect::<Vec<_>>().join("\n")
}

/// A table whose columns are as wide as their widest cell, two blanks apart and indented.
pub(super) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("  {cell:width$}"));
        cells.collect::<String>().trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
