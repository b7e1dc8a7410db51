//! The gateway that is besieged: its store, its clients, and its configuration. Its bounds are the defaults, but for
//! times that are short enough to be seen at work.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use data_encoding::BASE64;
use tempfile::TempDir;

use super::{
    Outcome, PORTCULLIS,
    command::{made, portcullis},
    process::{Process, free_address},
};

/// The most connections from one address.
pub(super) const PER_ADDRESS: usize = 1000;

/// A client with its token.
pub(super) struct Client {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) token: String,
}

impl Client {
    /// `Authorization` with this secret (RFC 6749 section 2.3.1).
    pub(super) fn basic(&self, secret: &str) -> String {
        format!("Authorization: Basic {}", BASE64.encode(format!("{}:{secret}", self.id).as_bytes()))
    }

    /// `Authorization` with the token (RFC 6750 section 2.1).
    pub(super) fn bearer(&self) -> String {
        format!("Authorization: Bearer {}", self.token)
    }
}

/// What is needed to serve, in a temporary folder.
pub(super) struct Prepared {
    folder: TempDir,
    /// The servers of `/orders`, and those of `/shaky`.
    servers: (SocketAddr, [SocketAddr; 2]),
}

/// A running gateway.
pub(super) struct Gateway {
    pub(super) process: Process,
    pub(super) admin: SocketAddr,
    pub(super) config: PathBuf,
}

impl Prepared {
    /// A folder for gateways before these servers.
    pub(super) fn new(orders: SocketAddr, shaky: [SocketAddr; 2]) -> Outcome<Self> {
        Ok(Self { folder: TempDir::new()?, servers: (orders, shaky) })
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new client of an organisation of its own.
    pub(super) fn client(&self) -> Outcome<Client> {
        let (config, ..) = self.configure("clients")?;
        let [organization] = made(PORTCULLIS.as_ref(), &config, &["org", "create", "Acme"], ["id"])?;
        let create = ["client", "create", "--org", &organization, "--name", "exporter", "--scope", "orders:read"];
        let [id, secret] = made(PORTCULLIS.as_ref(), &config, &create, ["client_id", "client_secret"])?;
        let [token] = made(PORTCULLIS.as_ref(), &config, &["token", "issue", "--client", &id], ["access_token"])?;
        Ok(Client { id, secret, token })
    }

    /// Another token of a client.
    pub(super) fn token(&self, client: &Client) -> Outcome<String> {
        let (config, ..) = self.configure("clients")?;
        let [token] =
            made(PORTCULLIS.as_ref(), &config, &["token", "issue", "--client", &client.id], ["access_token"])?;
        Ok(token)
    }

    /// A gateway of this name that serves. Its log goes to a file, as access logs do.
    pub(super) fn serve(&self, name: &str, descriptors: Option<u32>) -> Outcome<Gateway> {
        let (config, public, admin) = self.configure(name)?;
        let log = File::create(config.with_extension("log"))?;
        let serve = portcullis(PORTCULLIS.as_ref(), &config);
        let mut command = match descriptors {
            None => serve,
            Some(number) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", &format!("ulimit -n {number}; exec \"$0\" \"$@\"")]);
                shell.arg(serve.get_program()).args(serve.get_args()).env_clear();
                shell
            }
        };
        let process = Process::start(command.arg("serve").stdin(Stdio::null()).stdout(log), public)?;
        Ok(Gateway { process, admin, config })
    }

    /// Writes a configuration. Where it is, and where it listens: for all, and for administration.
    fn configure(&self, name: &str) -> Outcome<(PathBuf, SocketAddr, SocketAddr)> {
        let (public, admin, (orders, [one, other])) = (free_address()?, free_address()?, self.servers);
        let text = format!(
            "[server]\nlisten = [\"{public}\"]\nh2c = true\nmax_connections_per_address = {PER_ADDRESS}\n\
             header_timeout = \"2s\"\nbody_timeout = \"2s\"\nidle_timeout = \"3s\"\n\
             [admin]\nlisten = \"{admin}\"\n\
             [store]\nsqlite = \"portcullis.db\"\n\
             [upstreams.orders]\nservers = [\"{orders}\"]\npath = \"/orders\"\n\
             [[upstreams.orders.rules]]\nscopes = [\"orders:read\"]\n\
             [upstreams.shaky]\nservers = [\"{one}\", \"{other}\"]\npath = \"/shaky\"\ntimeout = \"1s\"\n\
             [[upstreams.shaky.rules]]\nscopes = [\"orders:read\"]\n"
        );
        let path = self.folder.path().join(name).with_extension("toml");
        fs::write(&path, text)?;
        Ok((path, public, admin))
    }
}
