//! [`Store`] for `SQLite`: each verb is sent to the thread that carries it out.

use async_trait::async_trait;

use super::{SqliteStore, changes, clients, observed, organizations, rows, secrets, sweep, tokens};
use crate::{
    model::{
        Client, ClientId, HashedSecret, Organization, OrganizationId, SecretId, StoredSecret, Timestamp, Token, TokenId,
    },
    store::{
        Audit, Change, ClientUpdate, ClientWithSecrets, CreateClient, DeleteOrganization, DeleteSecret, InsertSecret,
        InsertToken, NewOrganization, Observed, ObservedCount, OrganizationWithKey, Page, PageOf, Store, StoreError,
        Use,
    },
};

#[async_trait]
impl Store for SqliteStore {
    fn check_key(&self) -> [u8; 32] {
        *self.check_key
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.read("ping", |db| rows::count(db, "SELECT count(*) FROM meta", []).map(drop)).await
    }

    async fn create_organization(
        &self,
        new: NewOrganization,
        audit: Audit,
    ) -> Result<Option<Organization>, StoreError> {
        self.write("create_organization", move |db| organizations::create(db, &new, &audit)).await
    }

    async fn organization(&self, id: OrganizationId) -> Result<Option<OrganizationWithKey>, StoreError> {
        self.read("organization", move |db| organizations::find(db, id)).await
    }

    async fn organizations(&self, page: Page) -> Result<PageOf<Organization>, StoreError> {
        self.read("organizations", move |db| organizations::list(db, page)).await
    }

    async fn descendants(&self, id: OrganizationId) -> Result<Vec<OrganizationId>, StoreError> {
        self.read("descendants", move |db| organizations::descendants(db, id)).await
    }

    async fn replace_organization_key(
        &self,
        id: OrganizationId,
        key: HashedSecret,
        audit: Audit,
    ) -> Result<Option<Organization>, StoreError> {
        self.write("replace_organization_key", move |db| organizations::replace_key(db, id, &key, &audit)).await
    }

    async fn delete_organization(&self, id: OrganizationId, audit: Audit) -> Result<DeleteOrganization, StoreError> {
        self.write("delete_organization", move |db| organizations::delete(db, id, &audit)).await
    }

    async fn create_client(
        &self,
        client: Client,
        secret: StoredSecret,
        unless_named: bool,
        audit: Audit,
    ) -> Result<CreateClient, StoreError> {
        self.write("create_client", move |db| clients::create(db, &client, &secret, unless_named, &audit)).await
    }

    async fn client(&self, id: ClientId, now: Timestamp) -> Result<Option<ClientWithSecrets>, StoreError> {
        self.read("client", move |db| clients::find(db, id, now)).await
    }

    async fn clients(&self, organization: OrganizationId, page: Page) -> Result<PageOf<Client>, StoreError> {
        self.read("clients", move |db| clients::list(db, organization, page)).await
    }

    async fn update_client(
        &self,
        id: ClientId,
        update: ClientUpdate,
        audit: Audit,
    ) -> Result<Option<Client>, StoreError> {
        self.write("update_client", move |db| clients::update(db, id, update, &audit)).await
    }

    async fn delete_client(&self, id: ClientId, audit: Audit) -> Result<bool, StoreError> {
        self.write("delete_client", move |db| clients::delete(db, id, &audit)).await
    }

    async fn insert_secret(
        &self,
        id: ClientId,
        secret: StoredSecret,
        others_expire_at: Timestamp,
        most: u32,
        audit: Audit,
    ) -> Result<InsertSecret, StoreError> {
        self.write("insert_secret", move |db| secrets::insert(db, id, &secret, others_expire_at, most, &audit)).await
    }

    async fn delete_secret(
        &self,
        client: ClientId,
        id: SecretId,
        unless_used_since: Option<Timestamp>,
        audit: Audit,
    ) -> Result<DeleteSecret, StoreError> {
        self.write("delete_secret", move |db| secrets::delete(db, client, id, unless_used_since, &audit)).await
    }

    async fn insert_token(&self, token: Token, most: u32) -> Result<InsertToken, StoreError> {
        self.write("insert_token", move |db| tokens::insert(db, &token, most)).await
    }

    async fn token(&self, id: TokenId) -> Result<Option<Token>, StoreError> {
        self.read("token", move |db| tokens::find(db, id)).await
    }

    async fn tokens(&self, client: ClientId, now: Timestamp, page: Page) -> Result<PageOf<Token>, StoreError> {
        self.read("tokens", move |db| tokens::list(db, client, now, page)).await
    }

    async fn revoke_token(&self, id: TokenId, audit: Audit) -> Result<bool, StoreError> {
        self.write("revoke_token", move |db| tokens::revoke(db, id, &audit)).await
    }

    async fn revoke_tokens(&self, client: ClientId, audit: Audit) -> Result<bool, StoreError> {
        self.write("revoke_tokens", move |db| clients::revoke_tokens(db, client, &audit)).await
    }

    async fn count_tokens(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.read("count_tokens", move |db| tokens::count_live(db, now)).await
    }

    async fn record_uses(&self, uses: Vec<Use>) -> Result<(), StoreError> {
        self.write("record_uses", move |db| sweep::record_uses(db, &uses)).await
    }

    async fn record_observations(&self, counts: Vec<ObservedCount>, most: u32) -> Result<(), StoreError> {
        self.write("record_observations", move |db| observed::record(db, &counts, most)).await
    }

    async fn observations(
        &self,
        since: Timestamp,
        within: Option<OrganizationId>,
        limit: u32,
    ) -> Result<Vec<Observed>, StoreError> {
        self.read("observations", move |db| observed::since(db, since, within, limit)).await
    }

    async fn sweep(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError> {
        self.write("sweep", move |db| sweep::sweep(db, now, limit)).await
    }

    async fn last_change(&self) -> Result<i64, StoreError> {
        self.read("last_change", changes::last).await
    }

    async fn changes(&self, after: i64, limit: u32) -> Result<Vec<Change>, StoreError> {
        self.read("changes", move |db| changes::after(db, after, limit)).await
    }

    async fn changes_within(
        &self,
        organization: OrganizationId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Change>, StoreError> {
        self.read("changes_within", move |db| changes::within(db, organization, after, limit)).await
    }
}
