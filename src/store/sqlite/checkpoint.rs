//! The checkpointer: one thread that carries what the writer has committed from the log (`-wal`) into the file.
//!
//! The writer need not wait for that, and nor does anybody whose write is committed meanwhile.
//! <https://www.sqlite.org/wal.html#checkpointing>

use std::io;

use rusqlite::Connection;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::workers::Workers;

/// After how many changed rows it is time: often enough for the log to stay small, as most rows change a page or two, and
/// seldom enough that the disk is the writer's nearly all the time.
const DUE: u64 = 4000;
/// How many pages the log may have before the writer sees to it itself, as it must when it is never at rest: all of it
/// has to be in the file for a moment for the log to begin anew. Most of it is by then.
pub(super) const BACKSTOP: i64 = 8000;

/// The checkpointer and when it is due. Dropping it waits for its thread.
pub(super) struct Checkpointer {
    thread: Workers<()>,
    done_at: u64,
}

impl Checkpointer {
    /// Starts the thread.
    pub(super) fn start(db: Connection, ended: &CancellationToken) -> io::Result<Self> {
        let (mut thread, wanted) = Workers::new();
        thread.spawn("store-checkpoint", ended, move || run(&db, wanted))?;
        Ok(Self { thread, done_at: 0 })
    }

    /// To be told after each commit how many rows the writer has changed in all.
    pub(super) fn committed(&mut self, changed: u64) {
        // A full queue asks for it often enough.
        if changed.saturating_sub(self.done_at) >= DUE && self.thread.send(()).is_ok() {
            self.done_at = changed;
        }
    }
}

fn run(db: &Connection, mut wanted: mpsc::Receiver<()>) {
    while wanted.blocking_recv().is_some() {
        while wanted.try_recv().is_ok() {}
        // Passive: it waits for nobody, and nobody for it. What it could not do is done the next time.
        if let Err(error) = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            tracing::warn!(%error, "the store's log could not be carried into its file; it is tried again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_committed_is_carried_into_the_file_while_the_writer_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let open = || {
            let db = Connection::open(&path).unwrap();
            db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;").unwrap();
            db
        };
        let db = open();
        db.execute_batch("CREATE TABLE t (x INTEGER PRIMARY KEY)").unwrap();
        let mut checkpointer = Checkpointer::start(open(), &CancellationToken::new()).unwrap();
        let before = std::fs::metadata(&path).unwrap().len();
        db.execute_batch("BEGIN").unwrap();
        for x in 0..i64::try_from(DUE).unwrap() {
            db.execute("INSERT INTO t VALUES (?1)", [x]).unwrap();
        }
        db.execute_batch("COMMIT").unwrap();
        checkpointer.committed(DUE - 1);
        checkpointer.committed(DUE);
        drop(checkpointer);
        assert!(std::fs::metadata(&path).unwrap().len() > before);
        db.execute("INSERT INTO t VALUES (-1)", []).unwrap();
    }
}
