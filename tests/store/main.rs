//! What every engine of the store promises, verb by verb, written against the trait alone. A second engine is one more
//! line in [`engines`].

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use portcullis::{
    model::{
        Client, ClientId, HashedSecret, Organization, OrganizationId, RequestId, SecretId, StoredSecret, Timestamp,
        Token, TokenId, random_bytes,
    },
    store::{
        Action, Actor, Audit, Change, ClientUpdate, CreateClient, DeleteOrganization, DeleteSecret, InsertSecret,
        InsertToken, NewOrganization, Page, SqliteStore, Store, Subject, Use,
    },
};

/// One engine with nothing in it, seen through two connections as if by two processes.
struct Engine {
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
    _folder: tempfile::TempDir,
}

fn engines() -> Vec<Engine> {
    let folder = tempfile::tempdir().unwrap();
    let open = || -> Arc<dyn Store> { Arc::new(SqliteStore::open(&folder.path().join("store.db")).unwrap()) };
    vec![Engine { store: open(), other: open(), _folder: folder }]
}

const ALL: Page = Page { after: None, limit: 1000 };

/// More tokens than any client has here.
const MANY: u32 = 1_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

/// An audit whose fields can be told from those of others.
fn audit(seconds: i64) -> Audit {
    let actor = Actor::Organization(OrganizationId::from_bytes([9; 8]));
    Audit { actor, at: at(seconds), request_id: RequestId::from_caller(&format!("request-{seconds}")) }
}

fn hash(text: &str) -> HashedSecret {
    HashedSecret::from_phc(format!("$argon2id${text}"))
}

async fn organization(store: &dyn Store, parent: Option<OrganizationId>) -> OrganizationId {
    let id = OrganizationId::random().unwrap();
    let new = NewOrganization { id, parent, name: "Käse & Söhne".parse().unwrap(), key: hash("key") };
    assert!(store.create_organization(new, audit(10)).await.unwrap().is_some());
    id
}

fn a_client(organization: OrganizationId) -> Client {
    Client {
        id: ClientId::random().unwrap(),
        organization,
        name: "Robot".parse().unwrap(),
        scopes: "orders:read orders:write".parse().unwrap(),
        default_scopes: Some("orders:read".parse().unwrap()),
        audiences: "https://invoices https://orders".parse().unwrap(),
        token_duration: Duration::from_hours(1),
        enabled: true,
        token_epoch: 0,
        refresh_token_duration: Some(Duration::from_hours(24)),
        redirect_uris: Some(vec!["https://a.example/\"quoted\"".to_owned(), "https://b.example".to_owned()]),
        created_at: at(20),
        last_used: None,
    }
}

fn a_secret() -> StoredSecret {
    StoredSecret {
        id: SecretId::random().unwrap(),
        hash: hash("secret"),
        hint: "wxyz".to_owned(),
        created_at: at(20),
        expires_at: None,
        last_used: None,
    }
}

async fn client(store: &dyn Store, organization: OrganizationId) -> Client {
    let client = a_client(organization);
    let created = store.create_client(client.clone(), a_secret(), false, audit(20)).await;
    assert_eq!(created, Ok(CreateClient::Created));
    client
}

fn a_token(client: &Client, epoch: u32, expires_at: i64) -> Token {
    Token {
        id: TokenId::from_bytes(random_bytes().unwrap()),
        client: client.id,
        epoch,
        scopes: client.scopes.clone(),
        audiences: client.audiences.clone(),
        issued_at: at(30),
        expires_at: at(expires_at),
        last_used: None,
    }
}

async fn token(store: &dyn Store, client: &Client, epoch: u32, expires_at: i64) -> Token {
    let token = a_token(client, epoch, expires_at);
    assert_eq!(store.insert_token(token.clone(), MANY).await, Ok(InsertToken::Inserted));
    token
}

async fn secrets(store: &dyn Store, id: ClientId, now: i64) -> Vec<StoredSecret> {
    store.client(id, at(now)).await.unwrap().unwrap().secrets
}

/// The changes since `after`, without their `seq`, each checked to be of the request that `audit` names.
async fn changes(store: &dyn Store, after: i64, audit: &Audit) -> Vec<(Action, Subject, OrganizationId)> {
    let changes = store.changes(after, 1000).await.unwrap();
    for change in &changes {
        assert_eq!((&change.actor, change.at), (&audit.actor, audit.at));
        assert_eq!(change.request_id.as_deref(), audit.request_id.as_ref().map(RequestId::as_str));
    }
    changes.into_iter().map(|change| (change.action, change.subject, change.organization)).collect()
}

/// Asserts that `verb` wrote no change and, as far as changes tell, did nothing.
macro_rules! changes_nothing {
    ($store:expr, $outcome:expr, $expected:expr) => {{
        let before = $store.last_change().await.unwrap();
        assert_eq!($outcome.await.unwrap(), $expected);
        assert_eq!($store.last_change().await.unwrap(), before);
    }};
}

/// Asserts that `verb` wrote exactly these changes.
macro_rules! changes_to {
    ($store:expr, $audit:expr, $outcome:expr, $expected:expr, $changes:expr) => {{
        let before = $store.last_change().await.unwrap();
        assert_eq!($outcome.await.unwrap(), $expected);
        assert_eq!(changes(&*$store, before, &$audit).await, $changes);
    }};
}

// Below the macros that they use.
mod changes;
mod clients;
mod observed;
mod organizations;
mod pages;
mod processes;
mod secrets;
mod tokens;
