//! The swappable snapshot: rules and upstreams of one configuration. A request takes one when it arrives and keeps it.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures_util::future::join_all;

use super::{DoorTls, LiveSettings, ReservedNames, Upstream};
use crate::policy::{RouteTable, TableError};

/// How often the names of servers are resolved anew.
const REFRESH: Duration = Duration::from_secs(30);

/// What is in force.
#[derive(Debug)]
pub struct Live {
    pub(super) tls: Option<DoorTls>,
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
        let LiveSettings { tls, mut upstreams, mut reserved } = settings;
        // A permit names its upstream by this place.
        for (index, upstream) in upstreams.iter_mut().enumerate() {
            upstream.rules.policy.index = index;
        }
        let rules = upstreams.iter().map(|upstream| upstream.rules.clone()).collect();
        let table = RouteTable::compile(rules, expose_management)?;
        reserved.add_family("X-Portcullis-");
        Ok(Self {
            tls,
            table,
            upstreams: upstreams.into_iter().map(|one| Arc::new(Upstream::new(one))).collect(),
            reserved,
        })
    }

    /// Takes over TLS as `known` has it, where this one would begin or end to speak it: only a restart does.
    pub fn keep_tls(&mut self, known: &Self) {
        if self.tls.is_some() != known.tls.is_some() {
            self.tls.clone_from(&known.tls);
        }
    }

    /// Takes over what `known` knows of the servers of both, so that a reload does not depend on every name being
    /// resolved at that moment.
    pub fn inherit(&self, known: &Self) {
        for upstream in &self.upstreams {
            upstream.inherit(&known.upstreams);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::{Server, tests::upstream_settings};

    fn live(hosts: &[&str]) -> Live {
        let mut settings = LiveSettings::default();
        for (number, host) in hosts.iter().enumerate() {
            let name = format!("u{number}");
            let mut upstream = upstream_settings(&name, &format!("/{name}"), 1);
            upstream.servers = vec![Server { host: (*host).into(), port: 80 }];
            settings.upstreams.push(upstream);
        }
        Live::build(settings, false).unwrap()
    }

    #[tokio::test]
    async fn a_server_keeps_its_addresses_over_a_reload_while_its_name_cannot_be_resolved() {
        let old = live(&["localhost"]);
        old.resolve().await;
        let new = live(&["other.invalid", "localhost"]);
        assert!(new.upstreams[1].pick(0).is_none());
        new.inherit(&old);
        assert!(new.upstreams[1].pick(0).is_some());
        assert!(new.upstreams[0].pick(0).is_none());
    }
}
