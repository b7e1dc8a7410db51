//! The log: one line an event, JSON or words, with every secret masked whoever wrote it.
//!
//! Lines go through a bounded queue to a thread that writes them, so that a slow disk or pipe never holds up a request;
//! when the queue is full, lines are lost and not waited for.

use std::{
    borrow::Cow,
    io::{self, Write},
    panic,
};

use tracing::{Level, level_filters::LevelFilter};
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::model::mask_secrets;

/// The target of access-log lines.
pub const ACCESS: &str = "access";

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
    _writer: WorkerGuard,
}

/// Starts the log of this process, panics and the `log` crate's users included.
///
/// # Errors
/// The reason, if a log was started before.
pub fn start_log(settings: LogSettings, output: impl Write + Send + 'static) -> Result<LogGuard, String> {
    let (writer, guard) = tracing_appender::non_blocking(output);
    let writer = Masked(writer);
    let lines = fmt::layer().with_writer(writer);
    let lines = match settings.format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines.with_ansi(false).with_target(false).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(targets(settings))).try_init().map_err(|e| e.to_string())?;
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let words = panic.payload_as_str().unwrap_or("no words");
        tracing::error!(place, "a request or task died of a mistake in Portcullis: {words}");
    }));
    Ok(LogGuard { _writer: guard })
}

fn targets(settings: LogSettings) -> Targets {
    let level = LevelFilter::from_level(settings.level);
    let access = if settings.access { LevelFilter::INFO } else { LevelFilter::OFF };
    let talkative = TALKATIVE.map(|target| (target, level.min(LevelFilter::INFO)));
    let alarmist = ALARMIST.map(|target| (target, LevelFilter::OFF));
    Targets::new().with_default(level).with_targets(talkative).with_targets(alarmist).with_target(ACCESS, access)
}

/// Writes lines with their secrets masked.
#[derive(Clone)]
struct Masked(NonBlocking);

impl<'a> MakeWriter<'a> for Masked {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Masked {
    /// The formatter hands over one whole line at a time.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        match mask_secrets(&text) {
            Cow::Borrowed(_) => self.0.write_all(line)?,
            Cow::Owned(masked) => self.0.write_all(masked.as_bytes())?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(settings: LogSettings, write: impl FnOnce()) -> String {
        let kept = Kept::default();
        let (writer, guard) = tracing_appender::non_blocking(kept.clone());
        let lines = fmt::layer().json().flatten_event(true).with_writer(Masked(writer));
        let subscriber = tracing_subscriber::registry().with(lines.with_filter(targets(settings)));
        tracing::subscriber::with_default(subscriber, write);
        drop(guard);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
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
