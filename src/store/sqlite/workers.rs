//! Threads that work off a bounded queue, and end when it is closed and empty.

use std::{io, thread};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::store::StoreError;

/// How many jobs may wait in one queue. Far more than arrive while a disk syncs, and still little memory.
const QUEUE: usize = 4096;

/// The sending end of a queue and the threads at its other end.
pub(super) struct Workers<J> {
    queue: Option<mpsc::Sender<J>>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl<J: Send + 'static> Workers<J> {
    /// A queue without threads, and its receiving end for them.
    pub(super) fn new() -> (Self, mpsc::Receiver<J>) {
        let (queue, receiver) = mpsc::channel(QUEUE);
        (Self { queue: Some(queue), threads: Vec::new() }, receiver)
    }

    /// Adds a thread. `ended` is told when it ends, whatever the cause.
    pub(super) fn spawn(
        &mut self,
        name: &str,
        ended: &CancellationToken,
        run: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let ended = ended.clone().drop_guard();
        let body = move || {
            let _ended = ended;
            run();
        };
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(body)?);
        Ok(())
    }

    /// Queues a job.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] at once when the queue is full or nobody serves it.
    pub(super) fn send(&self, job: J) -> Result<(), StoreError> {
        let Some(queue) = &self.queue else { return Err(super::died()) };
        queue.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Unavailable("its queue is full".to_owned()),
            mpsc::error::TrySendError::Closed(_) => super::died(),
        })
    }
}

impl<J> Drop for Workers<J> {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store had panicked");
            }
        }
    }
}
