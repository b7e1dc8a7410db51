//! How the file is opened, and what is refused and left as it was.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Barrier,
};

use rusqlite::Connection;

use super::{super::schema, SqliteStore, create_organization, folder};
use crate::store::{OpenError, Store};

/// Every file of the folder with its content.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// The error of opening, which must not have changed the file or left anything beside it.
fn refusal(folder: &Path, path: &Path) -> OpenError {
    let before = contents(folder);
    let error = SqliteStore::open(path).err().expect("it must be refused");
    assert!(contents(folder) == before, "the folder is as it was: {error}");
    error
}

#[test]
fn a_new_store_is_private_marked_and_keeps_its_key() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let key = store.check_key();
    assert_ne!(key, [0; 32]);
    for suffix in ["", "-wal", "-shm"] {
        let file = PathBuf::from(format!("{}{suffix}", path.display()));
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600, "{}", file.display());
    }
    drop(store);
    assert_eq!(SqliteStore::open(&path).unwrap().check_key(), key);
    let db = Connection::open(&path).unwrap();
    assert_eq!(db.query_row("PRAGMA application_id", [], |row| row.get(0)), Ok(schema::APPLICATION_ID));
    assert_eq!(db.query_row("PRAGMA user_version", [], |row| row.get(0)), Ok(schema::VERSION));
    assert_eq!(db.query_row("PRAGMA journal_mode", [], |row| row.get(0)), Ok("wal".to_owned()));
}

#[tokio::test]
async fn dropping_the_store_folds_the_log_into_the_file() {
    let (folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    create_organization(&store).await;
    drop(store);
    assert_eq!(contents(folder.path()).len(), 1);
}

#[test]
fn an_empty_file_is_a_new_store() {
    let (_folder, path) = folder();
    fs::write(&path, "").unwrap();
    let key = SqliteStore::open(&path).unwrap().check_key();
    assert_eq!(SqliteStore::open(&path).unwrap().check_key(), key);
}

#[test]
fn many_may_make_the_same_store_at_once() {
    for _ in 0..10 {
        let (_folder, path) = folder();
        let barrier = Barrier::new(4);
        let keys: Vec<[u8; 32]> = std::thread::scope(|scope| {
            let open = || {
                barrier.wait();
                SqliteStore::open(&path).unwrap().check_key()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }
}

/// The journal that a transaction leaves on disk that was cut short in a file that had been empty.
fn journal_of_an_empty_file() -> Vec<u8> {
    let scratch = tempfile::tempdir().unwrap();
    let db = Connection::open(scratch.path().join("s.db")).unwrap();
    // The cache is too small for it, so its journal is on the disk before it ends.
    db.execute_batch("PRAGMA cache_size = 1; BEGIN; CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(1000000));")
        .unwrap();
    fs::read(scratch.path().join("s.db-journal")).unwrap()
}

/// What a process leaves that is killed while it makes a store: some pages, and the journal to undo them.
#[test]
fn a_store_whose_making_was_cut_short_is_made_anew() {
    let (folder, path) = folder();
    schema::migrate(&mut Connection::open(&path).unwrap(), &path).unwrap();
    let made = fs::read(&path).unwrap();
    fs::write(&path, &made[..2 * 4096]).unwrap();
    fs::write(folder.path().join("portcullis.db-journal"), journal_of_an_empty_file()).unwrap();
    let key = SqliteStore::open(&path).unwrap().check_key();
    assert!(!made.windows(32).any(|bytes| bytes == key));
}

#[test]
fn a_cut_short_database_of_another_program_is_refused_and_untouched() {
    let (folder, path) = folder();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE users (x);").unwrap();
    fs::write(folder.path().join("portcullis.db-journal"), journal_of_an_empty_file()).unwrap();
    assert!(matches!(refusal(folder.path(), &path), OpenError::Foreign(_)));
}

#[test]
fn what_is_not_a_database_is_refused_and_untouched() {
    for garbage in [b"hello".to_vec(), vec![0; 5000], b"SQLite format 3\0".repeat(500)] {
        let (folder, path) = folder();
        fs::write(&path, garbage).unwrap();
        let error = refusal(folder.path(), &path);
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_damaged_store_is_refused_and_untouched() {
    for (cut, from) in [(true, 9000), (false, 4096), (false, 100)] {
        let (_folder, path) = folder();
        let store = SqliteStore::open(&path).unwrap();
        create_organization(&store).await;
        drop(store);
        let mut bytes = fs::read(&path).unwrap();
        if cut {
            bytes.truncate(from);
        } else {
            bytes[from..from + 4000].fill(0xa5);
        }
        fs::write(&path, &bytes).unwrap();
        let error = SqliteStore::open(&path).err().unwrap();
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
        assert!(fs::read(&path).unwrap() == bytes);
    }
}

#[test]
fn a_database_of_another_program_is_refused_and_untouched() {
    for sql in [
        "CREATE TABLE users (x);",
        "PRAGMA journal_mode = WAL; CREATE TABLE users (x);",
        "PRAGMA application_id = 77; CREATE TABLE users (x);",
        "PRAGMA user_version = 1;",
    ] {
        let (folder, path) = folder();
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let error = refusal(folder.path(), &path);
        assert!(matches!(error, OpenError::Foreign(_)), "{sql}: {error}");
    }
}

#[test]
fn a_store_of_a_newer_schema_is_refused_and_untouched() {
    let (folder, path) = folder();
    drop(SqliteStore::open(&path).unwrap());
    let newer = schema::VERSION + 1;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", newer).unwrap();
    let error = refusal(folder.path(), &path);
    assert!(matches!(error, OpenError::Newer { found, known: schema::VERSION, .. } if found == newer), "{error}");
}

/// A newer program was killed: its schema stands in the log alone, and the log stays too.
#[test]
fn a_newer_schema_is_seen_in_the_log() {
    let (folder, path) = folder();
    drop(SqliteStore::open(&path).unwrap());
    let db = Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    let copy = folder.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for name in ["portcullis.db", "portcullis.db-wal"] {
        fs::copy(folder.path().join(name), copy.join(name)).unwrap();
    }
    let wal = fs::read(copy.join("portcullis.db-wal")).unwrap();
    let file = fs::read(copy.join("portcullis.db")).unwrap();
    let error = SqliteStore::open(&copy.join("portcullis.db")).err().unwrap();
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error}");
    assert!(fs::read(copy.join("portcullis.db-wal")).unwrap() == wal);
    assert!(fs::read(copy.join("portcullis.db")).unwrap() == file);
}

#[test]
fn an_older_schema_is_told_without_a_trace_unless_a_newer_one_stands_in_the_log() {
    let (folder, path) = folder();
    drop(SqliteStore::open(&path).unwrap());
    assert!(SqliteStore::check_schema(&path).is_ok());
    let db = Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    drop(db);
    let before = contents(folder.path());
    let error = SqliteStore::check_schema(&path).unwrap_err();
    assert!(matches!(error, OpenError::Older { found: 1, known: schema::VERSION, .. }), "{error}");
    assert!(contents(folder.path()) == before);
    let other = Connection::open(&path).unwrap();
    other.pragma_update(None, "user_version", schema::VERSION).unwrap();
    assert!(fs::read(&path).unwrap() == before[0].1, "it stands in the log alone");
    assert!(SqliteStore::check_schema(&path).is_ok());
}

#[test]
fn a_locked_file_is_refused_and_untouched() {
    for sql in ["PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE;", "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;"] {
        let (_folder, path) = folder();
        drop(SqliteStore::open(&path).unwrap());
        let other = Connection::open(&path).unwrap();
        other.execute_batch(sql).unwrap();
        let before = fs::read(&path).unwrap();
        let error = SqliteStore::open(&path).err().unwrap();
        assert!(matches!(error, OpenError::Locked(_)), "{sql}: {error}");
        assert!(fs::read(&path).unwrap() == before, "{sql}");
    }
}

#[tokio::test]
async fn while_another_process_writes_a_store_is_opened_and_read() {
    let (_folder, path) = folder();
    drop(SqliteStore::open(&path).unwrap());
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE;").unwrap();
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.last_change().await, Ok(0));
}

#[test]
fn what_cannot_be_a_file_of_ours_is_told_with_its_reason() {
    let (folder, path) = folder();
    let error = SqliteStore::open(folder.path()).err().unwrap();
    assert!(error.to_string().contains("it is a directory"), "{error}");
    let error = SqliteStore::open(&folder.path().join("absent/portcullis.db")).err().unwrap();
    assert!(error.to_string().contains("No such file or directory"), "{error}");
    assert!(!folder.path().join("absent").exists());
    let error = SqliteStore::open(Path::new("/dev/null")).err().unwrap();
    assert!(error.to_string().contains("not a regular file"), "{error}");
    assert!(!path.exists());
}

/// Whether this user's permissions bind it; root's do not.
fn is_bound_by_permissions(folder: &Path) -> bool {
    let probe = folder.join("probe");
    fs::write(&probe, "").unwrap();
    fs::set_permissions(&probe, fs::Permissions::from_mode(0o400)).unwrap();
    let bound = fs::OpenOptions::new().write(true).open(&probe).is_err();
    fs::remove_file(probe).unwrap();
    bound
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn a_file_or_folder_without_permission_is_refused_and_untouched() {
    let (folder, path) = folder();
    drop(SqliteStore::open(&path).unwrap());
    if !is_bound_by_permissions(folder.path()) {
        eprintln!("SKIPPED: this user (root?) may write everything, so permissions cannot be tested");
        return;
    }
    for (file, mode) in [(path.as_path(), 0o400), (path.as_path(), 0o000), (folder.path(), 0o500)] {
        let before = fs::metadata(file).unwrap().permissions();
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
        let error = SqliteStore::open(&path).err().unwrap();
        fs::set_permissions(file, before).unwrap();
        assert!(matches!(error, OpenError::Unreadable { .. }), "{mode:o}: {error}");
    }
}
