//! An upstream at run time: its servers, which of them is asked, and what is learned of them meanwhile.

mod balance;
mod check;
mod health;
mod hold;
mod place;
mod tls;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::join_all;
use http::HeaderValue;
use pingora::{protocols::ALPN, upstreams::peer::HttpPeer};

pub use balance::Balance;
pub(super) use balance::Request;
pub use check::{HealthCheck, check_health};
pub use tls::{Authorities, ClientCertificate, TlsName, UpstreamTls};

use super::{UpstreamSettings, failure::Failure};
use crate::observe::{ServerState, UsualMetrics};
use health::{Sign, Standing};
use hold::Hold;
use place::Place;

/// One upstream with what it learns while it runs.
#[derive(Debug)]
pub struct Upstream {
    settings: UpstreamSettings,
    places: Vec<Arc<Place>>,
    turn: AtomicUsize,
    usual: UsualMetrics,
}

/// A server that was picked for one attempt, which counts as one that it works on until this is dropped.
#[derive(Debug)]
pub(super) struct Pick {
    /// Its place among the upstream's servers.
    pub(super) index: usize,
    place: Arc<Place>,
    address: SocketAddr,
    /// Whether the attempt shows if the server is back.
    trial: bool,
    /// On a server that may agree to another protocol.
    hold: Option<Hold>,
}

impl Drop for Pick {
    fn drop(&mut self) {
        self.place.health.end();
    }
}

impl Pick {
    /// The `Host` of the server, as configured.
    pub(super) fn authority(&self) -> Option<&HeaderValue> {
        self.place.authority.as_ref()
    }

    /// The terms on which pingora connects. A protocol that takes over the connection exists in HTTP/1.1 only.
    pub(super) fn peer(&mut self, takes_over: bool) -> HttpPeer {
        let mut peer = self.place.peer(self.address);
        if takes_over && peer.is_tls() {
            peer.options.alpn = ALPN::H1;
        }
        if takes_over && peer.options.alpn == ALPN::H1 {
            self.hold = Some(Hold::on(&mut peer));
        }
        peer
    }

    /// A request without a body is about to be written.
    pub(super) fn asks_now(&self) {
        if let Some(hold) = &self.hold {
            hold.until_asked();
        }
    }
}

impl Upstream {
    pub(super) fn new(settings: UpstreamSettings) -> Self {
        let places = settings.servers.iter().map(|server| Arc::new(Place::new(server.clone(), &settings))).collect();
        Self { settings, places, turn: AtomicUsize::new(0), usual: UsualMetrics::default() }
    }

    pub(super) const fn settings(&self) -> &UpstreamSettings {
        &self.settings
    }

    /// Those of its metrics that were found already.
    pub(super) const fn usual_metrics(&self) -> &UsualMetrics {
        &self.usual
    }

    pub(super) fn name(&self) -> &str {
        &self.settings.rules.policy.name
    }

    /// Resolves the names of its servers.
    pub(super) async fn resolve(&self) {
        join_all(self.places.iter().map(|place| place.resolve(self.name()))).await;
    }

    /// Takes over the addresses of the servers that other upstreams know already, and how those of the same upstream
    /// are.
    pub(super) fn inherit(&mut self, known: &[Arc<Self>]) {
        let (name, check) = (self.settings.rules.policy.name.clone(), self.settings.health_check.clone());
        for place in self.places.iter_mut().filter_map(Arc::get_mut) {
            for upstream in known {
                let same = upstream.name() == &*name && upstream.settings.health_check == check;
                let Some(other) = upstream.places.iter().find(|other| other.server == place.server) else { continue };
                if place.address().is_none() {
                    place.inherit_addresses(other);
                }
                if same {
                    place.inherit_health(other);
                }
            }
        }
    }

    /// Whose turn it is when a request comes.
    pub(super) fn next_turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    /// The server for an attempt; none if all of them are down or have no known address.
    pub(super) fn pick(&self, request: Request<'_>) -> Option<Pick> {
        let index = self.settings.balance.choose(self.places.iter().map(|place| &**place), request)?;
        let place = self.places.get(index)?.clone();
        let address = place.address()?;
        let trial = place.health.take_trial();
        place.health.begin();
        Some(Pick { index, place, address, trial, hold: None })
    }

    /// Notes what became of an attempt that its server is to blame for.
    pub(super) fn note_failure(&self, pick: &Pick, failure: Failure) {
        let sign = if failure.is_of_connection() {
            pick.place.prefer_another();
            Sign::Unreachable
        } else {
            Sign::Unanswered
        };
        if pick.place.health.failed(sign, pick.trial) {
            let (upstream, server, kind) = (self.name(), &*pick.place.label, failure.kind());
            tracing::warn!(upstream, server, kind, "a server is out: requests go to others while there are any");
        }
    }

    /// Notes that the server answered.
    pub(super) fn note_answer(&self, pick: &Pick) {
        if pick.place.health.answered() {
            let (upstream, server) = (self.name(), &*pick.place.label);
            tracing::info!(upstream, server, "a server is back: it answers");
        }
    }

    /// How its servers are.
    pub(super) fn states(&self) -> impl Iterator<Item = ServerState> {
        self.places.iter().map(|place| ServerState {
            upstream: self.settings.rules.policy.name.clone(),
            server: place.label.clone(),
            healthy: place.health.standing() == Standing::Well,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::edge::{
        Scheme, Server,
        tests::{server, upstream_settings},
    };

    fn upstream(balance: Balance, servers: Vec<Server>) -> Upstream {
        let mut settings = upstream_settings("u", "/", 1);
        (settings.balance, settings.servers) = (balance, servers);
        Upstream::new(settings)
    }

    fn three(balance: Balance) -> Upstream {
        upstream(balance, vec![server(1), server(2), server(3)])
    }

    fn picked(upstream: &Upstream, request: Request<'_>) -> u16 {
        upstream.pick(request).unwrap().address.port()
    }

    /// The port that the next request goes to.
    fn next(upstream: &Upstream) -> u16 {
        picked(upstream, Request { turn: upstream.next_turn(), caller: "", tried: &[] })
    }

    fn of_client(upstream: &Upstream, caller: &str) -> u16 {
        picked(upstream, Request { turn: upstream.next_turn(), caller, tried: &[] })
    }

    fn put_out(upstream: &Upstream, index: usize) {
        upstream.places[index].health.failed(Sign::Unreachable, false);
    }

    #[tokio::test]
    async fn servers_are_asked_in_turn() {
        let upstream = three(Balance::RoundRobin);
        assert_eq!([(); 4].map(|()| next(&upstream)), [1, 2, 3, 1]);
    }

    #[tokio::test]
    async fn a_server_without_an_address_is_passed_over() {
        let unknown = || Server { host: "name.invalid".into(), ..server(1) };
        let half = upstream(Balance::RoundRobin, vec![unknown(), server(2)]);
        assert_eq!([(); 2].map(|()| next(&half)), [2, 2]);
        let none = upstream(Balance::RoundRobin, vec![unknown()]);
        assert!(none.pick(Request { turn: 0, caller: "", tried: &[] }).is_none());
    }

    #[tokio::test]
    async fn after_a_failed_connection_another_address_of_the_same_name_is_asked() {
        let upstream = upstream(Balance::RoundRobin, vec![Server { host: "name.invalid".into(), ..server(1) }]);
        upstream.places[0].set_addresses(&["127.0.0.1:1", "127.0.0.2:2"]);
        let pick = upstream.pick(Request { turn: 0, caller: "", tried: &[] }).unwrap();
        upstream.note_failure(&pick, Failure::Broken);
        assert_eq!(next(&upstream), 1);
        upstream.note_failure(&pick, Failure::Connect);
        assert_eq!(next(&upstream), 2);
    }

    #[tokio::test]
    async fn an_authority_is_written_as_in_a_url() {
        let of = |scheme, host: &str, port| {
            let upstream = upstream(Balance::RoundRobin, vec![Server { scheme, host: host.into(), port }]);
            upstream.places[0].authority.clone().unwrap()
        };
        assert_eq!(of(Scheme::Http, "api.example", 80), "api.example");
        assert_eq!(of(Scheme::Http, "::1", 8080), "[::1]:8080");
        assert_eq!(of(Scheme::Https, "api.example", 443), "api.example");
        assert_eq!(of(Scheme::Https, "api.example", 80), "api.example:80");
    }

    #[tokio::test]
    async fn the_server_with_the_fewest_requests_is_asked() {
        let upstream = three(Balance::LeastConnections);
        let ask = || upstream.pick(Request { turn: upstream.next_turn(), caller: "", tried: &[] }).unwrap();
        let mut held = vec![ask(), ask(), ask(), ask()];
        let mut ports: Vec<u16> = held.iter().map(|pick| pick.address.port()).collect();
        ports.sort_unstable();
        assert_eq!(ports, [1, 1, 2, 3]);
        held.retain(|pick| pick.address.port() != 3);
        assert_eq!([(); 3].map(|()| next(&upstream)), [3; 3], "what is over counts no more");
    }

    #[tokio::test]
    async fn a_client_keeps_its_server_and_only_the_share_of_one_that_is_out_moves() {
        let upstream = three(Balance::ClientHash);
        let clients: Vec<String> = (0..300).map(|number| format!("cl_{number}")).collect();
        let servers =
            |upstream: &Upstream| clients.iter().map(|client| of_client(upstream, client)).collect::<Vec<_>>();
        let before = servers(&upstream);
        assert_eq!(servers(&upstream), before);
        for port in 1..=3 {
            let share = before.iter().filter(|found| **found == port).count();
            assert!((70..130).contains(&share), "{port}: {share}");
        }
        put_out(&upstream, 1);
        for (before, after) in before.iter().zip(servers(&upstream)) {
            assert!(after != 2 && (*before == 2 || *before == after), "{before} -> {after}");
        }
        let fourth = self::upstream(Balance::ClientHash, vec![server(3), server(4), server(2), server(1)]);
        for (before, after) in before.iter().zip(servers(&fourth)) {
            assert!(after == 4 || *before == after, "{before} -> {after}");
        }
    }

    #[tokio::test]
    async fn a_retry_goes_to_a_server_that_was_not_tried_and_back_only_when_all_were() {
        for balance in [Balance::RoundRobin, Balance::LeastConnections, Balance::ClientHash] {
            let upstream = three(balance);
            let mut tried = Vec::new();
            for _ in 0..6 {
                tried.push(upstream.pick(Request { turn: 1, caller: "c", tried: &tried }).unwrap().index);
            }
            let mut first = tried[..3].to_vec();
            first.sort_unstable();
            assert_eq!(first, [0, 1, 2], "{balance:?}");
            assert_eq!(tried[..3], tried[3..], "{balance:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_out_is_asked_only_when_all_are_and_once_as_a_trial() {
        let upstream = three(Balance::RoundRobin);
        put_out(&upstream, 0);
        put_out(&upstream, 2);
        assert_eq!([(); 4].map(|()| next(&upstream)), [2; 4]);
        let after_one = Request { turn: 0, caller: "", tried: &[1] };
        assert_eq!(picked(&upstream, after_one), 2, "rather the one that was tried than one that is out");
        put_out(&upstream, 1);
        assert_eq!([(); 3].map(|()| next(&upstream)), [2, 3, 1]);
        tokio::time::advance(Duration::from_secs(1)).await;
        let mut trials = [(); 3].map(|()| upstream.pick(Request { turn: 0, caller: "", tried: &[] }).unwrap());
        trials.sort_unstable_by_key(|pick| pick.index);
        assert!(trials.iter().enumerate().all(|(index, pick)| pick.index == index && pick.trial));
    }

    #[tokio::test]
    async fn a_server_that_fails_its_check_is_not_asked_even_when_all_do() {
        let upstream = three(Balance::RoundRobin);
        for index in 0..3 {
            upstream.places[index].health.checked(false);
            upstream.places[index].health.checked(false);
        }
        assert!(upstream.pick(Request { turn: 0, caller: "", tried: &[] }).is_none());
        assert!(upstream.states().all(|state| !state.healthy));
        upstream.places[1].health.checked(true);
        assert_eq!([(); 2].map(|()| next(&upstream)), [2, 2]);
    }

    #[tokio::test]
    async fn the_terms_of_a_connection_follow_the_scheme() {
        let of = |scheme, takes_over| {
            let upstream = upstream(Balance::RoundRobin, vec![Server { scheme, host: "127.0.0.1".into(), port: 1 }]);
            let mut pick = upstream.pick(Request { turn: 0, caller: "", tried: &[] }).unwrap();
            let peer = pick.peer(takes_over);
            (peer.is_tls(), peer.sni, peer.options.alpn)
        };
        assert_eq!(of(Scheme::Http, false), (false, String::new(), ALPN::H1));
        assert_eq!(of(Scheme::H2c, false), (false, String::new(), ALPN::H2));
        assert_eq!(of(Scheme::Https, false), (true, "127.0.0.1".to_owned(), ALPN::H2H1));
        assert_eq!(of(Scheme::Https, true), (true, "127.0.0.1".to_owned(), ALPN::H1));
    }
}
