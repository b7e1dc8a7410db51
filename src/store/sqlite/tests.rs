//! What only this engine promises: how it opens its file (`opening`), and what it does with a file that is locked or
//! damaged later. What every engine promises is in `tests/store/`.

mod opening;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tempfile::TempDir;

use super::SqliteStore;
use crate::{
    model::{Client, ClientId, HashedSecret, OrganizationId, SecretId, StoredSecret, Timestamp, Token, TokenId},
    store::{Actor, Audit, CreateClient, InsertToken, NewOrganization, Store, StoreError, follow},
};

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portcullis.db");
    (folder, path)
}

fn audit() -> Audit {
    Audit { actor: Actor::CommandLine, at: Timestamp::from_seconds(1), request_id: None }
}

fn new_organization() -> NewOrganization {
    let key = HashedSecret::from_phc("$argon2id$key".into());
    NewOrganization { id: OrganizationId::random().unwrap(), parent: None, name: "Any".parse().unwrap(), key }
}

async fn create_organization(store: &SqliteStore) -> OrganizationId {
    let new = new_organization();
    let id = new.id;
    assert!(store.create_organization(new, audit()).await.unwrap().is_some());
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_locked_by_another_answers_within_a_second_and_reads_go_on() {
    let (_folder, path) = folder();
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    let id = create_organization(&store).await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let begun = Instant::now();
    let writes = (0..600).map(|_| store.create_organization(new_organization(), audit()));
    for outcome in futures_util::future::join_all(writes).await {
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))));
    }
    // Half a second of waiting for the lock, once for all of them; the slack is for a busy machine.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(store.organization(id).await.unwrap().is_some());
    other.execute_batch("COMMIT").unwrap();
    create_organization(&store).await;
}

#[tokio::test]
async fn queries_that_take_long_do_not_keep_the_others_waiting_for_as_long() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let id = create_organization(&store).await;
    let slow = || {
        store.read("slow", |_| {
            std::thread::sleep(Duration::from_secs(2));
            Ok(())
        })
    };
    let quick = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begun = Instant::now();
        assert!(matches!(store.organization(id).await, Err(StoreError::Unavailable(_))));
        begun.elapsed()
    };
    let (one, other, took) = tokio::join!(slow(), slow(), quick);
    assert_eq!((one, other), (Ok(()), Ok(())), "what has begun is waited for");
    assert!(took < Duration::from_millis(1500), "{took:?}");
    assert!(store.organization(id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_row_that_cannot_be_read_names_its_table_and_column_only() {
    let (_folder, path) = folder();
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    let id = create_organization(&store).await;
    let db = Connection::open(&path).unwrap();
    db.execute("UPDATE organizations SET name = ''", []).unwrap();
    db.execute("UPDATE changes SET action = 'made up'", []).unwrap();
    let expected = StoreError::Corrupt("organizations.name of a row cannot be read".into());
    assert_eq!(store.organization(id).await.unwrap_err(), expected);
    let end = follow(store, 0, |_| ()).await;
    assert_eq!(end, Err(StoreError::Corrupt("changes.action of a row cannot be read".into())));
}

#[tokio::test]
async fn a_panic_in_a_thread_is_told_and_later_calls_are_refused() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let closed = store.closed();
    let outcome = store.write("panic", |_| -> Result<(), StoreError> { panic!("on purpose") }).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))));
    closed.await;
    let outcome = store.create_organization(new_organization(), audit()).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))));
}

/// The sweep and the lists must not look at every row there is.
#[tokio::test]
async fn queries_go_by_an_index() {
    let (_folder, path) = folder();
    drop(SqliteStore::open(&path).unwrap());
    let db = Connection::open(&path).unwrap();
    for sql in [
        "SELECT seq FROM tokens WHERE expires_at <= 1 LIMIT 2",
        "SELECT seq FROM client_secrets WHERE expires_at <= 1 LIMIT 2",
        "SELECT count(*) FROM tokens WHERE client = x'00' AND epoch = 1 AND expires_at > 1",
        "SELECT * FROM tokens WHERE client = x'00' AND epoch = 1 AND expires_at > 1 AND seq > 3 ORDER BY seq LIMIT 4",
        "SELECT seq FROM tokens WHERE client = x'00' AND epoch = 1 AND expires_at <= 1 ORDER BY expires_at LIMIT 2",
        "SELECT expires_at FROM tokens WHERE client = x'00' AND epoch = 1 ORDER BY expires_at LIMIT 1 OFFSET 3",
        "SELECT count(*) FROM tokens CROSS JOIN clients ON clients.id = tokens.client AND token_epoch = epoch
         WHERE expires_at <= 1",
        "SELECT * FROM changes WHERE seq > 1 ORDER BY seq LIMIT 2",
        "SELECT * FROM clients WHERE organization = x'00' AND seq > 2 ORDER BY seq LIMIT 3",
        "SELECT 1 FROM clients WHERE organization = x'00' AND name = 'a' LIMIT 1",
    ] {
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let plan: Vec<String> = statement.query_map([], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        assert!(plan.iter().all(|step| step.starts_with("SEARCH")), "{sql}: {plan:?}");
    }
}

#[tokio::test]
async fn dead_tokens_are_found_by_what_ended() {
    let (_folder, path) = folder();
    let store = SqliteStore::open(&path).unwrap();
    let organization = create_organization(&store).await;
    let client = client_of(organization);
    let created = store.create_client(client.clone(), secret(), false, audit()).await;
    assert_eq!(created, Ok(CreateClient::Created));
    let token = Token {
        id: TokenId::from_bytes([1; 20]),
        client: client.id,
        epoch: 0,
        scopes: client.scopes.clone(),
        audiences: client.audiences.clone(),
        issued_at: Timestamp::from_seconds(1),
        expires_at: Timestamp::from_seconds(1000),
        last_used: None,
    };
    assert_eq!(store.insert_token(token, 10).await, Ok(InsertToken::Inserted));
    assert!(store.revoke_tokens(client.id, audit()).await.unwrap());
    assert_eq!(store.sweep(Timestamp::from_seconds(2), 1).await, Ok(1));
    let db = Connection::open(&path).unwrap();
    let ended = || db.query_row("SELECT count(*) FROM ended_epochs", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(ended(), 1, "there may be more");
    assert_eq!(store.sweep(Timestamp::from_seconds(2), 1).await, Ok(0));
    assert_eq!(ended(), 0);
}

fn client_of(organization: OrganizationId) -> Client {
    Client {
        id: ClientId::random().unwrap(),
        organization,
        name: "Any".parse().unwrap(),
        scopes: "a b".parse().unwrap(),
        default_scopes: None,
        audiences: "".parse().unwrap(),
        token_duration: Duration::from_mins(1),
        enabled: true,
        token_epoch: 0,
        refresh_token_duration: None,
        redirect_uris: None,
        created_at: Timestamp::from_seconds(1),
        last_used: None,
    }
}

fn secret() -> StoredSecret {
    StoredSecret {
        id: SecretId::random().unwrap(),
        hash: HashedSecret::from_phc("$argon2id$secret".into()),
        hint: "abcd".into(),
        created_at: Timestamp::from_seconds(1),
        expires_at: None,
        last_used: None,
    }
}
