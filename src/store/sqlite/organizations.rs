//! Organisations and the trees that they form.

use rusqlite::{Connection, Row, params};

use super::{
    changes, clients,
    rows::{Fields, all, count, execute, first, page},
};
use crate::{
    model::{ClientId, HashedSecret, Organization, OrganizationId},
    store::{
        Action, Audit, DeleteOrganization, NewOrganization, OrganizationWithKey, Page, PageOf, StoreError, Subject,
    },
};

pub(super) fn create(
    db: &Connection,
    new: &NewOrganization,
    audit: &Audit,
) -> Result<Option<Organization>, StoreError> {
    if let Some(parent) = new.parent
        && !exists(db, parent)?
    {
        return Ok(None);
    }
    execute(
        db,
        "INSERT INTO organizations (id, parent, name, key_hash, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            new.id.as_bytes(),
            new.parent.as_ref().map(OrganizationId::as_bytes),
            new.name.as_str(),
            new.key.as_phc(),
            audit.at.as_seconds(),
        ],
    )?;
    changes::write(db, Action::OrganizationCreated, Subject::Organization(new.id), new.id, audit)?;
    Ok(find(db, new.id)?.map(|found| found.organization))
}

pub(super) fn find(db: &Connection, id: OrganizationId) -> Result<Option<OrganizationWithKey>, StoreError> {
    first(db, "SELECT * FROM organizations WHERE id = ?1", [id.as_bytes()], |row| {
        let key = HashedSecret::from_phc(Fields::of("organizations", row).get("key_hash")?);
        Ok(OrganizationWithKey { organization: organization(db, row)?, key })
    })
}

pub(super) fn list(db: &Connection, wanted: Page) -> Result<PageOf<Organization>, StoreError> {
    let rows = all(
        db,
        "SELECT * FROM organizations WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        params![wanted.after.unwrap_or(0), i64::from(wanted.limit) + 1],
        |row| Ok((row.get("seq")?, organization(db, row)?)),
    )?;
    Ok(page(rows, wanted.limit, count(db, "SELECT count(*) FROM organizations", [])?))
}

pub(super) fn descendants(db: &Connection, id: OrganizationId) -> Result<Vec<OrganizationId>, StoreError> {
    all(
        db,
        "WITH RECURSIVE tree (id, seq) AS (
             SELECT id, seq FROM organizations WHERE parent = ?1
             UNION SELECT below.id, below.seq FROM organizations AS below JOIN tree ON below.parent = tree.id
         )
         SELECT id FROM tree ORDER BY seq",
        [id.as_bytes()],
        |row| Fields::of("organizations", row).get("id").map(OrganizationId::from_bytes),
    )
}

pub(super) fn replace_key(
    db: &Connection,
    id: OrganizationId,
    key: &HashedSecret,
    audit: &Audit,
) -> Result<Option<Organization>, StoreError> {
    let sql = "UPDATE organizations SET key_hash = ?2 WHERE id = ?1";
    if execute(db, sql, params![id.as_bytes(), key.as_phc()])? == 0 {
        return Ok(None);
    }
    changes::write(db, Action::OrganizationKeyRotated, Subject::Organization(id), id, audit)?;
    Ok(find(db, id)?.map(|found| found.organization))
}

pub(super) fn delete(db: &Connection, id: OrganizationId, audit: &Audit) -> Result<DeleteOrganization, StoreError> {
    if !exists(db, id)? {
        return Ok(DeleteOrganization::Absent);
    }
    if first(db, "SELECT 1 FROM organizations WHERE parent = ?1", [id.as_bytes()], |_| Ok(()))?.is_some() {
        return Ok(DeleteOrganization::HasChildren);
    }
    let owned = all(db, "SELECT id FROM clients WHERE organization = ?1 ORDER BY seq", [id.as_bytes()], |row| {
        Fields::of("clients", row).get("id").map(ClientId::from_bytes)
    })?;
    for client in &owned {
        clients::delete(db, *client, audit)?;
    }
    execute(
        db,
        "INSERT INTO deleted_organizations (id, parent) SELECT id, parent FROM organizations WHERE id = ?1",
        [id.as_bytes()],
    )?;
    execute(db, "DELETE FROM organizations WHERE id = ?1", [id.as_bytes()])?;
    changes::write(db, Action::OrganizationDeleted, Subject::Organization(id), id, audit)?;
    Ok(DeleteOrganization::Deleted(owned))
}

pub(super) fn exists(db: &Connection, id: OrganizationId) -> Result<bool, StoreError> {
    Ok(first(db, "SELECT 1 FROM organizations WHERE id = ?1", [id.as_bytes()], |_| Ok(()))?.is_some())
}

fn organization(db: &Connection, row: &Row<'_>) -> Result<Organization, StoreError> {
    let fields = Fields::of("organizations", row);
    let id = OrganizationId::from_bytes(fields.get("id")?);
    Ok(Organization {
        id,
        name: fields.parse("name")?,
        lineage: lineage(db, id)?,
        created_at: fields.moment("created_at")?,
    })
}

fn lineage(db: &Connection, id: OrganizationId) -> Result<Vec<OrganizationId>, StoreError> {
    all(
        db,
        "WITH RECURSIVE line (id, parent, height) AS (
             SELECT id, parent, 0 FROM organizations WHERE id = ?1
             UNION ALL
             SELECT above.id, above.parent, height + 1 FROM organizations AS above JOIN line ON above.id = line.parent
         )
         SELECT id FROM line ORDER BY height",
        [id.as_bytes()],
        |row| Fields::of("organizations", row).get("id").map(OrganizationId::from_bytes),
    )
}
