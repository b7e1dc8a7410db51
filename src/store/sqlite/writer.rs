//! The writer: one thread that commits everything queued, up to a bound, in one transaction.
//!
//! Nothing waits for company: a batch is what came in while the batch before it was on its way to the disk.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{checkpoint::Checkpointer, rows::execute, workers::Workers};
use crate::store::StoreError;

/// The most mutations in one transaction, so that the first of them does not wait for too many others.
const BATCH: usize = 256;
/// After so long without a rest the file is left to other processes (the command line) for a moment: they could not get
/// at it otherwise while this one is busy.
const TURN: Duration = Duration::from_millis(50);
/// That moment.
const REST: Duration = Duration::from_millis(2);

/// A mutation in the queue.
pub(super) trait WriteJob: Send {
    /// Does its work inside the batch's transaction, and keeps the outcome.
    ///
    /// # Errors
    /// If none of the batch may be committed.
    fn run(&mut self, batch: &Transaction<'_>) -> Result<(), StoreError>;
    /// Answers its caller, once it is known what became of the batch.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// One verb, its outcome and who waits for it.
pub(super) struct Write<T, F> {
    verb: Option<F>,
    outcome: Result<T, StoreError>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Write<T, F> {
    pub(super) fn new(verb: F, reply: oneshot::Sender<Result<T, StoreError>>) -> Self {
        let outcome = Err(StoreError::Unavailable("the write was not begun".to_owned()));
        Self { verb: Some(verb), outcome, reply }
    }
}

impl<T, F> WriteJob for Write<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, batch: &Transaction<'_>) -> Result<(), StoreError> {
        if let Some(verb) = self.verb.take() {
            self.outcome = in_savepoint(batch, verb)?;
        }
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        // A caller that is gone by now has its write all the same.
        let _ = self.reply.send(committed.and(self.outcome));
    }
}

/// Runs `verb` so that its error undoes its own changes and no others.
///
/// # Errors
/// If they may not be undone: half of a job must not be written with the others, so none of them is then.
fn in_savepoint<T>(
    batch: &Transaction<'_>,
    verb: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<Result<T, StoreError>, StoreError> {
    execute(batch, "SAVEPOINT job", [])?;
    let outcome = verb(batch);
    // After some failures SQLite has undone all of the batch itself.
    if batch.is_autocommit() {
        return Ok(outcome);
    }
    if outcome.is_err() {
        execute(batch, "ROLLBACK TO job", [])?;
    }
    execute(batch, "RELEASE job", [])?;
    Ok(outcome)
}

/// Starts the thread, which tells the checkpointer of what it commits.
pub(super) fn start(
    db: Connection,
    checkpointer: Option<Checkpointer>,
    ended: &CancellationToken,
) -> io::Result<Workers<Box<dyn WriteJob>>> {
    let (mut workers, queue) = Workers::new();
    workers.spawn("store-writer", ended, || run(db, checkpointer, queue))?;
    Ok(workers)
}

fn run(mut db: Connection, mut checkpointer: Option<Checkpointer>, mut queue: mpsc::Receiver<Box<dyn WriteJob>>) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut rested = Instant::now();
    while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
        let committed = commit(&mut db, &mut batch);
        if committed.is_err() {
            // What came in meanwhile would wait anew for what just failed: it is told at once.
            let waiting = queue.len();
            queue.blocking_recv_many(&mut batch, waiting);
        }
        for job in batch.drain(..) {
            job.answer(committed.clone());
        }
        if let Some(checkpointer) = &mut checkpointer {
            checkpointer.committed(db.total_changes());
        }
        if queue.is_empty() {
            rested = Instant::now();
        } else if rested.elapsed() > TURN {
            thread::sleep(REST);
            rested = Instant::now();
        }
    }
    // The connection that closes last folds the log.
    drop(checkpointer);
    if let Err((_, error)) = db.close() {
        tracing::warn!(%error, "the store was not closed cleanly; its log is read again at the next start");
    }
}

fn commit(db: &mut Connection, batch: &mut [Box<dyn WriteJob>]) -> Result<(), StoreError> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in batch {
        job.run(&transaction)?;
        // On a full disk or a failed read SQLite may undo the whole transaction; a further job would then be alone.
        if transaction.is_autocommit() {
            return Err(StoreError::Unavailable("a failure undid all writes of the moment".to_owned()));
        }
    }
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::mpsc as std_mpsc};

    use super::*;

    type Answer<T> = oneshot::Receiver<Result<T, StoreError>>;

    fn open(path: &Path) -> Connection {
        let db = Connection::open(path).unwrap();
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x INTEGER PRIMARY KEY);",
        )
        .unwrap();
        db
    }

    fn send<T: Send + 'static>(
        workers: &Workers<Box<dyn WriteJob>>,
        verb: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<T> {
        let (reply, answer) = oneshot::channel();
        workers.send(Box::new(Write::new(verb, reply))).unwrap();
        answer
    }

    fn insert(x: i64) -> impl FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static {
        move |db| Ok(db.execute("INSERT INTO t VALUES (?1)", [x]).map(drop)?)
    }

    /// Keeps the writer busy until the sender is dropped, so that a queue builds up behind it.
    fn hold(workers: &Workers<Box<dyn WriteJob>>) -> std_mpsc::Sender<()> {
        let (release, held) = std_mpsc::channel::<()>();
        let (begun, begins) = std_mpsc::channel::<()>();
        drop(send(workers, move |_| {
            drop(begun);
            let _ = held.recv();
            Ok(())
        }));
        let _ = begins.recv();
        release
    }

    fn count(path: &Path) -> i64 {
        Connection::open(path).unwrap().query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
    }

    /// How many transactions the log holds: a frame that ends one says how many pages the file then has.
    /// <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>
    fn commits(path: &Path) -> usize {
        let wal = std::fs::read(path.with_extension("db-wal")).unwrap();
        wal[32..].chunks_exact(24 + 4096).filter(|frame| frame[4..8] != [0; 4]).count()
    }

    #[test]
    fn what_is_queued_is_committed_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let db = open(&path);
        let before = commits(&path);
        let workers = start(db, None, &CancellationToken::new()).unwrap();
        let release = hold(&workers);
        let answers: Vec<_> = (0..1000).map(|x| send(&workers, insert(x))).collect();
        drop(release);
        for answer in answers {
            answer.blocking_recv().unwrap().unwrap();
        }
        assert_eq!(commits(&path) - before, 4, "1000 writes in batches of at most 256; the first changed nothing");
        assert_eq!(count(&path), 1000);
    }

    #[test]
    fn an_error_undoes_its_own_job_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let workers = start(open(&path), None, &CancellationToken::new()).unwrap();
        let release = hold(&workers);
        let good = send(&workers, insert(1));
        let bad = send(&workers, |db| {
            insert(2)(db)?;
            Err::<(), _>(StoreError::Corrupt("on purpose".into()))
        });
        let also_good = send(&workers, insert(3));
        drop(release);
        assert_eq!(good.blocking_recv().unwrap(), Ok(()));
        assert_eq!(bad.blocking_recv().unwrap(), Err(StoreError::Corrupt("on purpose".into())));
        assert_eq!(also_good.blocking_recv().unwrap(), Ok(()));
        assert_eq!(count(&path), 2);
    }

    #[test]
    fn a_full_disk_is_unavailable_and_every_answer_is_true() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let db = open(&path);
        db.execute_batch("CREATE TABLE big (x BLOB); PRAGMA max_page_count = 8;").unwrap();
        let workers = start(db, None, &CancellationToken::new()).unwrap();
        let release = hold(&workers);
        let small = send(&workers, insert(1));
        let large = send(&workers, |db| Ok(db.execute("INSERT INTO big VALUES (zeroblob(100000))", []).map(drop)?));
        let after = send(&workers, insert(2));
        drop(release);
        assert!(matches!(large.blocking_recv().unwrap(), Err(StoreError::Unavailable(_))));
        let kept = [small, after].into_iter().filter_map(|answer| answer.blocking_recv().unwrap().ok()).count();
        assert_eq!(count(&path), i64::try_from(kept).unwrap());
    }

    #[test]
    fn a_locked_file_fails_the_batch_and_what_waited_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let db = open(&path);
        db.busy_timeout(Duration::from_millis(10)).unwrap();
        let other = Connection::open(&path).unwrap();
        let workers = start(db, None, &CancellationToken::new()).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let answers: Vec<_> = (0..600).map(|x| send(&workers, insert(x))).collect();
        for answer in answers {
            assert!(matches!(answer.blocking_recv().unwrap(), Err(StoreError::Unavailable(_))));
        }
        other.execute_batch("COMMIT").unwrap();
        assert_eq!(count(&path), 0);
        send(&workers, insert(1)).blocking_recv().unwrap().unwrap();
    }

    #[test]
    fn a_panic_ends_the_thread_aloud_and_undoes_its_batch() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let ended = CancellationToken::new();
        let workers = start(open(&path), None, &ended).unwrap();
        let release = hold(&workers);
        let beside = send(&workers, insert(1));
        let panics = send(&workers, |_| -> Result<(), StoreError> { panic!("on purpose") });
        drop(release);
        assert!(panics.blocking_recv().is_err());
        assert!(beside.blocking_recv().is_err());
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(ended.cancelled());
        assert_eq!(count(&path), 0);
    }

    #[test]
    fn what_is_queued_when_the_store_is_dropped_is_still_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let workers = start(open(&path), None, &CancellationToken::new()).unwrap();
        let release = hold(&workers);
        let answers: Vec<_> = (0..300).map(|x| send(&workers, insert(x))).collect();
        drop(release);
        drop(workers);
        assert!(answers.into_iter().all(|answer| answer.blocking_recv().unwrap().is_ok()));
        assert_eq!(count(&path), 300);
    }
}
