//! Opening the file: looks first, without a trace, and writes only once the file is known to be ours.

use std::{
    fs::{self, OpenOptions},
    io::ErrorKind,
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    path::Path,
    thread,
    time::Duration,
};

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, Error, OpenFlags, OptionalExtension, ffi};
use zeroize::Zeroizing;

use super::{
    checkpoint,
    errors::{corrupt, refusal, unreadable},
    schema,
};
use crate::store::OpenError;

/// How long a file that is locked is waited for when it is opened.
const OPENING_WAIT: Duration = Duration::from_secs(2);
/// How long a verb waits for a lock; a caller is told within a second, whatever else it has to wait for.
const WAIT: Duration = Duration::from_millis(500);
/// Up to this size every page is checked at the start, which then takes well under a second. Of a larger file the
/// damage that its first pages do not show is found when the page is read.
const CHECKED_WHOLE: u64 = 64 * 1024 * 1024;
/// Prepared statements kept for each connection: more than there are queries.
const STATEMENTS: usize = 64;

/// The connection of the writer, and the check key. Makes the file, or brings it to the newest schema.
pub(super) fn writing(path: &Path) -> Result<(Connection, Zeroizing<[u8; 32]>), OpenError> {
    create_if_absent(path)?;
    if !is_empty(path)? {
        inspect(path)?;
    }
    let refused = |error: Error| refusal(path, &error);
    let mut db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(refused)?;
    // SQLite falls back to reading alone where writing is not allowed.
    if db.is_readonly("main").map_err(refused)? {
        return Err(unreadable(path, "it may be read but not written"));
    }
    schema::migrate(&mut db, path)?;
    use_log(&db, path)?;
    db.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;").map_err(refused)?;
    db.busy_timeout(WAIT).map_err(refused)?;
    db.pragma_update(None, "wal_autocheckpoint", checkpoint::BACKSTOP).map_err(refused)?;
    let key = check_key(&db).map_err(refused)?;
    let key = key.ok_or_else(|| corrupt(path, "its meta table holds no check key of 32 bytes"))?;
    Ok((db, key))
}

fn check_key(db: &Connection) -> Result<Option<Zeroizing<[u8; 32]>>, Error> {
    let query = "SELECT value FROM meta WHERE name = 'check_key' AND length(value) = 32";
    db.query_row(query, [], |row| row.get(0)).map(Zeroizing::new).optional()
}

/// The connection of the checkpointer.
pub(super) fn checkpointing(path: &Path) -> Result<Connection, OpenError> {
    connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|error| refusal(path, &error))
}

/// A connection of a reader.
pub(super) fn reading(path: &Path) -> Result<Connection, OpenError> {
    let open = || {
        let db = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.busy_timeout(WAIT)?;
        Ok(db)
    };
    open().map_err(|error| refusal(path, &error))
}

/// Each connection stays with one thread, so it needs no lock of its own; a path from outside is never taken for a URI.
fn connect(path: &Path, access: OpenFlags) -> Result<Connection, Error> {
    let db = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(OPENING_WAIT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(db)
}

/// `SQLite` gives the files beside this one (`-wal`, `-shm`) the same mode.
fn create_if_absent(path: &Path) -> Result<(), OpenError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(unreadable(path, error.to_string())),
        _ => Ok(()),
    }
}

fn is_empty(path: &Path) -> Result<bool, OpenError> {
    let file = fs::metadata(path).map_err(|error| unreadable(path, error.to_string()))?;
    if file.is_dir() {
        return Err(unreadable(path, "it is a directory"));
    }
    if !file.is_file() {
        return Err(unreadable(path, "it is not a regular file"));
    }
    Ok(file.len() == 0)
}

/// What the header of a file says of it.
struct Marks {
    application_id: i32,
    version: i64,
}

impl Marks {
    fn read(db: &Connection) -> Result<Self, Error> {
        let application_id = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
        Ok(Self { application_id, version: schema::version(db)? })
    }

    fn judge(&self, path: &Path) -> Result<(), OpenError> {
        if self.application_id != schema::APPLICATION_ID {
            return Err(OpenError::Foreign(path.to_owned()));
        }
        if !(1..=schema::VERSION).contains(&self.version) {
            return Err(schema::unknown(path, self.version));
        }
        Ok(())
    }
}

/// Refuses what is not a sound store of ours, over connections that cannot write.
fn inspect(path: &Path) -> Result<(), OpenError> {
    let refused = |error: Error| refusal(path, &error);
    let glance = glance(path);
    if let Ok(marks) = &glance {
        marks.judge(path)?;
    }
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(refused)?;
    match Marks::read(&db) {
        // Ours, and its making was cut short: undone by the first connection that may write.
        Err(error) if must_be_rolled_back(&error) && glance.is_ok() => return Ok(()),
        marks => marks.map_err(refused)?.judge(path)?,
    }
    let size = fs::metadata(path).map_err(|error| unreadable(path, error.to_string()))?.len();
    if size <= CHECKED_WHOLE {
        let verdict: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(refused)?;
        if verdict != "ok" {
            return Err(corrupt(path, verdict));
        }
    }
    Ok(())
}

/// Refuses a store of an older schema, and what is no store of ours.
pub(super) fn check_schema(path: &Path) -> Result<(), OpenError> {
    let refused = |error: Error| refusal(path, &error);
    let glance = glance(path).map_err(refused)?;
    glance.judge(path)?;
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let version = match glance.version {
        schema::VERSION => schema::VERSION,
        // Another process may just have migrated it: then this stands in the log.
        _ if Path::new(&log).exists() => {
            schema::version(&connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(refused)?).map_err(refused)?
        }
        older => older,
    };
    if version < schema::VERSION {
        return Err(OpenError::Older { path: path.to_owned(), found: version, known: schema::VERSION });
    }
    Ok(())
}

/// Reads the header alone, past locks, journals and logs: of a file that is not ours, nothing else is looked at and
/// nothing is left beside it. What it says may be outdated, as far as another process is writing.
fn glance(path: &Path) -> Result<Marks, Error> {
    let name = percent_encode(path.as_os_str().as_bytes(), NON_ALPHANUMERIC);
    let access = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let db = connect(Path::new(&format!("file:{name}?immutable=1")), access)?;
    // Do not mind that the file is shorter than its header says: it is so while a log is folded back into it.
    db.pragma_update(None, "writable_schema", true)?;
    Marks::read(&db)
}

/// Whether a process was killed while it wrote to a file that is not in WAL mode, as ours is only while it is made.
fn must_be_rolled_back(error: &Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_READONLY_ROLLBACK)
}

/// Turns the write-ahead log on. Two processes that do it at once get in each other's way without being made to wait.
fn use_log(db: &Connection, path: &Path) -> Result<(), OpenError> {
    const PAUSE: Duration = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    loop {
        let mode = db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0));
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                return Err(unreadable(path, format!("its file system allows no write-ahead log, only {mode}")));
            }
            Err(error) => match refusal(path, &error) {
                OpenError::Locked(_) if waited < OPENING_WAIT => {
                    thread::sleep(PAUSE);
                    waited += PAUSE;
                }
                refused => return Err(refused),
            },
        }
    }
}
