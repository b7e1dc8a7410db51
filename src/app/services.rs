//! The services over a store: what the gateway and the command line share.

use std::{net::IpAddr, pin::Pin, sync::Arc};

use tokio::sync::mpsc;

use super::AppError;
use crate::{
    config::Settings,
    limits::{Limit, quota},
    model::{Clock, SystemClock},
    observe::Metrics,
    registry::{Passwords, Registry, RegistryParts},
    store::{Observations, SqliteStore, Store, Use, Uses},
    tokens::Tokens,
};

/// How many addresses the limit of token requests remembers.
const ADDRESSES: usize = 50_000;

/// The store and the services over it.
pub struct Services {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The pool that hashes passwords.
    pub passwords: Passwords,
    /// Organisations, clients, secrets.
    pub registry: Arc<Registry>,
    /// The verbs on tokens.
    pub tokens: Arc<Tokens>,
    /// How often an address may ask for a token, at both listeners together.
    pub(super) token_requests: Option<Arc<Limit<IpAddr>>>,
    /// What upstreams observe until it is written.
    pub observations: Arc<Observations>,
    /// What waits to be written of when things were used; taken by the part that writes it.
    pub(super) noted: Option<mpsc::Receiver<Use>>,
    /// Resolves when the store has died; taken by the part that watches it.
    pub(super) store_ended: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Services {
    /// Whether opening the configured store would leave it as it is. Looks at it and changes nothing.
    ///
    /// # Errors
    /// [`AppError::Store`] if it is of an older schema, or cannot be opened.
    pub fn check_schema(settings: &Settings) -> Result<(), AppError> {
        Ok(SqliteStore::check_schema(&settings.store)?)
    }

    /// Opens the configured store, and makes it when there is none. Blocks.
    ///
    /// # Errors
    /// [`AppError`] if the store cannot be opened or the system gives no threads.
    pub fn open(settings: &Settings, password_threads: usize) -> Result<Self, AppError> {
        let metrics = Arc::new(Metrics::new().map_err(super::system)?);
        let observed = metrics.clone();
        let store = SqliteStore::open(&settings.store)?
            .observed_by(move |operation, ok, took| observed.count_store_operation(operation, ok, took));
        let store_ended: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(store.closed());
        let store: Arc<dyn Store> = Arc::new(store);
        let passwords = Passwords::start(password_threads).map_err(super::system)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let token_requests = settings
            .token_requests
            .map(|limit| Arc::new(Limit::new("token-requests", quota(limit), ADDRESSES, clock.clone())));
        let (uses, noted) = Uses::new();
        let observations = Arc::new(Observations::new(clock.clone()));
        let parts = RegistryParts { passwords: passwords.clone(), uses: uses.clone(), clock, metrics };
        let registry = Arc::new(Registry::new(store.clone(), settings.tokens, parts));
        let tokens = Arc::new(Tokens::new(registry.clone(), uses));
        let (noted, store_ended) = (Some(noted), Some(store_ended));
        Ok(Self { store, passwords, registry, tokens, token_requests, observations, noted, store_ended })
    }
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Services")
    }
}
