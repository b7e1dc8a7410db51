//! What the edge is told: the door's limits (fixed until a restart) and the upstreams (replaced by a reload).

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Method};
use ipnet::IpNet;

use super::{
    DoorTls,
    upstream::{Balance, HealthCheck, UpstreamTls},
};
use crate::policy::{CallerLimit, UpstreamRules};

/// The public door. Fixed until a restart.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// Whether a client may speak HTTP/2 without TLS, by prior knowledge.
    pub h2c: bool,
    /// Threads of the proxy, at least 1.
    pub threads: usize,
    /// Whether the management API answers here too.
    pub expose_management: bool,
    /// Whose `X-Forwarded-*` and `Forwarded` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The methods let in.
    pub methods: Vec<Method>,
    /// Bytes of a request's head beyond the request line; more is a 431.
    pub max_header_bytes: usize,
    /// Header fields of a request; more is a 431.
    pub max_headers: usize,
    /// Bytes of a request's target; more is a 414.
    pub max_target_bytes: usize,
    /// Bytes of a request's body; more is a 413.
    pub max_body: u64,
    /// Time for a request's whole head.
    pub header_timeout: Duration,
    /// Time that a connection may stand idle between two requests.
    pub idle_timeout: Duration,
    /// Time between two reads of a request's body, and that its pace is judged over.
    pub body_timeout: Duration,
    /// Bytes a second that a client must send of a body, or take of an answer, while it is waited for; 0 for any. An
    /// answer is judged over `idle_timeout`.
    pub min_body_rate: u64,
    /// Connections in all; one more is closed at once.
    pub max_connections: usize,
    /// Connections from one address, trusted proxies aside; one more is closed at once.
    pub max_connections_per_address: usize,
    /// Requests of one connection; with the answer to the last it is closed.
    pub max_requests_per_connection: u32,
    /// Time that running requests get when the process is told to stop.
    pub shutdown_grace: Duration,
}

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP/1.1 in clear.
    Http,
    /// TLS; in it HTTP/2 if the server offers it, else HTTP/1.1.
    Https,
    /// HTTP/2 in clear, by prior knowledge (RFC 9113 section 3.3).
    H2c,
}

impl Scheme {
    /// The port that a URL need not name.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http | Self::H2c => 80,
            Self::Https => 443,
        }
    }
}

/// One server of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// A host name or an address, without brackets.
    pub host: Arc<str>,
    /// The port.
    pub port: u16,
}

/// Which `Host` an upstream sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostHeader {
    /// The client's.
    Client,
    /// The server's own, as configured.
    Upstream,
    /// This one.
    Literal(HeaderValue),
}

/// How a list of scopes is written in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListStyle {
    /// One blank between two.
    Blanks,
    /// A comma without a blank between two.
    Commas,
}

/// The header names that an upstream is told the identity by; a role without a name is not told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentityNames {
    /// The organisation's id. Several names get the same value.
    pub owner: Vec<HeaderName>,
    /// The organisation's name.
    pub owner_name: Vec<HeaderName>,
    /// The client's id.
    pub client: Vec<HeaderName>,
    /// The client's name.
    pub client_name: Vec<HeaderName>,
    /// The token's scopes.
    pub scopes: Vec<(HeaderName, ListStyle)>,
    /// The token's audiences.
    pub audience: Vec<HeaderName>,
    /// The token's `jti`.
    pub token_id: Vec<HeaderName>,
}

/// One upstream.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the configuration of its own")]
pub struct UpstreamSettings {
    /// Its part of the route table; its name is there.
    pub rules: UpstreamRules,
    /// Its servers, at least one.
    pub servers: Vec<Server>,
    /// How requests are spread over them.
    pub balance: Balance,
    /// How they are asked whether they are well, if they are.
    pub health_check: Option<HealthCheck>,
    /// The terms of TLS to those that are spoken to by it.
    pub tls: UpstreamTls,
    /// Whether its path is cut off before forwarding.
    pub strip_prefix: bool,
    /// Whether headers that override target or method go through.
    pub pass_override_headers: bool,
    /// Whether the names of the client's headers arrive in the case in which they were sent, for servers of HTTP/1.1
    /// that tell `X-Name` from `x-name`.
    pub keep_header_case: bool,
    /// Whether the client's `Authorization` goes through.
    pub forward_authorization: bool,
    /// Headers set on every request; secret values are marked sensitive.
    pub set_headers: Vec<(HeaderName, HeaderValue)>,
    /// Headers removed from every request.
    pub remove_headers: Vec<HeaderName>,
    /// Which `Host` it sees.
    pub host_header: HostHeader,
    /// Time for a connection to come about.
    pub connect_timeout: Duration,
    /// Time until an answer's head.
    pub timeout: Duration,
    /// Time between two bytes after that.
    pub stream_idle_timeout: Duration,
    /// Whether what runs under a token is cut when the token comes to its end.
    pub close_on_revoke: bool,
    /// How often a request that is safe to repeat is tried again.
    pub retries: u32,
    /// What it is told of the caller.
    pub identity: IdentityNames,
}

/// What a reload replaces.
#[derive(Debug, Clone, Default)]
pub struct LiveSettings {
    /// TLS at the door; whether there is any is fixed until a restart.
    pub tls: Option<DoorTls>,
    /// The upstreams; the `index` in each one's policy is its place here.
    pub upstreams: Vec<UpstreamSettings>,
    /// How often a caller may come, where neither upstream nor rule says so itself.
    pub limit: Option<CallerLimit>,
    /// Names that no client may send, beside those every build reserves: each one configured in any upstream, and the
    /// whole families of the presets in use.
    pub reserved: ReservedNames,
}

/// Header names that only Portcullis may set. Two names are the same when their letters and digits are, in any case:
/// many servers read `X-Owner`, `x_owner` and `X.Owner` as one. Kept folded to lower-case letters and digits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReservedNames {
    exact: Vec<String>,
    prefixes: Vec<String>,
    /// A bit for each first letter or digit of them: most names of others are told from them by it.
    initials: u64,
}

impl ReservedNames {
    /// Reserves one name.
    pub fn add_name(&mut self, name: &str) {
        self.initials |= insert(&mut self.exact, name);
    }

    /// Reserves every name that begins so.
    pub fn add_family(&mut self, prefix: &str) {
        self.initials |= insert(&mut self.prefixes, prefix);
    }

    /// Whether `name` is reserved. Allocates nothing: it is asked for every header of every request.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        if self.initials & initial(name) == 0 {
            return false;
        }
        self.exact.iter().any(|exact| folded(name).eq(exact.bytes()))
            || self.prefixes.iter().any(|prefix| {
                let mut letters = folded(name);
                prefix.bytes().all(|byte| letters.next() == Some(byte))
            })
    }
}

/// Adds `name` folded, unless it is there or has no letter or digit to be known by. Gives back its initial.
fn insert(names: &mut Vec<String>, name: &str) -> u64 {
    let initial = initial(name);
    let name: String = folded(name).map(char::from).collect();
    if !name.is_empty() && !names.contains(&name) {
        names.push(name);
    }
    initial
}

/// The bit of a name's first letter or digit, which some of them share; none for a name without any.
fn initial(name: &str) -> u64 {
    folded(name).next().map_or(0, |first| 1 << (first % 64))
}

fn folded(name: &str) -> impl Iterator<Item = u8> + '_ {
    name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_name_is_known_by_its_letters_and_digits() {
        let mut reserved = ReservedNames::default();
        reserved.add_name("X-Customer-2");
        for name in ["x-customer-2", "X_CUSTOMER_2", "xcustomer2", "X.Cust-omer~2"] {
            assert!(reserved.covers(name), "{name}");
        }
        for name in ["x-customer", "x-customer-20", "ax-customer-2", "", "-"] {
            assert!(!reserved.covers(name), "{name}");
        }
    }

    #[test]
    fn a_family_covers_every_name_that_begins_so() {
        let mut reserved = ReservedNames::default();
        reserved.add_family("X-Portcullis-");
        for name in ["X-Portcullis-Owner", "x_portcullis_owner", "x-port-cullis-anything", "X-Portcullis"] {
            assert!(reserved.covers(name), "{name}");
        }
        for name in ["X-Port", "Portcullis-Owner", "", "---"] {
            assert!(!reserved.covers(name), "{name}");
        }
    }

    #[test]
    fn a_name_without_letters_reserves_nothing() {
        let mut reserved = ReservedNames::default();
        reserved.add_family("-");
        reserved.add_name("_");
        assert!(!reserved.covers("X-Anything") && !reserved.covers("-"));
    }
}
