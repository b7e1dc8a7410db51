//! Everything that a configuration says, as the values that the rest of the program takes.

use std::{net::SocketAddr, path::PathBuf};

use crate::{
    edge::{LiveSettings, ServerSettings},
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
    /// Logs.
    pub log: LogSettings,
    /// Upstreams, rules, identity names.
    pub live: LiveSettings,
}
