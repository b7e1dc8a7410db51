//! The [`Store`] trait: flat, object-safe, one verb = one transaction.
//!
//! An absent row is `None` or `false`, never an error. A mutation is durable before it answers, and writes its
//! [`Change`] in the same transaction. Methods never block the caller's thread.

use std::path::PathBuf;

use async_trait::async_trait;

use super::{
    change::{Audit, Change},
    observed::{Observed, ObservedCount},
};
use crate::model::{
    AudienceSet, Client, ClientId, HashedSecret, Name, Organization, OrganizationId, ScopeSet, SecretId, StoredSecret,
    Timestamp, Token, TokenId,
};
use std::time::Duration;

/// Why a verb did not do its work. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Locked, full, overloaded or gone: may work later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A row says what it cannot say: somebody must look.
    #[error("the store is corrupt: {0}")]
    Corrupt(String),
}

/// Why a store could not be opened. It was left untouched.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Missing folder, no permission, a directory, …
    #[error("cannot open the store {path}: {reason}\nCheck that the folder exists and that this user may read and write the file and its folder.", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Another process holds its lock.
    #[error("the store {path} is locked by another process and did not come free\nStop what holds it (a backup, a `sqlite3` shell), then start again.", path = .0.display())]
    Locked(PathBuf),
    /// Not a database, or damaged.
    #[error("the store {path} is not a readable SQLite database: {reason}\nIt was left as it is. Restore it from a backup, or name another file under [store] to begin anew.", path = .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the engine said.
        reason: String,
    },
    /// A database of another program.
    #[error("{path} is a database, but not one of Portcullis\nIt was left as it is. Name another file under [store].", path = .0.display())]
    Foreign(PathBuf),
    /// Written by an older Portcullis, and not to be migrated.
    #[error("the store {path} has schema {found}, and would be brought to {known}", path = .path.display())]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema known here.
        known: i64,
    },
    /// Written by a newer Portcullis.
    #[error("the store {path} has schema {found}; this Portcullis knows schemas up to {known}\nIt was left as it is. Run a Portcullis at least as new as the one that wrote it.", path = .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema known here.
        known: i64,
    },
}

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The `next` of the page before; none for the first.
    pub after: Option<i64>,
    /// How many at most.
    pub limit: u32,
}

/// A part of a list, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOf<T> {
    /// The rows.
    pub items: Vec<T>,
    /// The `after` of the next page; none at the end.
    pub next: Option<i64>,
    /// How many rows the whole list has.
    pub total: u64,
}

/// A new organisation.
#[derive(Debug, Clone)]
pub struct NewOrganization {
    /// Its identifier.
    pub id: OrganizationId,
    /// The organisation above; none for a root.
    pub parent: Option<OrganizationId>,
    /// Its name.
    pub name: Name,
    /// Its key's hash.
    pub key: HashedSecret,
}

/// An organisation and the hash of its key.
#[derive(Debug, Clone)]
pub struct OrganizationWithKey {
    /// The organisation.
    pub organization: Organization,
    /// Its key's hash.
    pub key: HashedSecret,
}

/// A client and its unexpired secrets, oldest first.
#[derive(Debug, Clone)]
pub struct ClientWithSecrets {
    /// The client.
    pub client: Client,
    /// The organisation that owns it.
    pub owner: Organization,
    /// Its secrets that were not expired when they were read.
    pub secrets: Vec<StoredSecret>,
}

/// What became of [`Store::delete_organization`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeleteOrganization {
    /// It is gone, with these clients of it.
    Deleted(Vec<ClientId>),
    /// There is none of this id.
    Absent,
    /// It has organisations below it and stays.
    HasChildren,
}

/// The fields of a client to change; an absent one stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientUpdate {
    /// See [`Client::name`].
    pub name: Option<Name>,
    /// See [`Client::scopes`].
    pub scopes: Option<ScopeSet>,
    /// See [`Client::default_scopes`]; `Some(None)` removes them.
    #[expect(clippy::option_option, reason = "unchanged, removed, and set are three things")]
    pub default_scopes: Option<Option<ScopeSet>>,
    /// See [`Client::audiences`].
    pub audiences: Option<AudienceSet>,
    /// See [`Client::token_duration`].
    pub token_duration: Option<Duration>,
    /// See [`Client::enabled`].
    pub enabled: Option<bool>,
    /// See [`Client::refresh_token_duration`].
    pub refresh_token_duration: Option<Duration>,
    /// See [`Client::redirect_uris`].
    pub redirect_uris: Option<Vec<String>>,
}

/// What became of [`Store::create_client`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateClient {
    /// It is there.
    Created,
    /// There is no such organisation.
    Absent,
    /// The organisation has a client of this name already, and there was to be no other.
    NameTaken,
}

/// What became of [`Store::insert_secret`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertSecret {
    /// It is there.
    Inserted,
    /// There is no such client.
    Absent,
    /// The client has as many live secrets as allowed.
    TooMany,
}

/// What became of [`Store::delete_secret`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteSecret {
    /// It is gone.
    Deleted,
    /// There is no such secret of this client.
    Absent,
    /// It was used at or after the moment given and stays.
    RecentlyUsed,
}

/// What became of [`Store::insert_token`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertToken {
    /// It is there.
    Inserted,
    /// The client is gone, disabled, or of another epoch by now.
    Refused,
    /// The client has as many living tokens as allowed.
    TooMany {
        /// When so many of them are expired that there is room for one, if none is revoked before.
        room_at: Timestamp,
    },
}

/// That something was used, to be written when there is time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Use {
    /// A client authenticated, or a token of it was used.
    Client(ClientId, Timestamp),
    /// A secret authenticated its client.
    Secret(SecretId, Timestamp),
    /// A token was used at the proxy.
    Token(TokenId, Timestamp),
}

/// What an engine does.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The bytes of the key of the check characters, made with the store.
    fn check_key(&self) -> [u8; 32];

    /// Does nothing but reach the engine: what readiness asks.
    async fn ping(&self) -> Result<(), StoreError>;

    // --- Organisations

    /// Creates one and gives it back; nothing if the parent does not exist.
    async fn create_organization(&self, new: NewOrganization, audit: Audit)
    -> Result<Option<Organization>, StoreError>;

    /// One, with its key.
    async fn organization(&self, id: OrganizationId) -> Result<Option<OrganizationWithKey>, StoreError>;

    /// All of them.
    async fn organizations(&self, page: Page) -> Result<PageOf<Organization>, StoreError>;

    /// The ids of all organisations below one.
    async fn descendants(&self, id: OrganizationId) -> Result<Vec<OrganizationId>, StoreError>;

    /// Replaces its key and gives it back; nothing if it does not exist.
    async fn replace_organization_key(
        &self,
        id: OrganizationId,
        key: HashedSecret,
        audit: Audit,
    ) -> Result<Option<Organization>, StoreError>;

    /// Deletes one without organisations below it, with its clients; writes one change for each client too.
    async fn delete_organization(&self, id: OrganizationId, audit: Audit) -> Result<DeleteOrganization, StoreError>;

    // --- Clients and their secrets

    /// Creates one with its first secret. Several clients of an organisation may have one name; with `unless_named`
    /// nothing is done if another one has it: of those who ask so at once, also in other processes, one creates it.
    async fn create_client(
        &self,
        client: Client,
        secret: StoredSecret,
        unless_named: bool,
        audit: Audit,
    ) -> Result<CreateClient, StoreError>;

    /// One, with its owner and the secrets that are not expired at `now`.
    async fn client(&self, id: ClientId, now: Timestamp) -> Result<Option<ClientWithSecrets>, StoreError>;

    /// Those of one organisation.
    async fn clients(&self, organization: OrganizationId, page: Page) -> Result<PageOf<Client>, StoreError>;

    /// Changes fields of one, and gives it back as it is then.
    async fn update_client(
        &self,
        id: ClientId,
        update: ClientUpdate,
        audit: Audit,
    ) -> Result<Option<Client>, StoreError>;

    /// Deletes one. Its tokens are dead at once; their rows go with the sweep.
    async fn delete_client(&self, id: ClientId, audit: Audit) -> Result<bool, StoreError>;

    /// Adds a secret. The client's other secrets then expire at `others_expire_at` or earlier, as they would have.
    /// If that left more than `most` unexpired ones at `audit.at`, the new one counted, nothing is done and it is
    /// [`InsertSecret::TooMany`].
    async fn insert_secret(
        &self,
        id: ClientId,
        secret: StoredSecret,
        others_expire_at: Timestamp,
        most: u32,
        audit: Audit,
    ) -> Result<InsertSecret, StoreError>;

    /// Removes a secret, unless it was used at or after `unless_used_since`.
    async fn delete_secret(
        &self,
        client: ClientId,
        id: SecretId,
        unless_used_since: Option<Timestamp>,
        audit: Audit,
    ) -> Result<DeleteSecret, StoreError>;

    // --- Tokens

    /// Keeps one, if its client exists, is enabled and is of the token's epoch, and has fewer than `most` tokens that
    /// live at `token.issued_at`. Writes no change.
    async fn insert_token(&self, token: Token, most: u32) -> Result<InsertToken, StoreError>;

    /// One, expired or not, as long as it was not revoked or swept.
    async fn token(&self, id: TokenId) -> Result<Option<Token>, StoreError>;

    /// Those of one client that live at `now`: unexpired and of its present epoch.
    async fn tokens(&self, client: ClientId, now: Timestamp, page: Page) -> Result<PageOf<Token>, StoreError>;

    /// Revokes one. `false` if it was not there, or its client is gone.
    async fn revoke_token(&self, id: TokenId, audit: Audit) -> Result<bool, StoreError>;

    /// Revokes all of one client by raising its epoch. `false` if there is no such client.
    async fn revoke_tokens(&self, client: ClientId, audit: Audit) -> Result<bool, StoreError>;

    /// How many tokens live at `now`.
    async fn count_tokens(&self, now: Timestamp) -> Result<u64, StoreError>;

    // --- Housekeeping

    /// Writes down that things were used; a moment earlier than the one known changes nothing.
    async fn record_uses(&self, uses: Vec<Use>) -> Result<(), StoreError>;

    /// Adds to what observing upstreams would have refused. All of it is counted, but of one day no more than `most`
    /// kinds are kept apart; the further ones are counted under their [`super::ObservedKind::others`].
    async fn record_observations(&self, counts: Vec<ObservedCount>, most: u32) -> Result<(), StoreError>;

    /// What observing upstreams would have refused: the `limit` most frequent kinds that were seen since then, each
    /// with the counts of the whole days (in UTC) from that of `since` on. With `within`, those of the clients of this
    /// organisation and of those that are, or were until they were deleted, below it, and those of no client.
    async fn observations(
        &self,
        since: Timestamp,
        within: Option<OrganizationId>,
        limit: u32,
    ) -> Result<Vec<Observed>, StoreError>;

    /// Removes at most `limit` rows that are of no use at `now`: expired tokens and secrets, tokens of clients that are
    /// gone or of another epoch, and what was observed on days before [`super::OBSERVED_KEPT`]. Says how many it
    /// removed; fewer than `limit` means that it is done.
    async fn sweep(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError>;

    // --- Changes

    /// The `seq` of the newest change; 0 if there is none.
    async fn last_change(&self) -> Result<i64, StoreError>;

    /// At most `limit` changes with a `seq` above `after`, in order.
    async fn changes(&self, after: i64, limit: u32) -> Result<Vec<Change>, StoreError>;

    /// The same for one organisation and those that are, or were until they were deleted, below it.
    async fn changes_within(
        &self,
        organization: OrganizationId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Change>, StoreError>;
}
