//! What observing upstreams would have refused: a row for each kind and day.
//!
//! An absent part of a kind is an empty text or no bytes, so that a kind has one row. A row without a method is for what
//! was too much to be kept apart.

use std::borrow::Cow;

use rusqlite::{Connection, Row, named_params};

use super::rows::{Fields, all, execute};
use crate::{
    model::{ClientId, OrganizationId, ScopeSet, Timestamp},
    store::{Missing, Observed, ObservedCount, ObservedDetails, ObservedKind, StoreError, observed::day},
};

/// The columns of a kind.
struct Columns {
    rule: String,
    method: String,
    client: Vec<u8>,
    owner: Vec<u8>,
    scopes: String,
    any_scope: bool,
}

impl From<Option<&ObservedDetails>> for Columns {
    fn from(details: Option<&ObservedDetails>) -> Self {
        let client = details.and_then(|details| details.client);
        let (scopes, any_scope) = match details.and_then(|details| details.missing.as_ref()) {
            Some(Missing::All(scopes)) => (scopes.to_string(), false),
            Some(Missing::Any(scopes)) => (scopes.to_string(), true),
            None => (String::new(), false),
        };
        Self {
            rule: details.and_then(|details| details.rule.clone()).unwrap_or_default(),
            method: details.map(|details| details.method.to_string()).unwrap_or_default(),
            client: client.map(|(client, _)| client.as_bytes().to_vec()).unwrap_or_default(),
            owner: client.map(|(_, owner)| owner.as_bytes().to_vec()).unwrap_or_default(),
            scopes,
            any_scope,
        }
    }
}

pub(super) fn record(db: &Connection, counts: &[ObservedCount], most: u32) -> Result<(), StoreError> {
    for count in counts {
        if !add(db, count, Some(most))? {
            add(db, &ObservedCount { kind: count.kind.others(), ..count.clone() }, None)?;
        }
    }
    Ok(())
}

/// Adds to the row of the kind, which is made unless the day has `most` already. Whether it was added.
fn add(db: &Connection, count: &ObservedCount, most: Option<u32>) -> Result<bool, StoreError> {
    let columns = Columns::from(count.kind.details.as_ref());
    let row = named_params! {
        ":day": count.day(),
        ":upstream": count.kind.upstream,
        ":reason": count.kind.reason,
        ":rule": columns.rule,
        ":method": columns.method,
        ":client": columns.client,
        ":owner": columns.owner,
        ":scopes": columns.scopes,
        ":any_scope": columns.any_scope,
        ":count": i64::try_from(count.count).unwrap_or(i64::MAX),
        ":first_seen": count.first_seen.as_seconds(),
        ":last_seen": count.last_seen.as_seconds(),
    };
    let known = execute(
        db,
        "UPDATE observed SET count = count + :count, first_seen = min(first_seen, :first_seen),
             last_seen = max(last_seen, :last_seen)
         WHERE day = :day AND upstream = :upstream AND reason = :reason AND rule = :rule AND method = :method
             AND client = :client AND owner = :owner AND scopes = :scopes AND any_scope = :any_scope",
        row,
    )?;
    if known > 0 {
        return Ok(true);
    }
    if let Some(most) = most
        && super::rows::count(db, "SELECT count(*) FROM observed WHERE day = ?1", [count.day()])? >= u64::from(most)
    {
        return Ok(false);
    }
    let sql = "INSERT INTO observed (day, upstream, reason, rule, method, client, owner, scopes, any_scope, count,
                   first_seen, last_seen)
               VALUES (:day, :upstream, :reason, :rule, :method, :client, :owner, :scopes, :any_scope, :count,
                   :first_seen, :last_seen)";
    execute(db, sql, row).map(|_| true)
}

pub(super) fn since(
    db: &Connection,
    since: Timestamp,
    within: Option<OrganizationId>,
    limit: u32,
) -> Result<Vec<Observed>, StoreError> {
    all(
        db,
        "WITH RECURSIVE tree (id) AS (
             VALUES (:within), (x'')
             UNION SELECT organizations.id FROM organizations JOIN tree ON parent = tree.id
             UNION SELECT deleted_organizations.id FROM deleted_organizations JOIN tree ON parent = tree.id
         )
         SELECT upstream, reason, rule, method, client, owner, observed.scopes, any_scope, sum(count) AS count,
             min(first_seen) AS first_seen, max(last_seen) AS last_seen, clients.name
         FROM observed LEFT JOIN clients ON clients.id = client
         WHERE day >= :day AND (:within IS NULL OR owner IN tree)
         GROUP BY upstream, reason, rule, method, client, owner, observed.scopes, any_scope
         HAVING max(observed.last_seen) >= :since
         ORDER BY sum(count) DESC, min(observed.id) LIMIT :limit",
        named_params! {
            ":within": within.map(|organization| *organization.as_bytes()),
            ":day": day(since),
            ":since": since.as_seconds(),
            ":limit": limit,
        },
        observed,
    )
}

fn observed(row: &Row<'_>) -> Result<Observed, StoreError> {
    let fields = Fields::of("observed", row);
    let upstream: String = fields.get("upstream")?;
    let kind = ObservedKind {
        upstream: upstream.into(),
        reason: Cow::Owned(fields.get("reason")?),
        details: details(&fields)?,
    };
    let total = ObservedCount {
        kind,
        count: fields.map("count", |count: i64| u64::try_from(count).ok())?,
        first_seen: fields.moment("first_seen")?,
        last_seen: fields.moment("last_seen")?,
    };
    let client_name = fields.map_option("name", |name: String| name.parse().ok())?;
    Ok(Observed { total, client_name })
}

fn details(fields: &Fields<'_>) -> Result<Option<ObservedDetails>, StoreError> {
    let method: String = fields.get("method")?;
    if method.is_empty() {
        return Ok(None);
    }
    let rule: String = fields.get("rule")?;
    let scopes: ScopeSet = fields.parse("scopes")?;
    let missing = if fields.get("any_scope")? { Missing::Any(scopes) } else { Missing::All(scopes) };
    let has_missing = |missing: &Missing| {
        let (Missing::All(scopes) | Missing::Any(scopes)) = missing;
        !scopes.is_empty()
    };
    let has_client = !fields.get::<Vec<u8>>("client")?.is_empty();
    let client = if has_client {
        Some((ClientId::from_bytes(fields.get("client")?), OrganizationId::from_bytes(fields.get("owner")?)))
    } else {
        None
    };
    Ok(Some(ObservedDetails {
        rule: (!rule.is_empty()).then_some(rule),
        method: Cow::Owned(method),
        client,
        missing: Some(missing).filter(has_missing),
    }))
}
