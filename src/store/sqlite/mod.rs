//! The embedded engine: one `SQLite` file in WAL mode, reached by messages.
//!
//! One thread writes, two read, and one keeps the log short; no caller's thread ever waits for the disk. Mutations that queue up while the
//! disk is busy are committed together, and each is answered only when it is durable.

mod changes;
mod checkpoint;
mod clients;
mod engine;
mod errors;
mod observed;
mod open;
mod organizations;
mod readers;
mod rows;
mod schema;
mod secrets;
mod sweep;
#[cfg(test)]
mod tests;
mod tokens;
mod workers;
mod writer;

use std::{
    future::Future,
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use self::{
    checkpoint::Checkpointer,
    readers::{Read, ReadJob},
    workers::Workers,
    writer::{Write, WriteJob},
};
use super::{OpenError, StoreError};

/// A store in one `SQLite` file. Several processes may have the same file open.
///
/// Dropping it carries out what is queued, waits for its threads and folds the log (`-wal`) back into the file.
pub struct SqliteStore {
    check_key: Zeroizing<[u8; 32]>,
    // Dropped in this order: the connection that closes last folds the log, and a reader could not.
    readers: Workers<Box<dyn ReadJob>>,
    writer: Workers<Box<dyn WriteJob>>,
    ended: CancellationToken,
    observer: Option<Observer>,
}

/// Told of each verb: its name, whether it was carried out, and how long it took with the wait.
type Observer = Box<dyn Fn(&'static str, bool, Duration) + Send + Sync>;

impl SqliteStore {
    /// Opens the store in this file, and makes it, readable by this user alone, when there is none or it is empty.
    /// Blocks while it reads, checks and, if it is of an older schema, migrates the file.
    ///
    /// # Errors
    /// [`OpenError`]; the file is then as it was.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let (writing, check_key) = open::writing(path)?;
        let reading = [open::reading(path)?, open::reading(path)?];
        let ended = CancellationToken::new();
        let thread = |error: std::io::Error| errors::unreadable(path, format!("no thread for it: {error}"));
        let checkpointer = Checkpointer::start(open::checkpointing(path)?, &ended).map_err(thread)?;
        let writer = writer::start(writing, Some(checkpointer), &ended).map_err(thread)?;
        let readers = readers::start(reading, &ended).map_err(thread)?;
        Ok(Self { check_key, readers, writer, ended, observer: None })
    }

    /// Whether the store in this file is of the newest schema, so that [`Self::open`] would not migrate it. Looks at it
    /// and changes nothing.
    ///
    /// # Errors
    /// [`OpenError::Older`] if it is not; another if it cannot be opened.
    pub fn check_schema(path: &Path) -> Result<(), OpenError> {
        open::check_schema(path)
    }

    /// The same store, which tells `observer` of each verb: its name, whether it was carried out, and how long it took
    /// with the wait for its turn.
    #[must_use]
    pub fn observed_by(self, observer: impl Fn(&'static str, bool, Duration) + Send + Sync + 'static) -> Self {
        Self { observer: Some(Box::new(observer)), ..self }
    }

    /// Resolves when a thread of the store has died, which nothing but a defect brings about: writes are then refused
    /// for good, so the program should end. Resolves too when the store is dropped.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + 'static {
        self.ended.clone().cancelled_owned()
    }

    /// Runs `verb` on a reader, in one snapshot that holds every write answered before.
    async fn read<T: Send + 'static>(
        &self,
        name: &'static str,
        verb: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (query, outcome) = Read::new(verb);
        let sent = self.readers.send(Box::new(query));
        self.observed(name, sent, outcome.wait()).await
    }

    /// Runs `verb` on the writer: all of it or nothing, durable before the answer.
    async fn write<T: Send + 'static>(
        &self,
        name: &'static str,
        verb: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.writer.send(Box::new(Write::new(verb, reply)));
        self.observed(name, sent, answer).await
    }

    async fn observed<T>(
        &self,
        name: &'static str,
        sent: Result<(), StoreError>,
        answer: impl Future<Output = Result<Result<T, StoreError>, oneshot::error::RecvError>>,
    ) -> Result<T, StoreError> {
        let start = Instant::now();
        let result = match sent {
            Ok(()) => answer.await.unwrap_or_else(|_| Err(died())),
            Err(error) => Err(error),
        };
        if let Some(observer) = &self.observer {
            observer(name, result.is_ok(), start.elapsed());
        }
        result
    }
}

fn died() -> StoreError {
    StoreError::Unavailable("its thread has ended".to_owned())
}
