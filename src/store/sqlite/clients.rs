//! Clients.

use rusqlite::{Connection, Row, params};

use super::{
    changes, organizations,
    rows::{Fields, all, count, duration, execute, first, page, seconds},
    secrets,
};
use crate::{
    model::{Client, ClientId, OrganizationId, StoredSecret, Timestamp},
    store::{Action, Audit, ClientUpdate, ClientWithSecrets, CreateClient, Page, PageOf, StoreError, Subject},
};

pub(super) fn create(
    db: &Connection,
    client: &Client,
    secret: &StoredSecret,
    unless_named: bool,
    audit: &Audit,
) -> Result<CreateClient, StoreError> {
    if !organizations::exists(db, client.organization)? {
        return Ok(CreateClient::Absent);
    }
    if unless_named && is_named(db, client)? {
        return Ok(CreateClient::NameTaken);
    }
    insert(db, client)?;
    secrets::write(db, client.id, secret)?;
    changes::write(db, Action::ClientCreated, Subject::Client(client.id), client.organization, audit)?;
    Ok(CreateClient::Created)
}

/// Whether its organisation has a client of its name.
fn is_named(db: &Connection, client: &Client) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM clients WHERE organization = ?1 AND name = ?2 LIMIT 1";
    Ok(first(db, sql, params![client.organization.as_bytes(), client.name.as_str()], |_| Ok(()))?.is_some())
}

pub(super) fn find(db: &Connection, id: ClientId, now: Timestamp) -> Result<Option<ClientWithSecrets>, StoreError> {
    let Some(client) = get(db, id)? else { return Ok(None) };
    let owner = organizations::find(db, client.organization)?
        .ok_or_else(|| StoreError::Corrupt("clients.organization of a row names none".to_owned()))?;
    let secrets = secrets::live(db, id, now)?;
    Ok(Some(ClientWithSecrets { client, owner: owner.organization, secrets }))
}

pub(super) fn list(db: &Connection, owner: OrganizationId, wanted: Page) -> Result<PageOf<Client>, StoreError> {
    let rows = all(
        db,
        "SELECT * FROM clients WHERE organization = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
        params![owner.as_bytes(), wanted.after.unwrap_or(0), i64::from(wanted.limit) + 1],
        |row| Ok((row.get("seq")?, client(row)?)),
    )?;
    let total = count(db, "SELECT count(*) FROM clients WHERE organization = ?1", [owner.as_bytes()])?;
    Ok(page(rows, wanted.limit, total))
}

pub(super) fn update(
    db: &Connection,
    id: ClientId,
    update: ClientUpdate,
    audit: &Audit,
) -> Result<Option<Client>, StoreError> {
    let Some(before) = get(db, id)? else { return Ok(None) };
    let after = updated(before, update);
    execute(
        db,
        "UPDATE clients SET name = ?2, scopes = ?3, default_scopes = ?4, audiences = ?5, token_duration = ?6,
             enabled = ?7, refresh_token_duration = ?8, redirect_uris = ?9
         WHERE id = ?1",
        params![
            id.as_bytes(),
            after.name.as_str(),
            after.scopes.to_string(),
            after.default_scopes.as_ref().map(ToString::to_string),
            after.audiences.to_string(),
            seconds(after.token_duration),
            after.enabled,
            after.refresh_token_duration.map(seconds),
            redirect_uris(&after)?,
        ],
    )?;
    changes::write(db, Action::ClientUpdated, Subject::Client(id), after.organization, audit)?;
    Ok(Some(after))
}

fn updated(client: Client, update: ClientUpdate) -> Client {
    Client {
        name: update.name.unwrap_or(client.name),
        scopes: update.scopes.unwrap_or(client.scopes),
        default_scopes: update.default_scopes.unwrap_or(client.default_scopes),
        audiences: update.audiences.unwrap_or(client.audiences),
        token_duration: update.token_duration.unwrap_or(client.token_duration),
        enabled: update.enabled.unwrap_or(client.enabled),
        refresh_token_duration: update.refresh_token_duration.or(client.refresh_token_duration),
        redirect_uris: update.redirect_uris.or(client.redirect_uris),
        ..client
    }
}

/// Its secrets go with it; its tokens are left to the sweep.
pub(super) fn delete(db: &Connection, id: ClientId, audit: &Audit) -> Result<bool, StoreError> {
    let sql = "DELETE FROM clients WHERE id = ?1 RETURNING organization, token_epoch + 1 AS ended_below";
    end_epochs(db, sql, Action::ClientDeleted, id, audit)
}

pub(super) fn revoke_tokens(db: &Connection, id: ClientId, audit: &Audit) -> Result<bool, StoreError> {
    let sql = "UPDATE clients SET token_epoch = token_epoch + 1 WHERE id = ?1
               RETURNING organization, token_epoch AS ended_below";
    end_epochs(db, sql, Action::TokensRevoked, id, audit)
}

/// Carries out what kills all tokens of a client, and leaves word for the sweep.
fn end_epochs(db: &Connection, sql: &str, action: Action, id: ClientId, audit: &Audit) -> Result<bool, StoreError> {
    let ended = first(db, sql, [id.as_bytes()], |row| {
        let fields = Fields::of("clients", row);
        Ok((OrganizationId::from_bytes(fields.get("organization")?), fields.get::<i64>("ended_below")?))
    })?;
    let Some((organization, below)) = ended else { return Ok(false) };
    execute(
        db,
        "INSERT INTO ended_epochs (client, below) VALUES (?1, ?2)
         ON CONFLICT (client) DO UPDATE SET below = excluded.below",
        params![id.as_bytes(), below],
    )?;
    changes::write(db, action, Subject::Client(id), organization, audit)?;
    Ok(true)
}

/// The organisation that owns it.
pub(super) fn owner(db: &Connection, id: ClientId) -> Result<Option<OrganizationId>, StoreError> {
    first(db, "SELECT organization FROM clients WHERE id = ?1", [id.as_bytes()], |row| {
        Fields::of("clients", row).get("organization").map(OrganizationId::from_bytes)
    })
}

fn get(db: &Connection, id: ClientId) -> Result<Option<Client>, StoreError> {
    first(db, "SELECT * FROM clients WHERE id = ?1", [id.as_bytes()], client)
}

fn insert(db: &Connection, client: &Client) -> Result<(), StoreError> {
    execute(
        db,
        "INSERT INTO clients (id, organization, name, scopes, default_scopes, audiences, token_duration, enabled,
             token_epoch, refresh_token_duration, redirect_uris, created_at, last_used)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        params![
            client.id.as_bytes(),
            client.organization.as_bytes(),
            client.name.as_str(),
            client.scopes.to_string(),
            client.default_scopes.as_ref().map(ToString::to_string),
            client.audiences.to_string(),
            seconds(client.token_duration),
            client.enabled,
            client.token_epoch,
            client.refresh_token_duration.map(seconds),
            redirect_uris(client)?,
            client.created_at.as_seconds(),
            client.last_used.map(Timestamp::as_seconds),
        ],
    )?;
    Ok(())
}

fn redirect_uris(client: &Client) -> Result<Option<String>, StoreError> {
    let texts = client.redirect_uris.as_ref().map(serde_json::to_string).transpose();
    texts.map_err(|error| StoreError::Unavailable(error.to_string()))
}

fn client(row: &Row<'_>) -> Result<Client, StoreError> {
    let fields = Fields::of("clients", row);
    Ok(Client {
        id: ClientId::from_bytes(fields.get("id")?),
        organization: OrganizationId::from_bytes(fields.get("organization")?),
        name: fields.parse("name")?,
        scopes: fields.parse("scopes")?,
        default_scopes: fields.map_option("default_scopes", |text: String| text.parse().ok())?,
        audiences: fields.parse("audiences")?,
        token_duration: fields.map("token_duration", duration)?,
        enabled: fields.get("enabled")?,
        token_epoch: fields.get("token_epoch")?,
        refresh_token_duration: fields.map_option("refresh_token_duration", duration)?,
        redirect_uris: fields.map_option("redirect_uris", |text: String| serde_json::from_str(&text).ok())?,
        created_at: fields.moment("created_at")?,
        last_used: fields.moment_option("last_used")?,
    })
}
