//! The swappable snapshot: rules and upstreams of one configuration. A request takes one when it arrives and keeps it.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures_util::future::join_all;

use super::{LiveSettings, ReservedNames, Upstream};
use crate::policy::{RouteTable, TableError};

/// How often the names of servers are resolved anew.
const REFRESH: Duration = Duration::from_secs(30);

/// What is in force.
#[derive(Debug)]
pub struct Live {
    pub(super) table: RouteTable,
    pub(super) upstreams: Vec<Arc<Upstream>>,
    pub(super) reserved: ReservedNames,
}

impl Live {
    /// Compiles settings, for a door that answers management itself or not. [`Live::resolve`] is called before it is
    /// put in force.
    ///
    /// # Errors
    /// Every [`TableError`] that the rules hold.
    pub fn build(settings: LiveSettings, expose_management: bool) -> Result<Self, Vec<TableError>> {
        let LiveSettings { mut upstreams, mut reserved } = settings;
        // A permit names its upstream by this place.
        for (index, upstream) in upstreams.iter_mut().enumerate() {
            upstream.rules.policy.index = index;
        }
        let rules = upstreams.iter().map(|upstream| upstream.rules.clone()).collect();
        let table = RouteTable::compile(rules, expose_management)?;
        reserved.add_family("X-Portcullis-");
        Ok(Self { table, upstreams: upstreams.into_iter().map(|one| Arc::new(Upstream::new(one))).collect(), reserved })
    }

    /// Resolves the names of all servers at once. A name that cannot be resolved keeps the addresses that it had; a
    /// server without one is passed over.
    pub async fn resolve(&self) {
        join_all(self.upstreams.iter().map(|upstream| upstream.resolve())).await;
    }
}

/// Keeps the addresses of whatever is in force fresh; never returns. The first resolution is the caller's.
pub async fn refresh_addresses(live: Arc<ArcSwap<Live>>) {
    loop {
        tokio::time::sleep(REFRESH).await;
        live.load_full().resolve().await;
    }
}
