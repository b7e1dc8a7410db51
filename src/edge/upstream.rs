//! An upstream at run time: its servers in turn, their addresses, and the terms on which pingora speaks to one.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use http::HeaderValue;
use pingora::upstreams::peer::HttpPeer;

use super::{Server, UpstreamSettings};

/// Time for the resolution of a name.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Time that a connection to a server is kept for the next request.
const KEEP: Duration = Duration::from_mins(1);

/// One upstream with what it learns while it runs.
#[derive(Debug)]
pub struct Upstream {
    settings: UpstreamSettings,
    places: Vec<Place>,
    turn: AtomicUsize,
}

/// One server and where it is.
#[derive(Debug)]
struct Place {
    server: Server,
    authority: Option<HeaderValue>,
    addresses: ArcSwap<Vec<SocketAddr>>,
    /// Which of several addresses is asked: the next one after a failure.
    preferred: AtomicUsize,
}

/// A server that was picked for one attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pick {
    place: usize,
    address: SocketAddr,
}

impl Upstream {
    pub(super) fn new(settings: UpstreamSettings) -> Self {
        let places = settings.servers.iter().cloned().map(Place::new).collect();
        Self { settings, places, turn: AtomicUsize::new(0) }
    }

    pub(super) const fn settings(&self) -> &UpstreamSettings {
        &self.settings
    }

    /// Resolves the names of its servers.
    pub(super) async fn resolve(&self) {
        let name = &self.settings.rules.policy.name;
        join_all(self.places.iter().map(|place| place.resolve(name))).await;
    }

    /// Takes over the addresses of the servers that another upstream knows already, until they are resolved anew.
    pub(super) fn inherit(&self, known: &[Arc<Self>]) {
        for place in &self.places {
            let mut others = known.iter().flat_map(|upstream| &upstream.places);
            let other = others.find(|other| other.server == place.server && !other.addresses.load().is_empty());
            if let Some(other) = other {
                place.addresses.store(other.addresses.load_full());
            }
        }
    }

    /// Whose turn it is when a request comes.
    pub(super) fn next_turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    /// The server of that turn, or the next one after it whose address is known.
    pub(super) fn pick(&self, turn: usize) -> Option<Pick> {
        let count = self.places.len();
        (0..count).find_map(|step| {
            let place = turn.wrapping_add(step).checked_rem(count)?;
            let address = self.places.get(place)?.address()?;
            Some(Pick { place, address })
        })
    }

    /// Notes that no connection came about, so that another address of the same server is asked next.
    pub(super) fn note_failure(&self, pick: Pick) {
        if let Some(place) = self.places.get(pick.place) {
            place.preferred.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The `Host` of the server that was picked, as configured.
    pub(super) fn authority(&self, pick: Pick) -> Option<&HeaderValue> {
        self.places.get(pick.place)?.authority.as_ref()
    }

    /// The terms on which pingora connects. Once that is done, the time is kept by `watch`.
    pub(super) fn peer(&self, pick: Pick) -> HttpPeer {
        let settings = &self.settings;
        let mut peer = HttpPeer::new(pick.address, false, String::new());
        peer.options.connection_timeout = Some(settings.connect_timeout);
        peer.options.total_connection_timeout = Some(settings.connect_timeout);
        peer.options.idle_timeout = Some(KEEP);
        peer
    }
}

impl Place {
    fn new(server: Server) -> Self {
        let literal: Option<std::net::IpAddr> = server.host.parse().ok();
        let host = match literal {
            Some(std::net::IpAddr::V6(address)) => format!("[{address}]"),
            _ => server.host.to_string(),
        };
        let authority = if server.port == 80 { host } else { format!("{host}:{}", server.port) };
        let addresses = literal.map(|address| SocketAddr::new(address, server.port)).into_iter().collect();
        Self {
            authority: HeaderValue::from_str(&authority).ok(),
            server,
            addresses: ArcSwap::from_pointee(addresses),
            preferred: AtomicUsize::new(0),
        }
    }

    fn address(&self) -> Option<SocketAddr> {
        let addresses = self.addresses.load();
        let index = self.preferred.load(Ordering::Relaxed).checked_rem(addresses.len())?;
        addresses.get(index).copied()
    }

    async fn resolve(&self, upstream: &str) {
        if self.server.host.parse::<std::net::IpAddr>().is_ok() {
            return;
        }
        let look_up = tokio::net::lookup_host((&*self.server.host, self.server.port));
        let why = match tokio::time::timeout(RESOLVE_TIMEOUT, look_up).await {
            Ok(Ok(found)) => {
                let mut addresses: Vec<SocketAddr> = found.collect();
                // A server that listens on one family only most often listens on IPv4.
                addresses.sort_by_key(SocketAddr::is_ipv6);
                if !addresses.is_empty() {
                    if **self.addresses.load() != addresses {
                        self.addresses.store(Arc::new(addresses));
                    }
                    return;
                }
                "it has no address".to_owned()
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::warn!(upstream, server = %self.server.host, "the server's name cannot be resolved: {why}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::tests::upstream_settings;

    fn upstream(servers: &[(&str, u16)]) -> Upstream {
        let mut settings = upstream_settings("u", "/", 1);
        settings.servers = servers.iter().map(|(host, port)| Server { host: (*host).into(), port: *port }).collect();
        Upstream::new(settings)
    }

    fn port(upstream: &Upstream, turn: usize) -> u16 {
        upstream.pick(turn).unwrap().address.port()
    }

    #[test]
    fn servers_are_asked_in_turn() {
        let upstream = upstream(&[("127.0.0.1", 1), ("127.0.0.1", 2), ("::1", 3)]);
        let ports: Vec<u16> = (0..4).map(|_| port(&upstream, upstream.next_turn())).collect();
        assert_eq!(ports, [1, 2, 3, 1]);
    }

    #[test]
    fn a_server_without_an_address_is_passed_over() {
        let half = upstream(&[("name.invalid", 1), ("127.0.0.1", 2)]);
        assert_eq!([port(&half, 0), port(&half, 1)], [2, 2]);
        assert!(upstream(&[("name.invalid", 1)]).pick(0).is_none());
    }

    #[tokio::test]
    async fn after_a_failure_another_address_of_the_same_name_is_asked() {
        let upstream = upstream(&[("name.invalid", 1)]);
        let two = vec!["127.0.0.1:1".parse().unwrap(), "127.0.0.2:2".parse().unwrap()];
        upstream.places[0].addresses.store(Arc::new(two));
        upstream.note_failure(upstream.pick(0).unwrap());
        assert_eq!(port(&upstream, 0), 2);
    }

    #[test]
    fn an_authority_is_written_as_in_a_url() {
        let upstream = upstream(&[("api.example", 80), ("::1", 8080)]);
        let authority = |place| {
            let pick = Pick { place, address: "127.0.0.1:1".parse().unwrap() };
            upstream.authority(pick).unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!([authority(0), authority(1)], ["api.example", "[::1]:8080"]);
    }
}
