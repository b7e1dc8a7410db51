//! Whether new requests are welcome: the process is not about to stop, and the store answers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::store::Store;

/// How long the store may take to answer.
const PATIENCE: Duration = Duration::from_millis(900);

/// Why new requests are not welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// The process is about to stop.
    #[error("Portcullis is stopping.")]
    Stopping,
    /// The store does not answer.
    #[error("The store does not answer.")]
    Store,
}

/// What readiness is asked of.
pub struct Readiness {
    stopping: AtomicBool,
    store: Arc<dyn Store>,
}

impl Readiness {
    /// Ready as long as the store answers, until [`Self::stop`].
    #[must_use]
    pub const fn new(store: Arc<dyn Store>) -> Self {
        Self { stopping: AtomicBool::new(false), store }
    }

    /// Not ready from now on: the process is about to stop.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether new requests are welcome at this moment.
    ///
    /// # Errors
    /// [`NotReady`] if they are not.
    pub async fn check(&self) -> Result<(), NotReady> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(NotReady::Stopping);
        }
        match tokio::time::timeout(PATIENCE, self.store.ping()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(NotReady::Store),
        }
    }
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Readiness")
    }
}
