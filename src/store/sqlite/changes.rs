//! The table of changes: the audit trail, and the feed that caches follow.

use rusqlite::{Connection, Row, params};

use super::rows::{Fields, all, execute, first};
use crate::{
    model::{OrganizationId, RequestId},
    store::{Action, Audit, Change, StoreError, Subject},
};

/// Writes one, in the transaction of the mutation that it tells of.
pub(super) fn write(
    db: &Connection,
    action: Action,
    subject: Subject,
    organization: OrganizationId,
    audit: &Audit,
) -> Result<(), StoreError> {
    execute(
        db,
        "INSERT INTO changes (at, actor, action, subject, organization, request_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            audit.at.as_seconds(),
            audit.actor.to_string(),
            action.as_str(),
            subject.to_string(),
            organization.as_bytes(),
            audit.request_id.as_ref().map(RequestId::as_str),
        ],
    )?;
    Ok(())
}

pub(super) fn last(db: &Connection) -> Result<i64, StoreError> {
    let newest = first(db, "SELECT seq FROM changes ORDER BY seq DESC LIMIT 1", [], |row| Ok(row.get(0)?))?;
    Ok(newest.unwrap_or(0))
}

pub(super) fn after(db: &Connection, after: i64, limit: u32) -> Result<Vec<Change>, StoreError> {
    all(db, "SELECT * FROM changes WHERE seq > ?1 ORDER BY seq LIMIT ?2", params![after, limit], change)
}

pub(super) fn within(
    db: &Connection,
    organization: OrganizationId,
    after: i64,
    limit: u32,
) -> Result<Vec<Change>, StoreError> {
    all(
        db,
        "WITH RECURSIVE tree (id) AS (
             VALUES (?1)
             UNION SELECT organizations.id FROM organizations JOIN tree ON parent = tree.id
             UNION SELECT deleted_organizations.id FROM deleted_organizations JOIN tree ON parent = tree.id
         )
         SELECT * FROM changes WHERE organization IN tree AND seq > ?2 ORDER BY seq LIMIT ?3",
        params![organization.as_bytes(), after, limit],
        change,
    )
}

fn change(row: &Row<'_>) -> Result<Change, StoreError> {
    let fields = Fields::of("changes", row);
    Ok(Change {
        seq: fields.get("seq")?,
        at: fields.moment("at")?,
        actor: fields.parse("actor")?,
        action: fields.parse("action")?,
        subject: fields.parse("subject")?,
        organization: OrganizationId::from_bytes(fields.get("organization")?),
        request_id: fields.get("request_id")?,
    })
}
