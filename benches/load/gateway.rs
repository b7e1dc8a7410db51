//! The built portcullis: a store with a client and its token, made by the command line, and the gateway before it.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::PathBuf,
};

use tempfile::TempDir;

use super::{
    Outcome,
    command::{made, portcullis},
    process::{Process, free_address},
};

/// What is needed to serve, in a temporary folder.
pub(super) struct Gateway {
    folder: TempDir,
    upstream: SocketAddr,
    token: String,
}

impl Gateway {
    /// A store with a token, for gateways before this upstream.
    pub(super) fn prepare(upstream: SocketAddr) -> Outcome<Self> {
        let mut gateway = Self { folder: TempDir::new()?, upstream, token: String::new() };
        let (config, _) = gateway.configure(false)?;
        let [organization] = made(&config, &["org", "create", "Acme"], ["id"])?;
        let client = ["client", "create", "--org", &organization, "--name", "exporter", "--scope", "orders:read"];
        let [client] = made(&config, &client, ["client_id"])?;
        [gateway.token] = made(&config, &["token", "issue", "--client", &client], ["access_token"])?;
        Ok(gateway)
    }

    /// The token's text.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// A gateway that serves. Its log goes to a file, as access logs do.
    pub(super) fn serve(&self, access_log: bool) -> Outcome<Process> {
        let (config, address) = self.configure(access_log)?;
        let log = File::create(config.with_extension("log"))?;
        Process::start(portcullis(&config).arg("serve").stdout(log), address)
    }

    /// Writes a configuration, and gives back where it is and where it listens.
    fn configure(&self, access_log: bool) -> Outcome<(PathBuf, SocketAddr)> {
        let (public, admin, upstream) = (free_address()?, free_address()?, self.upstream);
        let text = format!(
            "[server]\nlisten = [\"{public}\"]\nthreads = 1\n\
             [admin]\nlisten = \"{admin}\"\n\
             [store]\nsqlite = \"portcullis.db\"\n\
             [log]\naccess = {access_log}\n\
             [upstreams.orders]\nservers = [\"{upstream}\"]\n\
             [[upstreams.orders.rules]]\npath = \"/orders/**\"\nmethods = [\"GET\"]\nscopes = [\"orders:read\"]\n"
        );
        let path = self.folder.path().join(format!("access-{access_log}.toml"));
        fs::write(&path, text)?;
        Ok((path, public))
    }
}
