//! The records of tokens.

use rusqlite::{Connection, Row, params};

use super::{
    changes,
    rows::{Fields, all, count, execute, first, page},
};
use crate::{
    model::{ClientId, OrganizationId, Timestamp, Token, TokenId},
    store::{Action, Audit, InsertToken, Page, PageOf, StoreError, Subject},
};

/// The most expired tokens that go to make room for one: few, so that others' writes hardly wait.
const CLEARED: i64 = 500;

pub(super) fn insert(db: &Connection, token: &Token, most: u32) -> Result<InsertToken, StoreError> {
    let counted = first(
        db,
        "SELECT token_count FROM clients WHERE id = ?1 AND enabled AND token_epoch = ?2",
        params![token.client.as_bytes(), token.epoch],
        |row| Fields::of("clients", row).get::<i64>("token_count"),
    )?;
    let Some(counted) = counted else { return Ok(InsertToken::Refused) };
    let excess = counted - i64::from(most);
    if excess >= 0
        && let Some(room_at) = clear(db, token, excess + 1)?
    {
        return Ok(InsertToken::TooMany { room_at });
    }
    execute(
        db,
        "INSERT INTO tokens (id, client, epoch, scopes, audiences, issued_at, expires_at, last_used)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            token.id.as_bytes(),
            token.client.as_bytes(),
            token.epoch,
            token.scopes.to_string(),
            token.audiences.to_string(),
            token.issued_at.as_seconds(),
            token.expires_at.as_seconds(),
            token.last_used.map(Timestamp::as_seconds),
        ],
    )?;
    Ok(InsertToken::Inserted)
}

/// Removes `wanted` tokens of the client that are expired and not swept yet. If there are not so many, gives back when
/// there will have been.
fn clear(db: &Connection, new: &Token, wanted: i64) -> Result<Option<Timestamp>, StoreError> {
    let removed = execute(
        db,
        "DELETE FROM tokens WHERE seq IN (
             SELECT seq FROM tokens WHERE client = ?1 AND epoch = ?2 AND expires_at <= ?3 ORDER BY expires_at LIMIT ?4
         )",
        params![new.client.as_bytes(), new.epoch, new.issued_at.as_seconds(), wanted.min(CLEARED)],
    )?;
    let still_wanted = wanted - i64::try_from(removed).unwrap_or(i64::MAX);
    if still_wanted <= 0 {
        return Ok(None);
    }
    // More than one if the limit was lowered.
    let last = first(
        db,
        "SELECT expires_at FROM tokens WHERE client = ?1 AND epoch = ?2 ORDER BY expires_at LIMIT 1 OFFSET ?3",
        params![new.client.as_bytes(), new.epoch, still_wanted - 1],
        |row| Fields::of("tokens", row).moment("expires_at"),
    )?;
    last.map(Some)
        .ok_or_else(|| StoreError::Corrupt("clients.token_count of a row counts tokens that are not there".to_owned()))
}

pub(super) fn find(db: &Connection, id: TokenId) -> Result<Option<Token>, StoreError> {
    first(db, "SELECT * FROM tokens WHERE id = ?1", [id.as_bytes()], token)
}

pub(super) fn list(
    db: &Connection,
    client: ClientId,
    now: Timestamp,
    wanted: Page,
) -> Result<PageOf<Token>, StoreError> {
    let rows = all(
        db,
        "SELECT * FROM tokens
         WHERE client = ?1 AND epoch = (SELECT token_epoch FROM clients WHERE id = ?1) AND expires_at > ?2 AND seq > ?3
         ORDER BY seq LIMIT ?4",
        params![client.as_bytes(), now.as_seconds(), wanted.after.unwrap_or(0), i64::from(wanted.limit) + 1],
        |row| Ok((row.get("seq")?, token(row)?)),
    )?;
    let total = count(
        db,
        "SELECT count(*) FROM tokens
         WHERE client = ?1 AND epoch = (SELECT token_epoch FROM clients WHERE id = ?1) AND expires_at > ?2",
        params![client.as_bytes(), now.as_seconds()],
    )?;
    Ok(page(rows, wanted.limit, total))
}

/// A token that is dead already counts as absent: expired, of an older epoch, or of a client that is gone.
pub(super) fn revoke(db: &Connection, id: TokenId, audit: &Audit) -> Result<bool, StoreError> {
    let owner = first(
        db,
        "SELECT organization FROM tokens JOIN clients ON clients.id = tokens.client
         WHERE tokens.id = ?1 AND expires_at > ?2 AND epoch = token_epoch",
        params![id.as_bytes(), audit.at.as_seconds()],
        |row| Fields::of("clients", row).get("organization").map(OrganizationId::from_bytes),
    )?;
    let Some(owner) = owner else { return Ok(false) };
    execute(db, "DELETE FROM tokens WHERE id = ?1", [id.as_bytes()])?;
    changes::write(db, Action::TokenRevoked, Subject::Token(id), owner, audit)?;
    Ok(true)
}

/// By the counts that clients have, so that no living token is looked at: only those that are expired and not swept yet
/// are, to be left out.
pub(super) fn count_live(db: &Connection, now: Timestamp) -> Result<u64, StoreError> {
    count(
        db,
        "SELECT (SELECT coalesce(sum(token_count), 0) FROM clients)
              - (SELECT count(*) FROM tokens CROSS JOIN clients ON clients.id = tokens.client AND token_epoch = epoch
                 WHERE expires_at <= ?1)",
        [now.as_seconds()],
    )
}

fn token(row: &Row<'_>) -> Result<Token, StoreError> {
    let fields = Fields::of("tokens", row);
    Ok(Token {
        id: TokenId::from_bytes(fields.get("id")?),
        client: ClientId::from_bytes(fields.get("client")?),
        epoch: fields.get("epoch")?,
        scopes: fields.parse("scopes")?,
        audiences: fields.parse("audiences")?,
        issued_at: fields.moment("issued_at")?,
        expires_at: fields.moment("expires_at")?,
        last_used: fields.moment_option("last_used")?,
    })
}
