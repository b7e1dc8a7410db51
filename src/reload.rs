//! Floor 6, reload: SIGHUP reads the configuration anew and swaps what a reload replaces, whole or not at all.

use std::{path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::signal::unix::Signal;

use crate::{
    config::{Environment, Purpose, Settings, load, restart_needed},
    edge::Live,
    model::{Clock, SystemClock},
    observe::Metrics,
};

/// How long the new rules wait for the names of their upstreams.
const RESOLUTION: Duration = Duration::from_millis(500);

/// What a reload works with.
pub(crate) struct Reload {
    /// The file.
    pub(crate) source: PathBuf,
    /// What is in force.
    pub(crate) live: Arc<ArcSwap<Live>>,
    /// The settings that the process was started with.
    pub(crate) running: Settings,
    /// Counts.
    pub(crate) metrics: Arc<Metrics>,
}

/// Reloads at each SIGHUP; ends only when there can be none any more.
pub(crate) async fn on_hangup(reload: Reload, mut hangups: Signal) {
    reload.metrics.config_last_reload.set(SystemClock.now().as_seconds());
    while hangups.recv().await.is_some() {
        let ok = reload.once().await;
        reload.metrics.count_reload(ok);
        if ok {
            reload.metrics.config_last_reload.set(SystemClock.now().as_seconds());
        }
    }
}

impl Reload {
    /// Reads, checks and swaps. Whether the new configuration is in force.
    async fn once(&self) -> bool {
        let loaded = match load(&self.source, &Environment::of_process(), Purpose::Serve) {
            Ok(loaded) => loaded,
            Err(report) => {
                for mistake in report.diagnostics() {
                    tracing::error!("the configuration is not reloaded, the old rules stay: {mistake}");
                }
                return false;
            }
        };
        for warning in loaded.warnings.diagnostics() {
            tracing::warn!("{warning}");
        }
        let needing = restart_needed(&self.running, &loaded.settings);
        // Own paths are those of the running door, whatever the file says by now.
        let mut live = match Live::build(loaded.settings.live, self.running.server.expose_management) {
            Ok(live) => live,
            Err(errors) => {
                for error in errors {
                    tracing::error!("the configuration is not reloaded, the old rules stay: {}", error.message);
                }
                return false;
            }
        };
        live.inherit(&self.live.load());
        let live = Arc::new(live);
        let resolved = tokio::time::timeout(RESOLUTION, live.resolve()).await.is_ok();
        self.live.store(live.clone());
        if !resolved {
            tracing::warn!("names of upstreams are slow to resolve; the new rules are in force meanwhile");
            tokio::spawn(async move { live.resolve().await });
        }
        if !needing.is_empty() {
            tracing::warn!(
                keys = needing.join(", "),
                "these keys have changed and need a restart; the rest is in force"
            );
        }
        tracing::info!("the configuration is reloaded: its upstreams, rules and identity names are in force");
        true
    }
}
