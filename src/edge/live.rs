//! The swappable snapshot: rules and upstreams of one configuration. A request takes one when it arrives and keeps it.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures_util::future::join_all;

use super::{DoorTls, LiveSettings, ReservedNames, Upstream};
use crate::{
    guard::CallerLimits,
    model::SystemClock,
    observe::ServerState,
    policy::{RouteTable, TableError, UpstreamRules},
};

/// How often the names of servers are resolved anew.
const REFRESH: Duration = Duration::from_secs(30);

/// What is in force.
#[derive(Debug)]
pub struct Live {
    pub(super) tls: Option<DoorTls>,
    pub(super) table: RouteTable,
    pub(super) limits: CallerLimits,
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
        let LiveSettings { tls, mut upstreams, limit, mut reserved } = settings;
        // A permit names its upstream by this place, and a limit is found by both.
        for (index, upstream) in upstreams.iter_mut().enumerate() {
            upstream.rules.policy.index = index;
            upstream.rules.rules.iter_mut().enumerate().for_each(|(index, rule)| rule.index = index);
        }
        let rules: Vec<UpstreamRules> = upstreams.iter().map(|upstream| upstream.rules.clone()).collect();
        let limits = CallerLimits::new(limit, &rules, Arc::new(SystemClock));
        let table = RouteTable::compile(rules, expose_management)?;
        reserved.add_family("X-Portcullis-");
        let upstreams = upstreams.into_iter().map(|one| Arc::new(Upstream::new(one))).collect();
        Ok(Self { tls, table, limits, upstreams, reserved })
    }

    /// The upstreams that only observe, by name.
    #[must_use]
    pub fn observing(&self) -> Vec<Arc<str>> {
        let policies = self.upstreams.iter().map(|upstream| &upstream.settings().rules.policy);
        policies.filter(|policy| policy.observes()).map(|policy| policy.name.clone()).collect()
    }

    /// Takes over TLS as `known` has it, where this one would begin or end to speak it: only a restart does.
    pub fn keep_tls(&mut self, known: &Self) {
        if self.tls.is_some() != known.tls.is_some() {
            self.tls.clone_from(&known.tls);
        }
    }

    /// Takes over what `known` knows of the servers of both, so that a reload does not depend on every name being
    /// resolved at that moment and a server that is out stays out, and what the limits of both have counted.
    pub fn inherit(&mut self, known: &Self) {
        self.limits.inherit(&known.limits);
        for upstream in self.upstreams.iter_mut().filter_map(Arc::get_mut) {
            upstream.inherit(&known.upstreams);
        }
    }

    /// How each server of each upstream is.
    #[must_use]
    pub fn states(&self) -> Vec<ServerState> {
        self.upstreams.iter().flat_map(|upstream| upstream.states()).collect()
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
    use crate::edge::{
        HealthCheck,
        failure::Failure,
        tests::{server, upstream_settings},
        upstream::Request,
    };

    const ANY: Request<'_> = Request { turn: 0, caller: "", tried: &[] };

    fn settings(name: &str, hosts: &[&str]) -> crate::edge::UpstreamSettings {
        let mut upstream = upstream_settings(name, &format!("/{name}"), 1);
        upstream.servers =
            hosts.iter().map(|host| crate::edge::Server { host: (*host).into(), ..server(80) }).collect();
        upstream
    }

    fn live(upstreams: Vec<crate::edge::UpstreamSettings>) -> Live {
        Live::build(LiveSettings { upstreams, ..LiveSettings::default() }, false).unwrap()
    }

    #[tokio::test]
    async fn a_server_keeps_its_addresses_over_a_reload_while_its_name_cannot_be_resolved() {
        let old = live(vec![settings("u0", &["localhost"])]);
        old.resolve().await;
        let mut new = live(vec![settings("u0", &["other.invalid"]), settings("u1", &["localhost"])]);
        assert!(new.upstreams[1].pick(ANY).is_none());
        new.inherit(&old);
        assert!(new.upstreams[1].pick(ANY).is_some());
        assert!(new.upstreams[0].pick(ANY).is_none());
    }

    #[tokio::test]
    async fn a_server_that_is_out_stays_out_over_a_reload_unless_its_check_is_another() {
        let old = live(vec![settings("u", &["127.0.0.1", "127.0.0.2"])]);
        let pick = old.upstreams[0].pick(ANY).unwrap();
        old.upstreams[0].note_failure(&pick, Failure::Connect);
        let healthy = |live: &Live| live.states().iter().map(|state| state.healthy).collect::<Vec<_>>();
        assert_eq!(healthy(&old), [false, true]);

        let mut new = live(vec![settings("v", &["127.0.0.1"]), settings("u", &["127.0.0.2", "127.0.0.1"])]);
        new.inherit(&old);
        assert_eq!(healthy(&new), [true, true, false], "of the same upstream only");
        new.upstreams[1].note_answer(&pick);
        assert_eq!(healthy(&old), [true, true], "both see what either learns");

        old.upstreams[0].note_failure(&pick, Failure::Connect);
        let mut checked = settings("u", &["127.0.0.1"]);
        let second = Duration::from_secs(1);
        checked.health_check = Some(HealthCheck { path: "/ping".parse().unwrap(), interval: second, timeout: second });
        let mut new = live(vec![checked]);
        new.inherit(&old);
        assert_eq!(healthy(&new), [true]);
    }
}
