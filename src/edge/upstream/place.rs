//! One server of an upstream: where it is, how it is spoken to, and how it is.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use http::HeaderValue;
use pingora::{
    protocols::{ALPN, TcpKeepalive},
    upstreams::peer::HttpPeer,
};

use super::{
    super::{Scheme, Server, UpstreamSettings},
    health::Health,
};

/// Time for the resolution of a name.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Time that a connection to a server is kept for the next request.
const KEEP: Duration = Duration::from_mins(1);
/// Requests at once on one connection of HTTP/2; beyond them there is another connection.
const STREAMS: usize = 100;
/// Bytes of an answer that wait on one stream of HTTP/2 for a client that does not take them.
const WINDOW: u32 = 256 * 1024;
/// What may wait on all streams of a connection: more than they can fill, so that no slow client holds up the others. The
/// library ends a connection when half of it waits in small pieces, each of which it counts as 256 bytes: all streams may
/// wait in pieces of sixty bytes. Twice as much would be held by whoever lets many of the smallest wait.
const WINDOWS: u32 = 1 << 28;
/// After this time without a byte the other end's system is asked for a sign of life, and again after a third of it, so
/// that a connection whose other end is gone without a word is not kept: over HTTP/2 all requests share it. Pings of
/// HTTP/2 itself would end connections: gRPC servers take more than one in five minutes for an attack.
const SILENCE: Duration = Duration::from_secs(15);

/// One server, with what it learns while it runs.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) server: Server,
    /// Its host and port as configured: its name in the log and the metrics.
    pub(super) label: Arc<str>,
    pub(super) authority: Option<HeaderValue>,
    pub(super) health: Arc<Health>,
    addresses: ArcSwap<Vec<SocketAddr>>,
    /// Which of several addresses is asked: the next one after a failure.
    preferred: AtomicUsize,
    /// The terms of its connections, but for the address.
    terms: HttpPeer,
}

impl Place {
    pub(super) fn new(server: Server, settings: &UpstreamSettings) -> Self {
        let literal: Option<IpAddr> = server.host.parse().ok();
        let host = match literal {
            Some(IpAddr::V6(address)) => format!("[{address}]"),
            _ => server.host.to_string(),
        };
        let label = format!("{host}:{}", server.port);
        let authority = if server.port == server.scheme.default_port() { &host } else { &label };
        let addresses = literal.map(|address| SocketAddr::new(address, server.port)).into_iter().collect();
        Self {
            authority: HeaderValue::from_str(authority).ok(),
            health: Arc::new(Health::new()),
            addresses: ArcSwap::from_pointee(addresses),
            preferred: AtomicUsize::new(0),
            terms: terms(&server, settings),
            label: label.into(),
            server,
        }
    }

    /// Takes over the addresses that another place knows of the same server, until they are resolved anew.
    pub(super) fn inherit_addresses(&self, other: &Self) {
        self.addresses.store(other.addresses.load_full());
    }

    /// Takes over how the server was until now.
    pub(super) fn inherit_health(&mut self, other: &Self) {
        self.health = other.health.clone();
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        let addresses = self.addresses.load();
        let index = self.preferred.load(Ordering::Relaxed).checked_rem(addresses.len())?;
        addresses.get(index).copied()
    }

    /// Asks another address of the same server next, if there is one.
    pub(super) fn prefer_another(&self) {
        self.preferred.fetch_add(1, Ordering::Relaxed);
    }

    /// The terms on which pingora connects to that address.
    pub(super) fn peer(&self, address: SocketAddr) -> HttpPeer {
        let mut peer = self.terms.clone();
        peer._address = address.into();
        peer
    }

    pub(super) async fn resolve(&self, upstream: &str) {
        if self.server.host.parse::<IpAddr>().is_ok() {
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

    #[cfg(test)]
    pub(super) fn set_addresses(&self, addresses: &[&str]) {
        self.addresses.store(Arc::new(addresses.iter().map(|text| text.parse().unwrap()).collect()));
    }
}

/// Once a connection is there, the time is kept by `watch`.
fn terms(server: &Server, settings: &UpstreamSettings) -> HttpPeer {
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let https = server.scheme == Scheme::Https;
    // pingora verifies nothing at all for a name that is empty.
    let name = if https { settings.tls.server_name().unwrap_or(&server.host) } else { "" };
    let mut peer = HttpPeer::new(nowhere, https, name.to_owned());
    peer.options.connection_timeout = Some(settings.connect_timeout);
    peer.options.total_connection_timeout = Some(settings.connect_timeout);
    peer.options.idle_timeout = Some(KEEP);
    peer.options.alpn = match server.scheme {
        Scheme::Http => ALPN::H1,
        Scheme::Https => ALPN::H2H1,
        Scheme::H2c => ALPN::H2,
    };
    peer.options.max_h2_streams = STREAMS;
    peer.options.h2_stream_window_size = Some(WINDOW);
    peer.options.h2_connection_window_size = Some(WINDOWS);
    peer.options.tcp_keepalive = Some(TcpKeepalive {
        idle: SILENCE,
        interval: SILENCE / 3,
        count: 3,
        // A server that takes no bytes has the time that it has for anything else.
        user_timeout: settings.timeout.max(settings.stream_idle_timeout),
    });
    if https {
        peer.options.ca = settings.tls.authorities();
        peer.client_cert_key = settings.tls.certificate();
        // By itself pingora shares connections among peers that trust different authorities.
        peer.group_key = settings.tls.fingerprint();
    }
    peer
}
