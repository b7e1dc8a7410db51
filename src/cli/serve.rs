//! `serve`: the gateway itself.

use super::{Context, output::Failure};
use crate::{
    app::App,
    config::{Loaded, Purpose},
    observe::start_log,
};

/// Runs until it is told to stop.
pub(super) fn run(context: &Context) -> Result<(), Failure> {
    let source = context.source()?;
    let Loaded { settings, warnings } = context.load(Purpose::Serve)?;
    let log = start_log(settings.log, std::io::stdout()).map_err(Failure::failed)?;
    for warning in warnings.diagnostics() {
        tracing::warn!("{warning}");
    }
    let served = App::build(settings, log.access()).and_then(|app| app.run(Some(source), std::future::pending::<()>()));
    match served {
        Ok(_) => Ok(()),
        Err(error) => {
            // From here on every line has the form that the configuration asks for.
            tracing::error!("{error}");
            Err(Failure::Said(1))
        }
    }
}
