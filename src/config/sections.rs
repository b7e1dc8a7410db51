//! The sections that stand still until a restart: `[server]`, `[admin]`, `[store]`, `[tokens]`, `[log]`.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use http::Method;
use ipnet::IpNet;
use tracing::Level;

use super::{
    reader::{Reported, Table, Value},
    tls,
    values::{GIB, KIB, LONGEST, MIB, count, duration, one_of, size, socket_address, some_of, some_time, split_port},
};
use crate::{
    edge::{DoorTls, ServerSettings},
    observe::{LogFormat, LogSettings},
    policy::Host,
    registry::RegistrySettings,
};

/// The methods that are let in without being asked for.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// More header bytes than this pingora refuses by itself, with another status.
const MOST_HEADER_BYTES: u64 = 512 * KIB;
/// More header fields than this pingora refuses by itself, with another status.
const MOST_HEADERS: i64 = 256;

/// More connections no machine has.
const MOST_CONNECTIONS: i64 = 10_000_000;

/// More living tokens of one client than this are no limit any more.
const MOST_LIVE_TOKENS: i64 = 1_000_000_000;

/// `[server]`: the door, the URL that it is known by, and its certificates.
pub(super) fn server(mut table: Table<'_>) -> (ServerSettings, String, Option<DoorTls>) {
    let listen = table.or("listen", vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080))], |value| listen(&value));
    let own_url = table.optional("public_url", |value| public_url(&value));
    let has_tls = table.has("tls");
    let tls = table.optional("tls", |value| tls::door(&value)).ok().flatten();
    let settings = ServerSettings {
        h2c: table.or("h2c", false, |value| value.boolean()),
        threads: table.or("threads", one_per_core(), |value| threads(&value)),
        trusted_proxies: table.or("trusted_proxies", Vec::new(), |value| value.each(|item| network(&item))),
        expose_management: table.or("expose_management", false, |value| value.boolean()),
        methods: table.or("methods", METHODS.to_vec(), |value| methods(&value)),
        max_header_bytes: table.or("max_header_bytes", 32 * 1024, |value| size(&value, 1..=MOST_HEADER_BYTES)),
        max_headers: table.or("max_headers", 100, |value| count(&value, 1..=MOST_HEADERS)),
        max_target_bytes: table.or("max_target_bytes", 8 * 1024, |value| size(&value, 1..=MOST_HEADER_BYTES)),
        max_body: table.or("max_body", 10 * MIB, |value| size(&value, 1..=1024 * GIB)),
        header_timeout: table.or("header_timeout", Duration::from_secs(10), |value| some_time(&value)),
        idle_timeout: table.or("idle_timeout", Duration::from_mins(1), |value| some_time(&value)),
        body_timeout: table.or("body_timeout", Duration::from_secs(30), |value| some_time(&value)),
        min_body_rate: table.or("min_body_rate", 256, |value| size(&value, 0..=GIB)),
        max_connections: table.or("max_connections", 10_000, |value| count(&value, 1..=MOST_CONNECTIONS)),
        max_connections_per_address: table
            .or("max_connections_per_address", 5000, |value| count(&value, 1..=MOST_CONNECTIONS)),
        max_requests_per_connection: table
            .or("max_requests_per_connection", 10_000, |value| count(&value, 1..=i64::from(u32::MAX))),
        shutdown_grace: table
            .or("shutdown_grace", Duration::from_secs(30), |value| duration(&value, Duration::ZERO..=LONGEST)),
        listen,
    };
    let public_url = match own_url {
        Ok(Some(url)) => url,
        _ => default_url(&table, &settings.listen, if has_tls { "https" } else { "http" }),
    };
    table.finish();
    (settings, public_url, tls)
}

fn listen(value: &Value<'_>) -> Result<Vec<SocketAddr>, Reported> {
    let mut seen: Vec<SocketAddr> = Vec::new();
    some_of(value, "write at least one address, such as [\"127.0.0.1:8080\"]", |item| {
        let address = socket_address(&item)?;
        if seen.iter().any(|other| clash(*other, address)) {
            return Err(item.refuse(format!("{address} is taken by another entry"), "remove one of them"));
        }
        seen.push(address);
        Ok(address)
    })
}

/// Whether two listeners want the same port of the same address. Port 0 is a free one, so it never clashes.
fn clash(a: SocketAddr, b: SocketAddr) -> bool {
    let same_address =
        a.ip() == b.ip() || (a.is_ipv4() == b.is_ipv4() && (a.ip().is_unspecified() || b.ip().is_unspecified()));
    a.port() == b.port() && a.port() != 0 && same_address
}

/// The issuer: an `http` or `https` URL without user, query and fragment; slashes at its end do not count.
fn public_url(value: &Value<'_>) -> Result<String, Reported> {
    let text = value.text()?;
    let refuse = |reason: &str| {
        let help = "write the URL that clients use, such as \"https://api.example.com\"";
        Err(value.refuse(format!("`{text}` cannot be the public URL: {reason}"), help))
    };
    let Some(rest) = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme)) else {
        return refuse("it does not start with https:// or http://");
    };
    if rest.contains(['?', '#', '@']) {
        return refuse("it has a query, a fragment or a user");
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let has_port = authority.rfind(':').is_some_and(|colon| !authority.ends_with(']') && colon > 0);
    if authority.parse::<Host>().is_err() || (has_port && split_port(authority).is_none()) {
        return refuse("its host is not a name or an address with an optional port");
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let path = path.trim_end_matches('/');
    if !path.bytes().all(plain) || path.split('/').skip(1).any(|segment| matches!(segment, "" | "." | "..")) {
        return refuse("its path is not made of plain segments");
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn default_url(table: &Table<'_>, listen: &[SocketAddr], scheme: &str) -> String {
    let first = listen.first().copied().unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)));
    let reachable = match first.ip() {
        ip if !ip.is_unspecified() => return format!("{scheme}://{first}"),
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
    };
    let url = format!("{scheme}://{}", SocketAddr::new(reachable, first.port()));
    if !table.has("public_url") {
        table.warn(
            "public_url",
            format!("`public_url` is not set, and {first} is no address that a client can use: {url} is taken"),
            "set it to the URL that clients use, such as \"https://api.example.com\"",
        );
    }
    url
}

fn threads(value: &Value<'_>) -> Result<usize, Reported> {
    count(value, 0..=1024).map(|threads| if threads == 0 { one_per_core() } else { threads })
}

fn one_per_core() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

/// A network; an address alone is a network of one.
fn network(value: &Value<'_>) -> Result<IpNet, Reported> {
    let text = value.text()?;
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| {
        let help = "write an address or a network, such as \"10.0.0.0/8\" or \"fd00::/8\"";
        value.refuse(format!("`{text}` is not a network"), help)
    })
}

fn methods(value: &Value<'_>) -> Result<Vec<Method>, Reported> {
    let mut all = METHODS.to_vec();
    for added in value.each(|item| method(&item))? {
        if !all.contains(&added) {
            all.push(added);
        }
    }
    Ok(all)
}

/// The name of a method; those that no gateway may pass on are refused.
pub(super) fn method(value: &Value<'_>) -> Result<Method, Reported> {
    let text = value.text()?;
    let help = "write a method in capitals, such as \"GET\" or \"PROPFIND\"";
    match Method::from_bytes(text.as_bytes()) {
        Ok(Method::TRACE | Method::CONNECT) => {
            let reason = "would show or tunnel what the gateway is there to check";
            Err(value.refuse(format!("{text} is never let in: it {reason}"), "remove it"))
        }
        Ok(method) if !text.bytes().any(|byte| byte.is_ascii_lowercase()) => Ok(method),
        _ => Err(value.refuse(format!("`{text}` is not a method"), help)),
    }
}

/// `[admin]`: where the private listener listens.
pub(super) fn admin(mut table: Table<'_>, public: &[SocketAddr]) -> SocketAddr {
    let listen = table.or("listen", SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)), |value| socket_address(&value));
    if public.iter().any(|address| clash(*address, listen)) {
        let reason = format!("{listen} is one of `server.listen` too");
        table.refuse("listen", reason, "give management a port of its own: it never shares the public door's");
    }
    table.finish();
    listen
}

/// `[store]`: the `SQLite` file.
pub(super) fn store(mut table: Table<'_>) -> PathBuf {
    let file = table.or("sqlite", "portcullis.db", |value| match value.text()? {
        "" => Err(value.refuse("the file has no name", "write a path, such as \"portcullis.db\"")),
        path => Ok(path),
    });
    if let Some(value) = table.get("postgres") {
        value.keep_secret();
        value.not_supported("postgres");
    }
    let folder = table.folder();
    table.finish();
    folder.join(file)
}

/// `[tokens]`: lifetimes, how many, and what memory they take.
pub(super) fn tokens(mut table: Table<'_>) -> RegistrySettings {
    let day = Duration::from_hours(24);
    let second = Duration::from_secs(1);
    let settings = RegistrySettings {
        token_duration: table.or("duration", day, |value| duration(&value, second..=LONGEST)),
        max_token_duration: table.or("max_duration", 30 * day, |value| duration(&value, second..=LONGEST)),
        secret_overlap: table.or("secret_overlap", day, |value| duration(&value, Duration::ZERO..=LONGEST)),
        max_live_per_client: table.or("max_live_per_client", 100_000, |value| count(&value, 1..=MOST_LIVE_TOKENS)),
        token_cache: table.or("cache", 256 * MIB, |value| size(&value, 16 * MIB..=1024 * GIB)),
    };
    if settings.token_duration > settings.max_token_duration {
        let key = if table.has("duration") { "duration" } else { "max_duration" };
        table.refuse(key, "`duration` is longer than `max_duration`", "make one of them fit the other");
    }
    table.finish();
    settings
}

/// `[log]`: what is logged, and how.
pub(super) fn log(mut table: Table<'_>) -> LogSettings {
    const FORMATS: [(&str, LogFormat); 2] = [("json", LogFormat::Json), ("text", LogFormat::Text)];
    const LEVELS: [(&str, Level); 5] = [
        ("error", Level::ERROR),
        ("warn", Level::WARN),
        ("info", Level::INFO),
        ("debug", Level::DEBUG),
        ("trace", Level::TRACE),
    ];
    let settings = LogSettings {
        format: table.or("format", LogFormat::Json, |value| one_of(&value, &FORMATS)),
        level: table.or("level", Level::INFO, |value| one_of(&value, &LEVELS)),
        access: table.or("access", true, |value| value.boolean()),
    };
    table.finish();
    settings
}
