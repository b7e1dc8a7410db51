//! Standard output, told of each step as soon as it is taken: what was made is not lost, whatever comes next.

use super::{
    super::{
        Format,
        output::{Failure, print, print_part},
    },
    entry::{Tense, as_json, in_words},
    work::Done,
};

/// What is told of the steps: words for each, or one JSON document, which grows with them.
#[derive(Debug)]
pub(super) struct Teller {
    format: Format,
    told: usize,
}

impl Teller {
    /// Begins. If a document cannot be written, this is found out here, before anything is changed.
    pub(super) fn begin(format: Format) -> Result<Self, Failure> {
        if format == Format::Json {
            print_part("[")?;
        }
        Ok(Self { format, told: 0 })
    }

    /// Tells of a step that was taken.
    pub(super) fn tell(&mut self, done: &Done<'_>) -> Result<(), Failure> {
        let comma = if self.told == 0 { "" } else { "," };
        self.told += 1;
        match self.format {
            Format::Json => print_part(format_args!("{comma}{}", as_json(done.step, Some(done)))),
            Format::Text => print(in_words(done.step, Some(done), Tense::Done)),
        }
    }

    /// Ends, after the last step or the one that was the last.
    pub(super) fn end(self) -> Result<(), Failure> {
        match self.format {
            Format::Json => print("]"),
            Format::Text => Ok(()),
        }
    }
}
