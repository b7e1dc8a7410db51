//! An upstream's servers: where they are, how they are spoken to, and how requests are spread over them.

use std::{sync::Arc, time::Duration};

use http::uri::PathAndQuery;

use super::{
    pem,
    reader::{Reported, Table, Value},
    values::{duration, one_of, parsed, some_of, split_port},
};
use crate::{
    edge::{Authorities, Balance, ClientCertificate, HealthCheck, Scheme, Server, TlsName, UpstreamTls},
    policy::Host,
};

/// What `balance` may say.
const BALANCES: [(&str, Balance); 3] = [
    ("round-robin", Balance::RoundRobin),
    ("least-connections", Balance::LeastConnections),
    ("client-hash", Balance::ClientHash),
];

/// More often than this a check is a load of its own.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
/// Less often than this a check says nothing of the present.
const LONGEST_INTERVAL: Duration = Duration::from_hours(1);
/// Time for a check that nothing else is said of.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// How the servers of an upstream are reached.
pub(super) struct Reached {
    pub(super) servers: Vec<Server>,
    pub(super) balance: Balance,
    pub(super) health_check: Option<HealthCheck>,
    pub(super) tls: UpstreamTls,
}

/// `servers`, `balance`, `health_check` and `tls` of an upstream.
pub(super) fn reached(upstream: &mut Table<'_>) -> Reached {
    let servers = servers(upstream);
    let balance = upstream.or("balance", Balance::RoundRobin, |value| one_of(&value, &BALANCES));
    let health_check = upstream.optional("health_check", |value| health_check(&value)).ok().flatten();
    let tls = upstream.optional("tls", |value| tls(&value, servers.as_deref().ok()));
    let servers = servers.unwrap_or_default();
    let tls = tls.map(Option::unwrap_or_default);
    if let Ok(tls) = &tls {
        refuse_nameless(upstream, &servers, tls);
    }
    Reached { servers, balance, health_check, tls: tls.unwrap_or_default() }
}

/// A certificate is always for a name: a server's own, unless another one is set.
fn refuse_nameless(upstream: &Table<'_>, servers: &[Server], tls: &UpstreamTls) {
    let secure = servers.iter().filter(|server| server.scheme == Scheme::Https && !tls.has_server_name());
    for server in secure.filter(|server| server.host.parse::<TlsName>().is_err()) {
        let help = "set `tls.server_name` to the name that its certificate is for";
        upstream.refuse("servers", format!("no certificate can be for the name `{}`", server.host), help);
    }
}

/// `servers`.
fn servers(upstream: &mut Table<'_>) -> Result<Vec<Server>, Reported> {
    let help = "write the servers, such as servers = [\"127.0.0.1:9000\"]";
    upstream.required("servers", help, |value| {
        let mut seen: Vec<Server> = Vec::new();
        some_of(&value, "write at least one server, such as [\"127.0.0.1:9000\"]", |item| {
            let server = server(&item)?;
            if seen.iter().any(|other| other.host == server.host && other.port == server.port) {
                return Err(item.refuse("this server is listed twice", "remove one of them"));
            }
            seen.push(server.clone());
            Ok(server)
        })
    })
}

fn server(value: &Value<'_>) -> Result<Server, Reported> {
    let text = value.text()?;
    let schemes = [("http://", Scheme::Http), ("https://", Scheme::Https), ("h2c://", Scheme::H2c)];
    let named = schemes.into_iter().find_map(|(prefix, scheme)| Some((scheme, text.strip_prefix(prefix)?)));
    let (scheme, address) = named.unwrap_or((Scheme::Http, text));
    let (host, port) = match split_port(address) {
        Some((host, port)) => (host, Some(port)),
        // As in a URL, a scheme has a port of its own.
        None => (address, named.map(|_| scheme.default_port())),
    };
    // Without its port the name holds no colon, unless it is an IPv6 address in brackets.
    let host: Option<Host> = host.parse().ok().filter(|_| !host.contains(':') || host.ends_with(']'));
    if let (Some(host), Some(port)) = (host, port) {
        let host: Arc<str> = host.as_str().trim_matches(['[', ']']).into();
        return Ok(Server { scheme, host, port });
    }
    let help = "write a host and a port, such as \"10.0.0.5:8080\", \"[fd00::5]:8080\" or \"https://10.0.0.5:8443\"";
    Err(value.refuse(format!("`{text}` is not a server"), help))
}

/// `health_check`.
fn health_check(value: &Value<'_>) -> Result<HealthCheck, Reported> {
    let mut table = value.table()?;
    let help = "write what answers with 2xx or 3xx when the server is well, such as path = \"/ping\"";
    let path = table.required("path", help, |value| check_path(&value));
    let times = SHORTEST_INTERVAL..=LONGEST_INTERVAL;
    let interval = table.or("interval", Duration::from_secs(5), |value| duration(&value, times.clone()));
    let timeout = table.or("timeout", CHECK_TIMEOUT.min(interval), |value| duration(&value, times));
    if timeout > interval {
        table.refuse("timeout", "`timeout` is longer than `interval`", "a check ends before the next one begins");
    }
    table.finish();
    Ok(HealthCheck { path: path?, interval, timeout })
}

fn check_path(value: &Value<'_>) -> Result<PathAndQuery, Reported> {
    let text = value.text()?;
    let path = text.parse().ok().filter(|_| text.starts_with('/') && !text.contains('#'));
    path.ok_or_else(|| value.refuse(format!("`{text}` is not a path"), "write a path, such as \"/ping\""))
}

/// `tls`, for an upstream with these servers (none if they are a mistake themselves).
fn tls(value: &Value<'_>, servers: Option<&[Server]>) -> Result<UpstreamTls, Reported> {
    let mut table = value.table()?;
    let is_set = ["ca", "server_name", "cert", "key"].iter().any(|key| table.has(key));
    let in_clear = servers.is_some_and(|servers| servers.iter().all(|server| server.scheme != Scheme::Https));
    if is_set && in_clear {
        let help = "write \"https://\" before the servers that speak TLS, or remove `tls`";
        return Err(value.refuse("no server of this upstream speaks TLS", help));
    }
    let authorities = table.optional("ca", |value| pem::authorities(&value, Authorities::from_pem));
    let server_name =
        table.optional("server_name", |value| parsed::<TlsName>(&value, "write the name that the certificate is for"));
    let certificate = certificate(&mut table);
    table.finish();
    Ok(UpstreamTls::new(authorities?, certificate?, server_name?))
}

/// `cert` and `key`, which come together.
fn certificate(table: &mut Table<'_>) -> Result<Option<ClientCertificate>, Reported> {
    match (table.get("cert"), table.get("key")) {
        (Some(chain), Some(key)) => pem::pair(&chain, &key, ClientCertificate::from_pem).map(Some),
        (None, None) => Ok(None),
        (Some(_), None) => Err(table.refuse("cert", "`cert` is of no use without `key`", pem::KEY)),
        (None, Some(_)) => Err(table.refuse("key", "`key` is of no use without `cert`", pem::CERTIFICATE)),
    }
}
