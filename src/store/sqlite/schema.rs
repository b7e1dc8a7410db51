//! The tables, and the way from each older schema to the newest.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};
use zeroize::Zeroizing;

use super::errors::{corrupt, refusal, unreadable};
use crate::{model::random_bytes, store::OpenError};

/// Marks a file as ours: "Prtc".
pub(super) const APPLICATION_ID: i32 = 0x5072_7463;

/// The newest schema known here.
pub(super) const VERSION: i64 = 1;

/// The step at index `n` leads from schema `n` to `n + 1`; schema 0 is the empty file. A step that was released is
/// never changed.
///
/// Identifiers are kept as their bytes, moments as seconds since 1970, sets as texts with blanks. `seq` is the place
/// in a list and the cursor of a page; AUTOINCREMENT, so that a cursor never meets a number for the second time.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE organizations (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id BLOB NOT NULL UNIQUE,
        parent BLOB REFERENCES organizations (id),
        name TEXT NOT NULL,
        key_hash TEXT NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX organizations_by_parent ON organizations (parent);

    -- Where deleted organisations stood, so that those above still find their changes.
    CREATE TABLE deleted_organizations (id BLOB PRIMARY KEY, parent BLOB) STRICT, WITHOUT ROWID;
    CREATE INDEX deleted_organizations_by_parent ON deleted_organizations (parent);

    CREATE TABLE clients (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id BLOB NOT NULL UNIQUE,
        organization BLOB NOT NULL REFERENCES organizations (id),
        name TEXT NOT NULL,
        scopes TEXT NOT NULL,
        default_scopes TEXT,
        audiences TEXT NOT NULL,
        token_duration INTEGER NOT NULL,
        enabled INTEGER NOT NULL,
        token_epoch INTEGER NOT NULL,
        refresh_token_duration INTEGER,
        redirect_uris TEXT,
        created_at INTEGER NOT NULL,
        last_used INTEGER
    ) STRICT;
    CREATE INDEX clients_by_organization ON clients (organization);

    CREATE TABLE client_secrets (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id BLOB NOT NULL UNIQUE,
        client BLOB NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
        hash TEXT NOT NULL,
        hint TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        last_used INTEGER
    ) STRICT;
    CREATE INDEX client_secrets_by_client ON client_secrets (client);
    CREATE INDEX client_secrets_by_end ON client_secrets (expires_at) WHERE expires_at IS NOT NULL;

    -- Rows outlive their client and its epoch until they are swept.
    CREATE TABLE tokens (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id BLOB NOT NULL UNIQUE,
        client BLOB NOT NULL,
        epoch INTEGER NOT NULL,
        scopes TEXT NOT NULL,
        audiences TEXT NOT NULL,
        issued_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        last_used INTEGER
    ) STRICT;
    CREATE INDEX tokens_by_client ON tokens (client, epoch, seq, expires_at);
    CREATE INDEX tokens_by_end ON tokens (expires_at);

    -- What the sweep has to look for: the tokens of `client` whose epoch is below this one are dead.
    CREATE TABLE ended_epochs (client BLOB PRIMARY KEY, below INTEGER NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE changes (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        organization BLOB NOT NULL,
        request_id TEXT
    ) STRICT;
    CREATE INDEX changes_by_organization ON changes (organization);
"];

/// What one look at the file led to.
enum Step {
    Newest,
    Taken,
    Foreign,
    Unknown(i64),
}

/// Brings the file to the newest schema. Each step is a transaction that first looks anew where the file stands, so
/// two processes may do it at once.
pub(super) fn migrate(db: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let check_key = Zeroizing::new(random_bytes().map_err(|error| unreadable(path, error.to_string()))?);
    // Most often nothing is to be done, and nobody need wait for the exclusive lock.
    if version(db).is_ok_and(|found| found == VERSION) {
        return Ok(());
    }
    loop {
        match step(db, &check_key).map_err(|error| refusal(path, &error))? {
            Step::Newest => return Ok(()),
            Step::Taken => {}
            Step::Foreign => return Err(OpenError::Foreign(path.to_owned())),
            Step::Unknown(found) => return Err(unknown(path, found)),
        }
    }
}

fn step(db: &mut Connection, check_key: &[u8; 32]) -> Result<Step, rusqlite::Error> {
    // Exclusive: in a file that is not in WAL mode yet, nobody may read what is half made.
    let step = db.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    let found = version(&step)?;
    if found == VERSION {
        return Ok(Step::Newest);
    }
    let Some(sql) = usize::try_from(found).ok().and_then(|index| MIGRATIONS.get(index)) else {
        return Ok(Step::Unknown(found));
    };
    let is_new = found == 0;
    if is_new && step.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))? {
        return Ok(Step::Foreign);
    }
    step.execute_batch(sql)?;
    if is_new {
        step.pragma_update(None, "application_id", APPLICATION_ID)?;
        step.execute("INSERT INTO meta (name, value) VALUES ('check_key', ?1)", [check_key])?;
    }
    step.pragma_update(None, "user_version", found + 1)?;
    step.commit()?;
    Ok(Step::Taken)
}

/// The schema that the file has.
pub(super) fn version(db: &Connection) -> Result<i64, rusqlite::Error> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Why a schema that no step starts from is refused.
pub(super) fn unknown(path: &Path, found: i64) -> OpenError {
    if found > VERSION {
        OpenError::Newer { path: path.to_owned(), found, known: VERSION }
    } else {
        corrupt(path, format!("its schema says {found}"))
    }
}
