//! Many tokens put into a store at once, as if they had been issued: by the tables themselves, in one transaction.

use std::{fs::File, path::Path, thread, time::Duration};

use portcullis::model::{CheckKey, SecretKind, Timestamp};
use rusqlite::{Connection, params};

use super::Outcome;

/// Adds so many tokens that end at this moment, each like the first one that the store has. With `texts`, their texts
/// in the order in which they were made, which is not that of the store's index.
pub(super) fn add_tokens(store: &Path, count: usize, end: Timestamp, texts: bool) -> Outcome<Vec<String>> {
    let mut db = Connection::open(store)?;
    db.busy_timeout(Duration::from_secs(10))?;
    let key = key_of(&db)?;
    let (mut kept, mut ids) = (Vec::new(), Vec::with_capacity(count));
    for _ in 0..count {
        let (text, digest) = key.mint(SecretKind::AccessToken)?;
        ids.push(*digest.as_bytes());
        if texts {
            kept.push(text.expose().to_owned());
        }
    }
    // In the order of their index it grows at its end alone.
    ids.sort_unstable();
    // Nobody else has the file, and it is of no use unless all of this succeeds.
    for (name, value) in [("journal_mode", "delete"), ("journal_mode", "off"), ("synchronous", "off")] {
        db.pragma_update(None, name, value)?;
    }
    db.pragma_update(None, "cache_size", -1_000_000)?;
    insert(&mut db, &ids, end)?;
    drop(db);
    // Else the system writes it out while others are measured.
    File::open(store)?.sync_all()?;
    Ok(kept)
}

/// The key by which a store makes its secrets.
pub(super) fn check_key(store: &Path) -> Outcome<CheckKey> {
    key_of(&Connection::open(store)?)
}

fn key_of(db: &Connection) -> Outcome<CheckKey> {
    let key = "SELECT value FROM meta WHERE name = 'check_key'";
    Ok(CheckKey::new(db.query_row(key, [], |row| row.get(0))?))
}

/// Indexes and triggers are set aside meanwhile: made once at the end, they take a fraction of the time.
fn insert(db: &mut Connection, ids: &[[u8; 20]], end: Timestamp) -> Outcome<()> {
    let transaction = db.transaction()?;
    let aside = {
        let made = "SELECT type, name, sql FROM sqlite_schema
                    WHERE tbl_name = 'tokens' AND type IN ('index', 'trigger') AND sql IS NOT NULL";
        let mut made = transaction.prepare(made)?;
        let rows = made.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        rows.collect::<Result<Vec<(String, String, String)>, _>>()?
    };
    for (kind, name, _) in &aside {
        transaction.execute_batch(&format!("DROP {kind} {name}"))?;
    }
    {
        let like = "SELECT client, epoch, scopes, audiences, issued_at FROM tokens LIMIT 1";
        let (client, epoch, scopes, audiences, issued_at): (Vec<u8>, i64, String, String, i64) = transaction
            .query_row(like, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?;
        let mut insert = transaction.prepare(
            "INSERT INTO tokens (id, client, epoch, scopes, audiences, issued_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for id in ids {
            insert.execute(params![id, client, epoch, scopes, audiences, issued_at, end.as_seconds()])?;
        }
    }
    for (.., sql) in &aside {
        transaction.execute_batch(sql)?;
    }
    transaction.execute_batch(
        "UPDATE clients SET token_count =
             (SELECT count(*) FROM tokens WHERE client = clients.id AND epoch = clients.token_epoch)",
    )?;
    Ok(transaction.commit()?)
}

/// How many tokens the store has that end at this moment or before. Another process may be at work on it.
pub(super) fn ended_by(store: &Path, moment: Timestamp) -> Outcome<usize> {
    let db = Connection::open(store)?;
    let count = || {
        db.query_row("SELECT count(*) FROM tokens WHERE expires_at <= ?1", [moment.as_seconds()], |row| {
            row.get::<_, i64>(0)
        })
    };
    let mut counted = count();
    while counted.as_ref().is_err_and(|error| error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)) {
        thread::sleep(Duration::from_millis(10));
        counted = count();
    }
    Ok(usize::try_from(counted?)?)
}
