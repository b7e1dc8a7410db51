//! Where a request comes from: the peer, or what a trusted proxy says of it.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

/// The header that proxies name their peers in, nearest last.
pub(super) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who is at the other end of the connection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Origin {
    /// The peer; unknown for a socket that is already closed.
    pub(super) peer: Option<SocketAddr>,
    /// Whether the connection is under TLS.
    pub(super) secure: bool,
    /// Whether what it says of others is believed.
    pub(super) trusted: bool,
    /// The client: the peer, or the last address that a trusted peer names and that is no trusted proxy itself.
    pub(super) client: Option<IpAddr>,
}

impl Origin {
    pub(super) fn new(peer: Option<SocketAddr>, secure: bool, headers: &HeaderMap, proxies: &[IpNet]) -> Self {
        let address = peer.map(|peer| peer.ip().to_canonical());
        let trusted = address.is_some_and(|address| is_proxy(address, proxies));
        let named = trusted.then(|| named_client(headers, proxies)).flatten();
        Self { peer, secure, trusted, client: named.or(address) }
    }
}

/// An address as `X-Forwarded-For` has it.
pub(super) fn header(address: IpAddr) -> HeaderValue {
    // The text of an address is visible ASCII.
    HeaderValue::try_from(address.to_string()).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

/// Whether that is the address of a trusted proxy.
pub(super) fn is_proxy(address: IpAddr, proxies: &[IpNet]) -> bool {
    proxies.iter().any(|network| network.contains(&address))
}

/// A text that is no address ends the search: nobody vouches for what stands before it.
fn named_client(headers: &HeaderMap, proxies: &[IpNet]) -> Option<IpAddr> {
    let values: Vec<&str> = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
    let hops = values.iter().rev().flat_map(|value| value.rsplit(',')).map(str::trim);
    let mut last = None;
    for hop in hops {
        let Ok(address) = hop.parse::<IpAddr>() else { break };
        last = Some(address.to_canonical());
        if !is_proxy(address.to_canonical(), proxies) {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn client(peer: &str, forwarded: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(value));
        }
        let peer = peer.parse().unwrap();
        Origin::new(Some(peer), false, &headers, &["10.0.0.0/8".parse().unwrap()]).client.unwrap().to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(client("192.0.2.1:5", &["198.51.100.7"]), "192.0.2.1");
    }

    #[test]
    fn of_a_trusted_proxy_the_last_address_that_is_none_counts() {
        assert_eq!(client("10.0.0.1:5", &["198.51.100.7, 203.0.113.9, 10.2.0.1"]), "203.0.113.9");
        assert_eq!(client("[::ffff:10.0.0.1]:5", &["198.51.100.7", "203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1:5", &["10.9.9.9"]), "10.9.9.9");
        assert_eq!(client("10.0.0.1:5", &["198.51.100.7, junk"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1:5", &[]), "10.0.0.1");
    }
}
