//! How upstreams' servers are, asked for when metrics are read and not kept: a server that a reload removes is gone
//! from the metrics with it.

use std::sync::Arc;

use prometheus::{
    Error, IntGaugeVec,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::metrics::options;

/// How one server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerState {
    /// The name of its upstream.
    pub upstream: Arc<str>,
    /// Its host and port as configured.
    pub server: Arc<str>,
    /// Whether requests are sent to it as usual.
    pub healthy: bool,
}

/// `portcullis_upstream_healthy{upstream,server}`.
pub(super) struct Servers<F> {
    states: F,
    /// Never set: what it is called.
    described: IntGaugeVec,
}

impl<F: Fn() -> Vec<ServerState>> Servers<F> {
    pub(super) fn new(states: F) -> Result<Self, Error> {
        Ok(Self { states, described: gauges()? })
    }
}

fn gauges() -> Result<IntGaugeVec, Error> {
    let help = "Whether requests are sent to the server as usual: 1, or 0 while it is out or down.";
    IntGaugeVec::new(options("upstream_healthy", help), &["upstream", "server"])
}

impl<F: Fn() -> Vec<ServerState> + Send + Sync> Collector for Servers<F> {
    fn desc(&self) -> Vec<&Desc> {
        self.described.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Ok(gauges) = gauges() else { return Vec::new() };
        for ServerState { upstream, server, healthy } in (self.states)() {
            gauges.with_label_values(&[&*upstream, &*server]).set(healthy.into());
        }
        gauges.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::observe::Metrics;

    #[test]
    fn the_servers_are_those_of_the_moment() {
        let metrics = Metrics::new().unwrap();
        let state = |server: &str, healthy| ServerState { upstream: "u".into(), server: server.into(), healthy };
        let states = Arc::new(Mutex::new(vec![state("a:1", true), state("b:2", false)]));
        let told = states.clone();
        metrics.observe_servers(move || told.lock().unwrap().clone()).unwrap();
        let lines = || {
            let text = String::from_utf8(metrics.encode().unwrap()).unwrap();
            text.lines()
                .filter(|line| line.starts_with("portcullis_upstream_healthy"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let line = |server, value| format!(r#"portcullis_upstream_healthy{{server="{server}",upstream="u"}} {value}"#);
        assert_eq!(lines(), [line("a:1", 1), line("b:2", 0)]);
        *states.lock().unwrap() = vec![state("b:2", true)];
        assert_eq!(lines(), [line("b:2", 1)]);
        states.lock().unwrap().clear();
        assert_eq!(lines(), [""; 0]);
    }
}
