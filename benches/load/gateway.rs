//! The built portcullis: a store with a client and its token, made by the command line, and the gateway before it.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{
    Outcome,
    command::{made, portcullis},
    process::{Process, free_address},
};

/// A client of the API and its token.
#[derive(Default)]
pub(super) struct Client {
    pub(super) organization: String,
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) token: String,
}

/// What is needed to serve, in a temporary folder.
pub(super) struct Gateway {
    pub(super) client: Client,
    program: PathBuf,
    folder: TempDir,
    /// The part of the configuration that says them.
    upstreams: String,
}

/// A configuration, and where it has the gateway listen.
pub(super) struct Configured {
    pub(super) path: PathBuf,
    pub(super) public: SocketAddr,
    pub(super) admin: SocketAddr,
}

/// One upstream with one rule.
pub(super) fn orders(server: SocketAddr) -> String {
    format!(
        "[upstreams.orders]\nservers = [\"{server}\"]\n\
         [[upstreams.orders.rules]]\npath = \"/orders/**\"\nmethods = [\"GET\"]\nscopes = [\"orders:read\"]\n"
    )
}

impl Gateway {
    /// A store with a client and its token, for gateways before these upstreams. It is where things are built, so that
    /// it is on a disk.
    pub(super) fn prepare(program: &Path, upstreams: String) -> Outcome<Self> {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        let mut gateway = Self { client: Client::default(), program: program.to_owned(), folder, upstreams };
        let Configured { path, .. } = gateway.configure(false)?;
        let [organization] = made(program, &path, &["org", "create", "Acme"], ["id"])?;
        let client = ["client", "create", "--org", &organization, "--name", "exporter", "--scope", "orders:read"];
        let [id, secret] = made(program, &path, &client, ["client_id", "client_secret"])?;
        let [token] = made(program, &path, &["token", "issue", "--client", &id], ["access_token"])?;
        gateway.client = Client { organization, id, secret, token };
        Ok(gateway)
    }

    /// The store's file.
    pub(super) fn store(&self) -> PathBuf {
        self.folder.path().join("portcullis.db")
    }

    /// Its folder.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A gateway that serves.
    pub(super) fn serve(&self, access_log: bool) -> Outcome<Process> {
        let configured = self.configure(access_log)?;
        Process::start(&mut self.command(&configured)?, configured.public)
    }

    /// The command by which it serves. Its log goes to a file, as access logs do.
    pub(super) fn command(&self, configured: &Configured) -> Outcome<Command> {
        let log = File::create(configured.path.with_extension("log"))?;
        let mut command = portcullis(&self.program, &configured.path);
        command.arg("serve").stdout(log);
        Ok(command)
    }

    /// Any other command.
    pub(super) fn verb(&self) -> Outcome<Command> {
        Ok(portcullis(&self.program, &self.configure(false)?.path))
    }

    /// Writes a configuration.
    pub(super) fn configure(&self, access_log: bool) -> Outcome<Configured> {
        let (public, admin, upstreams) = (free_address()?, free_address()?, &self.upstreams);
        let text = format!(
            "[server]\nlisten = [\"{public}\"]\nthreads = 1\n\
             [admin]\nlisten = \"{admin}\"\n\
             [store]\nsqlite = \"portcullis.db\"\n\
             [tokens]\nmax_live_per_client = 100000000\n\
             [log]\naccess = {access_log}\n\
             {upstreams}"
        );
        let path = self.folder.path().join(format!("access-{access_log}.toml"));
        fs::write(&path, text)?;
        Ok(Configured { path, public, admin })
    }
}
