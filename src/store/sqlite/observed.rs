//! What observing upstreams would have refused: a row for each kind and day.
//!
//! An absent part of a kind is an empty text or no bytes, so that a kind has one row. A row without a method is for
//! what was too much to be kept apart.

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
};

use rusqlite::{Connection, Row, named_params};

use super::rows::{self, Fields, all, execute};
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
    // Counted once for all of them.
    let mut room: HashMap<i64, u64> = HashMap::new();
    for count in counts {
        if add(db, count)? {
            continue;
        }
        let left = match room.entry(count.day()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let taken = rows::count(db, "SELECT count(*) FROM observed WHERE day = ?1", [count.day()])?;
                unknown.insert(u64::from(most).saturating_sub(taken))
            }
        };
        if *left > 0 {
            *left -= 1;
            insert(db, count)?;
            continue;
        }
        let others = ObservedCount { kind: count.kind.others(), ..count.clone() };
        if !add(db, &others)? {
            insert(db, &others)?;
        }
    }
    Ok(())
}

/// Adds to the row of the kind. Whether there is one.
fn add(db: &Connection, count: &ObservedCount) -> Result<bool, StoreError> {
    let sql = "UPDATE observed SET count = count + :count, first_seen = min(first_seen, :first_seen),
                   last_seen = max(last_seen, :last_seen)
               WHERE day = :day AND upstream = :upstream AND reason = :reason AND rule = :rule AND method = :method
                   AND client = :client AND owner = :owner AND scopes = :scopes AND any_scope = :any_scope";
    carry_out(db, sql, count).map(|rows| rows > 0)
}

fn insert(db: &Connection, count: &ObservedCount) -> Result<(), StoreError> {
    let sql = "INSERT INTO observed (day, upstream, reason, rule, method, client, owner, scopes, any_scope, count,
                   first_seen, last_seen)
               VALUES (:day, :upstream, :reason, :rule, :method, :client, :owner, :scopes, :any_scope, :count,
                   :first_seen, :last_seen)";
    carry_out(db, sql, count).map(drop)
}

/// Carries out a statement about one row, all of whose columns it names.
fn carry_out(db: &Connection, sql: &str, count: &ObservedCount) -> Result<usize, StoreError> {
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
    execute(db, sql, row)
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

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        time::Duration,
    };

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        model::SystemClock,
        store::{Observations, SqliteStore, Store, write_observations},
    };

    #[tokio::test]
    async fn what_cannot_be_written_is_kept_until_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portcullis.db");
        let failed = Arc::new(AtomicBool::new(false));
        let told = failed.clone();
        let store = SqliteStore::open(&path).unwrap().observed_by(move |verb, ok, _| {
            if verb == "record_observations" && !ok {
                told.store(true, Ordering::SeqCst);
            }
        });
        let store: Arc<dyn Store> = Arc::new(store);
        let observations = Arc::new(Observations::new(Arc::new(SystemClock)));
        observations.note(ObservedKind { upstream: "api".into(), reason: "not_found".into(), details: None });

        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let stopping = CancellationToken::new();
        let writer = tokio::spawn(write_observations(store.clone(), observations, stopping.clone()));
        let pause = || tokio::time::sleep(Duration::from_millis(5));
        while !failed.load(Ordering::SeqCst) {
            pause().await;
        }
        other.execute_batch("COMMIT").unwrap();
        let start = Timestamp::from_seconds(0);
        while store.observations(start, None, 9).await.unwrap().is_empty() {
            pause().await;
        }
        stopping.cancel();
        writer.await.unwrap();
        let found = store.observations(start, None, 9).await.unwrap();
        assert_eq!(found.iter().map(|observed| observed.total.count).collect::<Vec<_>>(), [1]);
    }

    /// Counts of one kind and the sweep must not look at every row there is.
    #[test]
    fn rows_are_found_by_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portcullis.db");
        drop(SqliteStore::open(&path).unwrap());
        let db = Connection::open(&path).unwrap();
        for sql in [
            "SELECT id FROM observed WHERE day < 5 LIMIT 2",
            "SELECT count(*) FROM observed WHERE day = 5",
            "UPDATE observed SET count = 2 WHERE day = 5 AND upstream = '' AND reason = '' AND rule = '' AND method = ''
                 AND client = x'' AND owner = x'' AND scopes = '' AND any_scope = 0",
        ] {
            let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let plan: Vec<String> = statement.query_map([], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
            assert!(plan.iter().all(|step| step.starts_with("SEARCH")), "{sql}: {plan:?}");
        }
    }
}
