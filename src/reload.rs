//! Floor 6, reload: SIGHUP, and a change of a file that the configuration names for TLS, read the configuration anew
//! and swap what a reload replaces, whole or not at all.

use std::{future::pending, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::signal::unix::Signal;

use crate::{
    config::{Environment, Purpose, Settings, WatchedFile, load, restart_needed},
    edge::Live,
    model::{Clock, SystemClock},
    observe::Metrics,
};

/// How long the new rules wait for the names of their upstreams.
const RESOLUTION: Duration = Duration::from_millis(500);

/// How often files are looked at. One that changes is read when it has not changed for as long, whole by then.
const LOOK: Duration = Duration::from_secs(1);

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

/// Reloads at each SIGHUP, and when files change; ends only when there can be no SIGHUP any more.
pub(crate) async fn on_change(reload: Reload, mut hangups: Signal) {
    reload.metrics.config_last_reload.set(SystemClock.now().as_seconds());
    let mut files = reload.running.files.clone();
    loop {
        tokio::select! {
            hangup = hangups.recv() => if hangup.is_none() { return },
            changed = change(&files) => {
                tracing::info!("a file that the configuration names for TLS has changed");
                // If that is no reason to change anything, the next change may be one.
                files = changed;
            }
        }
        let read = reload.once().await;
        reload.metrics.count_reload(read.is_some());
        if let Some(read) = read {
            files = read;
            reload.metrics.config_last_reload.set(SystemClock.now().as_seconds());
        }
    }
}

/// Says which upstreams refuse nothing.
pub(crate) fn warn_of_observing(live: &Live) {
    let upstreams = live.observing().join(", ");
    if !upstreams.is_empty() {
        tracing::warn!(
            upstreams,
            "these upstreams only observe: what should be refused goes through; `portcullis report` shows what that is"
        );
    }
}

/// Waits until a file is another than it was, and gives all of them as they are then.
async fn change(files: &[WatchedFile]) -> Vec<WatchedFile> {
    if files.is_empty() {
        return pending().await;
    }
    let mut last = files.to_vec();
    loop {
        tokio::time::sleep(LOOK).await;
        let seen = last.clone();
        // A folder over a network may keep whoever asks waiting.
        let look = tokio::task::spawn_blocking(move || seen.iter().map(WatchedFile::now).collect());
        let Ok(now) = look.await else { continue };
        if now == last && now != files {
            return now;
        }
        last = now;
    }
}

impl Reload {
    /// Reads, checks and swaps. The files to watch from then on; nothing if all stays as it was.
    async fn once(&self) -> Option<Vec<WatchedFile>> {
        let loaded = match load(&self.source, &Environment::of_process(), Purpose::Serve) {
            Ok(loaded) => loaded,
            Err(report) => {
                for mistake in report.diagnostics() {
                    tracing::error!("the configuration is not reloaded, what is in force stays: {mistake}");
                }
                return None;
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
                    tracing::error!("the configuration is not reloaded, what is in force stays: {}", error.message);
                }
                return None;
            }
        };
        live.keep_tls(&self.live.load());
        live.inherit(&self.live.load());
        let live = Arc::new(live);
        let resolved = tokio::time::timeout(RESOLUTION, live.resolve()).await.is_ok();
        self.live.store(live.clone());
        warn_of_observing(&live);
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
        tracing::info!(
            "the configuration is reloaded: its certificates, upstreams, rules, limits and identity names are in force"
        );
        Some(loaded.settings.files)
    }
}
