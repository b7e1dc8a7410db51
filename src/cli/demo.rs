//! `demo`: everything at once in a temporary folder, and calls to try: printed as curl lines, or made and checked.

use std::{fs, net::SocketAddr};

use clap::Args;
use tempfile::TempDir;
use tracing::Level;

use super::{
    output::Failure,
    sample,
    story::{Ports, RULES, Story},
};
use crate::{
    app::App,
    config::{Environment, Purpose, Settings, load},
    observe::{LogSettings, start_log},
};

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// The port of the public door
    #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// The port of the private listener
    #[arg(long, default_value_t = 9090, value_parser = clap::value_parser!(u16).range(1..))]
    admin_port: u16,
    /// Make the calls, print each with its status, and end; fails unless all answered as they should
    #[arg(long)]
    check: bool,
}

/// Runs the demo.
pub(super) fn run(demo: &Demo) -> Result<(), Failure> {
    let folder = TempDir::new().map_err(|error| Failure::Failed(format!("no temporary folder: {error}")))?;
    let sample = std::net::TcpListener::bind("127.0.0.1:0").map_err(Failure::failed)?;
    sample.set_nonblocking(true).map_err(Failure::failed)?;
    let settings = settings(demo, &folder, sample.local_addr().map_err(Failure::failed)?)?;
    let log = LogSettings { level: Level::WARN, access: false, ..settings.log };
    let log = start_log(log, std::io::stderr()).map_err(Failure::failed)?;
    let app = App::build(settings, log.access()).map_err(Failure::failed)?;
    let ports = Ports { public: demo.port, private: demo.admin_port };
    let story = app.runtime().block_on(async {
        let listener = tokio::net::TcpListener::from_std(sample).map_err(Failure::failed)?;
        tokio::spawn(async move { axum::serve(listener, sample::api()).await });
        Story::prepare(app.services(), ports).await
    })?;
    if demo.check {
        let checked = app.run(None, story.check()).map_err(Failure::failed)?;
        return checked.unwrap_or_else(|| Err(Failure::Failed("the demo was stopped".to_owned())));
    }
    story.print()?;
    app.run(None, std::future::pending::<()>()).map_err(Failure::failed)?;
    Ok(())
}

fn settings(demo: &Demo, folder: &TempDir, upstream: SocketAddr) -> Result<Settings, Failure> {
    let (port, admin) = (demo.port, demo.admin_port);
    let text = format!(
        "[server]\nlisten = [\"127.0.0.1:{port}\"]\nthreads = 2\n[admin]\nlisten = \"127.0.0.1:{admin}\"\n\
         [log]\nformat = \"text\"\n[upstreams.orders]\nservers = [\"{upstream}\"]\n{RULES}"
    );
    let file = folder.path().join("portcullis.toml");
    fs::write(&file, text).map_err(|error| Failure::Failed(format!("cannot write {}: {error}", file.display())))?;
    // The demo is the same whatever the environment says.
    let loaded = load(&file, &Environment::default(), Purpose::Serve);
    loaded.map(|loaded| loaded.settings).map_err(|report| Failure::Failed(report.to_string()))
}
