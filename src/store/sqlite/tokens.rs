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

/// One statement, so that a client that was disabled a moment ago gets no more.
pub(super) fn insert(db: &Connection, token: &Token) -> Result<InsertToken, StoreError> {
    let inserted = execute(
        db,
        "INSERT INTO tokens (id, client, epoch, scopes, audiences, issued_at, expires_at, last_used)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
         WHERE EXISTS (SELECT 1 FROM clients WHERE id = ?2 AND enabled AND token_epoch = ?3)",
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
    Ok(if inserted == 1 { InsertToken::Inserted } else { InsertToken::Refused })
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

pub(super) fn count_live(db: &Connection, now: Timestamp) -> Result<u64, StoreError> {
    count(
        db,
        "SELECT count(*) FROM clients CROSS JOIN tokens ON tokens.client = clients.id AND epoch = token_epoch
         WHERE expires_at > ?1",
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
