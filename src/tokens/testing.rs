//! What the tests of the faces stand on: the services over a store in a temporary folder, and a clock moved by hand.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::Tokens;
use crate::{
    model::{AudienceSet, Clock, ManualClock, OrganizationId, RequestId, ScopeSet, Timestamp},
    observe::Metrics,
    registry::{ClientDraft, NewClient, NewOrganizationKey, Passwords, Registry, RegistryParts, RegistrySettings},
    store::{Actor, Audit, SqliteStore, Store, Uses},
};

/// How many living tokens a client may have here.
pub(crate) const MOST_LIVE: u32 = 10;

/// The services of one process.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) tokens: Arc<Tokens>,
    _folder: tempfile::TempDir,
}

/// One pool for all tests: its threads are the machine's.
pub(crate) fn passwords() -> Passwords {
    static SHARED: OnceLock<Passwords> = OnceLock::new();
    SHARED.get_or_init(|| Passwords::start(2).unwrap()).clone()
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let metrics = Arc::new(Metrics::new().unwrap());
        let observed = metrics.clone();
        let store = SqliteStore::open(&folder.path().join("test.db"))
            .unwrap()
            .observed_by(move |operation, ok, took| observed.count_store_operation(operation, ok, took));
        let store: Arc<dyn Store> = Arc::new(store);
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_700_000_000)));
        let (uses, _) = Uses::new();
        let settings = RegistrySettings {
            token_duration: Duration::from_hours(24),
            max_token_duration: Duration::from_hours(30 * 24),
            secret_overlap: Duration::from_hours(24),
            max_live_per_client: MOST_LIVE,
            token_cache: 1 << 20,
        };
        let parts = RegistryParts { passwords: passwords(), uses: uses.clone(), clock: clock.clone(), metrics };
        let registry = Arc::new(Registry::new(store, settings, parts));
        let tokens = Arc::new(Tokens::new(registry.clone(), uses));
        Self { clock, registry, tokens, _folder: folder }
    }

    /// How often the store was asked by this verb, with success.
    pub(crate) fn store_operations(&self, verb: &str) -> u64 {
        self.registry.metrics().store_operations.with_label_values(&[verb, "ok"]).get()
    }

    fn audit(&self) -> Audit {
        Audit { actor: Actor::CommandLine, at: self.clock.now(), request_id: RequestId::from_caller("setup") }
    }

    /// A new organisation.
    pub(crate) async fn organization(&self, parent: Option<&NewOrganizationKey>) -> NewOrganizationKey {
        let parent = parent.map(|parent| parent.organization.id);
        self.registry.create_organization("Acme".parse().unwrap(), parent, self.audit()).await.unwrap()
    }

    /// A new client with these scopes and audiences, each with blanks between.
    pub(crate) async fn client(&self, owner: OrganizationId, scopes: &str, audiences: &str) -> NewClient {
        let draft = ClientDraft {
            name: "Partner".parse().unwrap(),
            scopes: scopes.parse::<ScopeSet>().unwrap(),
            default_scopes: None,
            audiences: audiences.parse::<AudienceSet>().unwrap(),
            token_duration: None,
            enabled: true,
            refresh_token_duration: None,
            redirect_uris: None,
        };
        self.registry.create_client(owner, draft, self.audit()).await.unwrap()
    }
}
