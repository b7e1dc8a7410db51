//! The secrets of clients.

use rusqlite::{Connection, Row, params};

use super::{
    changes, clients,
    rows::{Fields, all, count, execute, first},
};
use crate::{
    model::{ClientId, HashedSecret, SecretId, StoredSecret, Timestamp},
    store::{Action, Audit, DeleteSecret, InsertSecret, StoreError, Subject},
};

pub(super) fn insert(
    db: &Connection,
    client: ClientId,
    secret: &StoredSecret,
    others_expire_at: Timestamp,
    most: u32,
    audit: &Audit,
) -> Result<InsertSecret, StoreError> {
    let Some(owner) = clients::owner(db, client)? else { return Ok(InsertSecret::Absent) };
    // Counted as it will be: a rotation that ends the others at once always has room.
    let others = count(
        db,
        "SELECT count(*) FROM client_secrets WHERE client = ?1 AND min(coalesce(expires_at, ?2), ?2) > ?3",
        params![client.as_bytes(), others_expire_at.as_seconds(), audit.at.as_seconds()],
    )?;
    if others >= u64::from(most) {
        return Ok(InsertSecret::TooMany);
    }
    execute(
        db,
        "UPDATE client_secrets SET expires_at = ?2 WHERE client = ?1 AND (expires_at IS NULL OR expires_at > ?2)",
        params![client.as_bytes(), others_expire_at.as_seconds()],
    )?;
    write(db, client, secret)?;
    changes::write(db, Action::SecretCreated, Subject::Secret(client, secret.id), owner, audit)?;
    Ok(InsertSecret::Inserted)
}

/// Writes the row and nothing else.
pub(super) fn write(db: &Connection, client: ClientId, secret: &StoredSecret) -> Result<(), StoreError> {
    execute(
        db,
        "INSERT INTO client_secrets (id, client, hash, hint, created_at, expires_at, last_used)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            secret.id.as_bytes(),
            client.as_bytes(),
            secret.hash.as_phc(),
            secret.hint,
            secret.created_at.as_seconds(),
            secret.expires_at.map(Timestamp::as_seconds),
            secret.last_used.map(Timestamp::as_seconds),
        ],
    )?;
    Ok(())
}

/// Those of one client that are not expired, oldest first.
pub(super) fn live(db: &Connection, client: ClientId, now: Timestamp) -> Result<Vec<StoredSecret>, StoreError> {
    all(
        db,
        "SELECT * FROM client_secrets WHERE client = ?1 AND (expires_at IS NULL OR expires_at > ?2) ORDER BY seq",
        params![client.as_bytes(), now.as_seconds()],
        secret,
    )
}

pub(super) fn delete(
    db: &Connection,
    client: ClientId,
    id: SecretId,
    unless_used_since: Option<Timestamp>,
    audit: &Audit,
) -> Result<DeleteSecret, StoreError> {
    let Some(owner) = clients::owner(db, client)? else { return Ok(DeleteSecret::Absent) };
    let key = params![id.as_bytes(), client.as_bytes()];
    let last_used = first(db, "SELECT last_used FROM client_secrets WHERE id = ?1 AND client = ?2", key, |row| {
        Fields::of("client_secrets", row).moment_option("last_used")
    })?;
    let Some(last_used) = last_used else { return Ok(DeleteSecret::Absent) };
    if unless_used_since.is_some_and(|since| last_used.is_some_and(|used| used >= since)) {
        return Ok(DeleteSecret::RecentlyUsed);
    }
    execute(db, "DELETE FROM client_secrets WHERE id = ?1", [id.as_bytes()])?;
    changes::write(db, Action::SecretDeleted, Subject::Secret(client, id), owner, audit)?;
    Ok(DeleteSecret::Deleted)
}

fn secret(row: &Row<'_>) -> Result<StoredSecret, StoreError> {
    let fields = Fields::of("client_secrets", row);
    Ok(StoredSecret {
        id: SecretId::from_bytes(fields.get("id")?),
        hash: HashedSecret::from_phc(fields.get("hash")?),
        hint: fields.get("hint")?,
        created_at: fields.moment("created_at")?,
        expires_at: fields.moment_option("expires_at")?,
        last_used: fields.moment_option("last_used")?,
    })
}
