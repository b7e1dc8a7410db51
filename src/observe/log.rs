//! The log: one line an event, JSON or words, with every secret masked whoever wrote it.
//!
//! Lines go through a bounded queue (`queue`) to a thread that writes them, so that a slow disk or pipe never holds up a
//! request; when the queue is full, lines are lost and not waited for. Those of requests (`access`) and all others go
//! the same way.

mod access;
mod queue;

use std::{
    io::{self, Write},
    panic,
};

use tracing::{Level, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use access::ACCESS;
pub use access::{AccessLine, AccessLog, milliseconds};
use queue::{Queue, Writer};

/// Targets whose debug lines print whole requests, credentials included.
const TALKATIVE: [&str; 2] = ["pingora_core", "pingora_http"];
/// Targets that call what happens every day an error: a client that breaks off, a kept connection that another request
/// took. What matters of it is said by the edge, with the request's id.
const ALARMIST: [&str; 2] = ["pingora_proxy", "pingora_core::connectors"];

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Words for people.
    Text,
}

/// What is logged, and how. Fixed until a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSettings {
    /// The form of a line.
    pub format: LogFormat,
    /// The least severe level that is logged.
    pub level: Level,
    /// Whether each request gets a line.
    pub access: bool,
}

/// Keeps the log open; when dropped, lines that wait are written.
#[derive(Debug)]
#[must_use = "the log ends with it"]
pub struct LogGuard {
    access: Option<AccessLog>,
    _writer: Writer,
}

impl LogGuard {
    /// Opens a log, and gives back what `tracing` tells it.
    ///
    /// # Errors
    /// [`io::Error`] if the system gives no thread.
    pub(crate) fn open(
        settings: LogSettings,
        output: impl Write + Send + 'static,
    ) -> io::Result<(impl Subscriber + Send + Sync, Self)> {
        let (queue, writer) = Queue::open(output, |lost| {
            tracing::warn!(lost, "lines of the log were lost: they came faster than its output takes them");
        })?;
        let access = match settings.format {
            LogFormat::Json => AccessLog::json(queue.clone()),
            LogFormat::Text => AccessLog::default(),
        };
        let lines = fmt::layer().with_writer(queue);
        let lines = match settings.format {
            LogFormat::Json => lines.json().flatten_event(true).boxed(),
            LogFormat::Text => lines.with_ansi(false).with_target(false).boxed(),
        };
        let subscriber = tracing_subscriber::registry().with(lines.with_filter(targets(settings)));
        Ok((subscriber, Self { access: settings.access.then_some(access), _writer: writer }))
    }

    /// Where requests leave their lines, if they are to.
    #[must_use]
    pub fn access(&self) -> Option<AccessLog> {
        self.access.clone()
    }
}

/// Starts the log of this process, panics and the `log` crate's users included.
///
/// # Errors
/// The reason, if a log was started before, or the system gives no thread.
pub fn start_log(settings: LogSettings, output: impl Write + Send + 'static) -> Result<LogGuard, String> {
    let (subscriber, guard) = LogGuard::open(settings, output).map_err(|e| e.to_string())?;
    subscriber.try_init().map_err(|e| e.to_string())?;
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let words = panic.payload_as_str().unwrap_or("no words");
        tracing::error!(place, "a request or task died of a mistake in Portcullis: {words}");
    }));
    Ok(guard)
}

fn targets(settings: LogSettings) -> Targets {
    let level = LevelFilter::from_level(settings.level);
    let access = if settings.access { LevelFilter::INFO } else { LevelFilter::OFF };
    let talkative = TALKATIVE.map(|target| (target, level.min(LevelFilter::INFO)));
    let alarmist = ALARMIST.map(|target| (target, LevelFilter::OFF));
    Targets::new().with_default(level).with_targets(talkative).with_targets(alarmist).with_target(ACCESS, access)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    pub(super) struct Kept(pub(super) Arc<Mutex<Vec<u8>>>);

    impl Kept {
        pub(super) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is in the log after `write`, which is given the log for requests.
    pub(super) fn lines_of(settings: LogSettings, write: impl FnOnce(Option<AccessLog>)) -> String {
        let kept = Kept::default();
        let (subscriber, guard) = LogGuard::open(settings, kept.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || write(guard.access()));
        drop(guard);
        kept.text()
    }

    fn lines(settings: LogSettings, write: impl FnOnce()) -> String {
        lines_of(settings, |_| write())
    }

    const SETTINGS: LogSettings = LogSettings { format: LogFormat::Json, level: Level::INFO, access: false };

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let text = lines(SETTINGS, || tracing::info!(path = "/x/prt_at_abc-DEF", "Bearer prt_cs_123 seen"));
        assert!(!text.contains("abc-DEF") && !text.contains("prt_cs_123"), "{text}");
        assert!(text.contains(r#""message":"Bearer prt_*** seen""#), "{text}");
    }

    #[test]
    fn every_line_is_json() {
        let text = lines(SETTINGS, || tracing::warn!("two\nlines \"quoted\""));
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn access_lines_follow_their_own_switch_and_pingora_never_tells_requests() {
        let write = || {
            tracing::info!(target: ACCESS, "a request");
            tracing::debug!(target: "pingora_core", "all headers");
            tracing::error!(target: "pingora_proxy", "all headers");
            tracing::debug!("ours");
        };
        assert_eq!(lines(SETTINGS, write), "");
        let all = lines(LogSettings { level: Level::TRACE, access: true, ..SETTINGS }, write);
        assert!(all.contains("a request") && all.contains("ours") && !all.contains("all headers"), "{all}");
        let quiet = lines(LogSettings { level: Level::ERROR, access: true, ..SETTINGS }, write);
        assert!(quiet.contains("a request") && !quiet.contains("ours"));
    }
}
