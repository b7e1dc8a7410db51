//! The registry itself: what it knows, and how it forgets what changed.

use std::sync::Arc;

use super::{Passwords, RegistrySettings, throttle::Throttle};
use crate::{
    cache::{Fresh, LookupCache},
    model::{
        CheckKey, Client, ClientId, Clock, HashedSecret, Organization, OrganizationId, SecretText, StoredSecret,
        Timestamp,
    },
    observe::Metrics,
    store::{Change, Store, StoreError, Subject, Use, UseMark, Uses},
};

/// How many clients and organisations are kept in memory.
const CACHED: usize = 50_000;

/// A client as the registry keeps it: with its owner and its secrets.
#[derive(Debug)]
pub struct ClientEntry {
    /// The client.
    pub client: Client,
    /// The organisation that owns it.
    pub owner: Organization,
    pub(super) secrets: Vec<SecretEntry>,
    pub(super) mark: UseMark,
}

impl ClientEntry {
    /// The living secret that this one may be, if the client is enabled.
    pub(super) fn secret_like(&self, secret: &SecretText, now: Timestamp) -> Option<&SecretEntry> {
        let hint = secret.hint();
        let mut secrets = self.secrets.iter().filter(|_| self.client.enabled);
        secrets.find(|known| known.stored.hint == hint && known.stored.is_live(now))
    }
}

/// A secret and when its use was last noted.
#[derive(Debug)]
pub(super) struct SecretEntry {
    pub(super) stored: StoredSecret,
    pub(super) mark: UseMark,
}

/// An organisation as the registry keeps it.
#[derive(Debug)]
pub(super) struct OrganizationEntry {
    pub(super) organization: Organization,
    pub(super) key: HashedSecret,
}

/// The verbs on organisations, clients and their credentials.
pub struct Registry {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: RegistrySettings,
    pub(super) key: CheckKey,
    pub(super) passwords: Passwords,
    pub(super) uses: Uses,
    pub(super) throttle: Throttle,
    metrics: Arc<Metrics>,
    clients: LookupCache<ClientId, ClientEntry>,
    organizations: LookupCache<OrganizationId, OrganizationEntry>,
}

/// What a registry works with.
pub struct RegistryParts {
    /// Argon2id.
    pub passwords: Passwords,
    /// Where uses are noted.
    pub uses: Uses,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
}

impl Registry {
    /// The registry of a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, settings: RegistrySettings, parts: RegistryParts) -> Self {
        let key = CheckKey::new(store.check_key());
        let RegistryParts { passwords, uses, clock, metrics } = parts;
        let (clients, organizations) = (LookupCache::of_present(CACHED), LookupCache::of_present(CACHED));
        let throttle = Throttle::new(&clock, metrics.clone());
        Self { store, clock, settings, key, passwords, uses, throttle, metrics, clients, organizations }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The metrics.
    #[must_use]
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The settings.
    #[must_use]
    pub const fn settings(&self) -> &RegistrySettings {
        &self.settings
    }

    /// A client as it is now, from memory when it is known there.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be found out.
    pub async fn client(&self, id: ClientId) -> Result<Option<Arc<Fresh<ClientEntry>>>, StoreError> {
        self.clients.get_or_look_up(&id, || self.load_client(id)).await
    }

    /// A client, if it is known in memory.
    pub(super) fn known_client(&self, id: ClientId) -> Option<Arc<Fresh<ClientEntry>>> {
        self.clients.peek(&id).flatten()
    }

    /// An organisation, if it is known in memory.
    pub(super) fn known_organization(&self, id: OrganizationId) -> Option<Arc<Fresh<OrganizationEntry>>> {
        self.organizations.peek(&id).flatten()
    }

    pub(super) async fn organization(
        &self,
        id: OrganizationId,
    ) -> Result<Option<Arc<Fresh<OrganizationEntry>>>, StoreError> {
        self.organizations.get_or_look_up(&id, || self.load_organization(id)).await
    }

    /// Notes that a client used one of its tokens; written to the store when there is time.
    pub fn note_use(&self, entry: &ClientEntry, now: Timestamp) {
        if entry.mark.is_due(now) {
            self.uses.note(Use::Client(entry.client.id, now));
        }
    }

    /// Forgets what is known of a client. Its tokens are judged anew at their next use.
    pub fn forget_client(&self, id: ClientId) {
        self.clients.invalidate(&id);
    }

    pub(super) fn forget_organization(&self, id: OrganizationId) {
        self.organizations.invalidate(&id);
    }

    /// Takes note of a change made anywhere.
    pub fn on_change(&self, change: &Change) {
        match change.subject {
            Subject::Organization(id) => self.forget_organization(id),
            Subject::Client(id) | Subject::Secret(id, _) => self.forget_client(id),
            Subject::Token(_) => {}
        }
    }

    async fn load_client(&self, id: ClientId) -> Result<Option<ClientEntry>, StoreError> {
        let Some(found) = self.store.client(id, self.clock.now()).await? else { return Ok(None) };
        let secrets = found
            .secrets
            .into_iter()
            .map(|stored| SecretEntry { mark: UseMark::new(stored.last_used), stored })
            .collect();
        let mark = UseMark::new(found.client.last_used);
        Ok(Some(ClientEntry { client: found.client, owner: found.owner, secrets, mark }))
    }

    async fn load_organization(&self, id: OrganizationId) -> Result<Option<OrganizationEntry>, StoreError> {
        let found = self.store.organization(id).await?;
        Ok(found.map(|found| OrganizationEntry { organization: found.organization, key: found.key }))
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Registry")
    }
}
