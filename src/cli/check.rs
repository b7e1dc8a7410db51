//! `check`: every mistake at once. Writes nothing and opens no store.

use super::{
    Context, Format,
    output::{Failure, print, say},
};
use crate::config::{Environment, Purpose, Report, load};

/// Shows every mistake in the configuration: text on standard error, or JSON on standard output.
pub(super) fn run(context: &Context) -> Result<(), Failure> {
    let source = context.source()?;
    match load(&source, &Environment::of_process(), Purpose::Check) {
        Ok(loaded) => {
            show(context.format, &loaded.warnings)?;
            if context.format == Format::Text {
                say(format_args!(
                    "{} is in order: {} upstreams",
                    source.display(),
                    loaded.settings.live.upstreams.len()
                ));
            }
            Ok(())
        }
        Err(report) => {
            show(context.format, &report)?;
            Err(Failure::Said(2))
        }
    }
}

fn show(format: Format, report: &Report) -> Result<(), Failure> {
    match format {
        Format::Json => print(report.to_json()),
        Format::Text if report.diagnostics().is_empty() => Ok(()),
        Format::Text => {
            say(report.render(false));
            Ok(())
        }
    }
}
