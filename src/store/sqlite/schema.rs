//! The tables, and the way from each older schema to the newest.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};
use zeroize::Zeroizing;

use super::errors::{corrupt, refusal, unreadable};
use crate::{model::random_bytes, store::OpenError};

/// Marks a file as ours: "Prtc".
pub(super) const APPLICATION_ID: i32 = 0x5072_7463;

/// The newest schema known here.
pub(super) const VERSION: i64 = 3;

/// The step at index `n` leads from schema `n` to `n + 1`; schema 0 is the empty file. A step that was released is
/// never changed.
///
/// Identifiers are kept as their bytes, moments as seconds since 1970, sets as texts with blanks. `seq` is the place
/// in a list and the cursor of a page; AUTOINCREMENT, so that a cursor never meets a number for the second time.
const MIGRATIONS: &[&str] = &[
    "
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
",
    "
    -- How many rows of tokens are of the client's present epoch, the expired ones too. Kept by the triggers below.
    ALTER TABLE clients ADD COLUMN token_count INTEGER NOT NULL DEFAULT 0;
    UPDATE clients SET token_count =
        (SELECT count(*) FROM tokens WHERE client = clients.id AND epoch = clients.token_epoch);
    CREATE INDEX tokens_by_client_and_end ON tokens (client, epoch, expires_at);

    CREATE TRIGGER token_added AFTER INSERT ON tokens BEGIN
        UPDATE clients SET token_count = token_count + 1 WHERE id = new.client AND token_epoch = new.epoch;
    END;
    CREATE TRIGGER token_removed AFTER DELETE ON tokens BEGIN
        UPDATE clients SET token_count = token_count - 1 WHERE id = old.client AND token_epoch = old.epoch;
    END;
    CREATE TRIGGER tokens_ended AFTER UPDATE OF token_epoch ON clients BEGIN
        UPDATE clients SET token_count = 0 WHERE id = new.id;
    END;
",
    "
    -- What observing upstreams would have refused, by day since 1970. What a kind has not is an empty text or blob.
    CREATE TABLE observed (
        id INTEGER PRIMARY KEY,
        day INTEGER NOT NULL,
        upstream TEXT NOT NULL,
        reason TEXT NOT NULL,
        rule TEXT NOT NULL,
        method TEXT NOT NULL,
        client BLOB NOT NULL,
        owner BLOB NOT NULL,
        scopes TEXT NOT NULL,
        any_scope INTEGER NOT NULL,
        count INTEGER NOT NULL,
        first_seen INTEGER NOT NULL,
        last_seen INTEGER NOT NULL,
        UNIQUE (day, upstream, reason, rule, method, client, owner, scopes, any_scope)
    ) STRICT;
",
];

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{ClientId, Timestamp, Token, TokenId},
        store::{Actor, Audit, InsertToken, SqliteStore, Store},
    };

    const BUSY: ClientId = ClientId::from_bytes([2; 8]);
    const IDLE: ClientId = ClientId::from_bytes([3; 8]);

    /// A file as a Portcullis of the first schema left it: two clients in their second epoch, of which one has three
    /// tokens: one that lives, one that is expired, and one of the epoch that ended.
    fn first_schema(path: &Path) -> Connection {
        let db = Connection::open(path).unwrap();
        db.execute_batch(MIGRATIONS[0]).unwrap();
        db.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        db.pragma_update(None, "user_version", 1).unwrap();
        db.execute("INSERT INTO meta (name, value) VALUES ('check_key', ?1)", [[7; 32]]).unwrap();
        db.execute_batch(
            "INSERT INTO organizations (id, name, key_hash, created_at) VALUES (x'0101010101010101', 'O', 'h', 1)",
        )
        .unwrap();
        for id in [BUSY, IDLE] {
            let sql = "INSERT INTO clients (id, organization, name, scopes, audiences, token_duration, enabled,
                           token_epoch, created_at)
                       VALUES (?1, x'0101010101010101', 'C', 'a', '', 60, 1, 1, 1)";
            db.execute(sql, [id.as_bytes()]).unwrap();
        }
        for (id, epoch, end) in [(1_u8, 1, 1000), (2, 1, 5), (3, 0, 1000)] {
            let sql = "INSERT INTO tokens (id, client, epoch, scopes, audiences, issued_at, expires_at)
                       VALUES (?1, ?2, ?3, 'a', '', 1, ?4)";
            db.execute(sql, rusqlite::params![[id; 20], BUSY.as_bytes(), epoch, end]).unwrap();
        }
        db
    }

    fn token(id: u8) -> Token {
        Token {
            id: TokenId::from_bytes([id; 20]),
            client: BUSY,
            epoch: 1,
            scopes: "a".parse().unwrap(),
            audiences: "".parse().unwrap(),
            issued_at: Timestamp::from_seconds(10),
            expires_at: Timestamp::from_seconds(2000),
            last_used: None,
        }
    }

    #[tokio::test]
    async fn a_store_of_the_first_schema_is_brought_to_the_newest_with_all_that_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portcullis.db");
        let db = first_schema(&path);
        let store = SqliteStore::open(&path).unwrap();
        assert_eq!(version(&db), Ok(VERSION));
        assert_eq!(store.check_key(), [7; 32]);
        let count = |id: ClientId| {
            let sql = "SELECT token_count FROM clients WHERE id = ?1";
            db.query_row(sql, [id.as_bytes()], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!((count(BUSY), count(IDLE)), (2, 0));
        assert_eq!(store.insert_token(token(4), 2).await, Ok(InsertToken::Inserted), "the expired one makes room");
        let room_at = Timestamp::from_seconds(1000);
        assert_eq!(store.insert_token(token(5), 2).await, Ok(InsertToken::TooMany { room_at }));
        assert_eq!(count(BUSY), 2);
        assert!(store.token(token(3).id).await.unwrap().is_some(), "what is dead otherwise is left to the sweep");
        assert_eq!(store.observations(Timestamp::from_seconds(0), None, 9).await, Ok(vec![]));
    }

    #[tokio::test]
    async fn the_count_of_tokens_is_right_whatever_becomes_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portcullis.db");
        let db = first_schema(&path);
        let store = SqliteStore::open(&path).unwrap();
        let audit = || Audit { actor: Actor::CommandLine, at: Timestamp::from_seconds(10), request_id: None };
        let check = |step: &str| {
            let sql =
                "SELECT token_count, (SELECT count(*) FROM tokens WHERE client = clients.id AND epoch = token_epoch)
                       FROM clients WHERE id = ?1";
            let counts: (i64, i64) =
                db.query_row(sql, [BUSY.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            assert_eq!(counts.0, counts.1, "{step}");
            counts.0
        };
        store.insert_token(token(4), 9).await.unwrap();
        assert_eq!(check("issued"), 3);
        assert!(store.revoke_token(token(4).id, audit()).await.unwrap());
        assert_eq!(check("revoked"), 2);
        store.sweep(Timestamp::from_seconds(10), 9).await.unwrap();
        assert_eq!(check("swept"), 1);
        assert!(store.revoke_tokens(BUSY, audit()).await.unwrap());
        assert_eq!(check("all revoked"), 0);
        store.insert_token(Token { epoch: 2, ..token(5) }, 9).await.unwrap();
        assert_eq!(check("issued in the next epoch"), 1);
        store.sweep(Timestamp::from_seconds(10), 9).await.unwrap();
        assert_eq!(check("the dead swept"), 1);
    }
}
