//! The readers: two threads with a read-only connection each, at one queue.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{rows::execute, workers::Workers};
use crate::store::StoreError;

/// How long a query waits for its turn: those that take long must not keep all others for as long as they take.
const TURN: Duration = Duration::from_millis(500);

/// A query in the queue.
pub(super) trait ReadJob: Send {
    /// Does its work and answers.
    fn run(self: Box<Self>, db: &Connection);
}

/// One verb and who waits for its outcome.
pub(super) struct Read<T, F> {
    verb: F,
    reply: oneshot::Sender<Result<T, StoreError>>,
    begun: Arc<AtomicBool>,
}

impl<T, F> Read<T, F> {
    /// A query, and what waits for its outcome.
    pub(super) fn new(verb: F) -> (Self, Outcome<T>) {
        let ((reply, answer), begun) = (oneshot::channel(), Arc::new(AtomicBool::new(false)));
        (Self { verb, reply, begun: begun.clone() }, Outcome { answer, begun })
    }
}

/// What a query in the queue comes to.
pub(super) struct Outcome<T> {
    answer: oneshot::Receiver<Result<T, StoreError>>,
    begun: Arc<AtomicBool>,
}

impl<T> Outcome<T> {
    /// Waits for it. A query whose turn does not come in time is given up.
    pub(super) async fn wait(mut self) -> Result<Result<T, StoreError>, oneshot::error::RecvError> {
        match tokio::time::timeout(TURN, &mut self.answer).await {
            Ok(answered) => answered,
            Err(_) if self.begun.load(Ordering::Relaxed) => self.answer.await,
            Err(_) => Ok(Err(StoreError::Unavailable("other queries take too long".to_owned()))),
        }
    }
}

impl<T, F> ReadJob for Read<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn run(self: Box<Self>, db: &Connection) {
        // Nobody waits any more.
        if self.reply.is_closed() {
            return;
        }
        self.begun.store(true, Ordering::Relaxed);
        let _ = self.reply.send(in_snapshot(db, self.verb));
    }
}

/// Runs `verb` so that all of its queries see the same moment. Should that ever not end, no other can begin: nobody is
/// shown what is past.
fn in_snapshot<T>(db: &Connection, verb: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
    execute(db, "BEGIN", [])?;
    let outcome = verb(db);
    if !db.is_autocommit() {
        execute(db, "COMMIT", [])?;
    }
    outcome
}

/// Starts one thread for each connection.
pub(super) fn start<const N: usize>(
    connections: [Connection; N],
    ended: &CancellationToken,
) -> io::Result<Workers<Box<dyn ReadJob>>> {
    let (mut workers, queue) = Workers::new();
    let queue = Arc::new(Mutex::new(queue));
    for db in connections {
        let queue = Arc::clone(&queue);
        workers.spawn("store-reader", ended, move || {
            while let Some(job) = next(&queue) {
                job.run(&db);
            }
        })?;
    }
    Ok(workers)
}

fn next(queue: &Mutex<mpsc::Receiver<Box<dyn ReadJob>>>) -> Option<Box<dyn ReadJob>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
}
