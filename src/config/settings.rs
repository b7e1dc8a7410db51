//! Everything that a configuration says, as the values that the rest of the program takes.

use std::{net::SocketAddr, path::PathBuf};

use super::WatchedFile;
use crate::{
    edge::{LiveSettings, ServerSettings},
    model::RateLimit,
    observe::LogSettings,
    registry::RegistrySettings,
};

/// A whole configuration. Only `live` is replaced by a reload.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The public door.
    pub server: ServerSettings,
    /// The issuer and base of absolute URLs, without a slash at the end.
    pub public_url: String,
    /// Where the private listener listens.
    pub admin_listen: SocketAddr,
    /// The file of the embedded store.
    pub store: PathBuf,
    /// Tokens and secrets.
    pub tokens: RegistrySettings,
    /// How often an address may ask for a token.
    pub token_requests: Option<RateLimit>,
    /// Logs.
    pub log: LogSettings,
    /// The door's certificates, upstreams, rules, limits, identity names.
    pub live: LiveSettings,
    /// The files that a part of this was read from: when they change, the configuration is read anew.
    pub files: Vec<WatchedFile>,
}

/// The keys that differ between two configurations and that only a restart brings into force.
#[must_use]
pub fn restart_needed(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let (a, b) = (&old.server, &new.server);
    let changes = [
        ("server.listen", a.listen != b.listen),
        ("server.tls", old.live.tls.is_some() != new.live.tls.is_some()),
        ("server.public_url", old.public_url != new.public_url),
        ("server.h2c", a.h2c != b.h2c),
        ("server.threads", a.threads != b.threads),
        ("server.trusted_proxies", a.trusted_proxies != b.trusted_proxies),
        ("server.expose_management", a.expose_management != b.expose_management),
        ("server.methods", a.methods != b.methods),
        ("server.max_header_bytes", a.max_header_bytes != b.max_header_bytes),
        ("server.max_headers", a.max_headers != b.max_headers),
        ("server.max_target_bytes", a.max_target_bytes != b.max_target_bytes),
        ("server.max_body", a.max_body != b.max_body),
        ("server.header_timeout", a.header_timeout != b.header_timeout),
        ("server.idle_timeout", a.idle_timeout != b.idle_timeout),
        ("server.body_timeout", a.body_timeout != b.body_timeout),
        ("server.min_body_rate", a.min_body_rate != b.min_body_rate),
        ("server.max_connections", a.max_connections != b.max_connections),
        ("server.max_connections_per_address", a.max_connections_per_address != b.max_connections_per_address),
        ("server.max_requests_per_connection", a.max_requests_per_connection != b.max_requests_per_connection),
        ("server.shutdown_grace", a.shutdown_grace != b.shutdown_grace),
        ("admin.listen", old.admin_listen != new.admin_listen),
        ("store.sqlite", old.store != new.store),
        ("tokens.duration", old.tokens.token_duration != new.tokens.token_duration),
        ("tokens.max_duration", old.tokens.max_token_duration != new.tokens.max_token_duration),
        ("tokens.secret_overlap", old.tokens.secret_overlap != new.tokens.secret_overlap),
        ("tokens.max_live_per_client", old.tokens.max_live_per_client != new.tokens.max_live_per_client),
        ("tokens.cache", old.tokens.token_cache != new.tokens.token_cache),
        ("limits.token_requests", old.token_requests != new.token_requests),
        ("log.format", old.log.format != new.log.format),
        ("log.level", old.log.level != new.log.level),
        ("log.access", old.log.access != new.log.access),
    ];
    changes.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
}
