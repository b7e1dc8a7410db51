//! The signal that says stop: it is waited with until the step that runs is taken and told, so that no secret is made
//! that nobody sees. A second one ends the process at once.

use std::{
    io, process,
    sync::{Arc, OnceLock},
    thread,
};

use crate::app::Signals;

/// Whether SIGTERM or SIGINT came, from its making on.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupt(Arc<OnceLock<&'static str>>);

impl Interrupt {
    /// Begins to watch, on a thread of its own: the one that works may wait for whoever reads its output.
    pub(super) fn watch() -> io::Result<Self> {
        let interrupt = Self::default();
        let first = interrupt.0.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let mut signals = {
            let _inside = runtime.enter();
            Signals::new()?
        };
        let watch = async move {
            let _ = first.set(signals.stop().await);
            signals.stop().await;
            process::exit(1);
        };
        thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(watch))?;
        Ok(interrupt)
    }

    /// The name of the signal that came.
    pub(super) fn signal(&self) -> Option<&'static str> {
        self.0.get().copied()
    }

    #[cfg(test)]
    pub(super) fn raise(&self) {
        self.0.set("SIGTEST").unwrap();
    }
}
